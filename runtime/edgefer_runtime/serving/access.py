"""Which web pages may ask: those of the server itself, and those it was told of.

Who listens on 127.0.0.1 is still reached by every page that a browser on this machine shows. Such a page
names itself in ``Origin``; one that had its own name resolved to this machine (DNS rebinding) shows that name
in ``Host``. Neither header is sent wrongly by a browser, and neither protects from a program, which is what
the token is for: a server that asks for one needs no such check, as a page cannot know it.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

from edgefer_runtime.serving.refusals import BAD_REQUEST, FORBIDDEN, MISDIRECTED, UNSUPPORTED_MEDIA, Refusal

HEALTH = ("/v2/health/live", "/v2/health/ready")
"""Paths that answer whatever the request says: probes name an address that the server does not know."""

FORM_TYPES = ("application/x-www-form-urlencoded", "multipart/form-data", "text/plain")
"""What a page may send anywhere without the browser's asking first."""

SHOWN = 80
"""Characters of a header that a message repeats."""

_AUTHORITY = re.compile(r"(?:\[(?P<address>[0-9a-f:.]+)\]|(?P<name>[a-z0-9_.-]+))(?::[0-9]{1,5})?", re.I)
_ORIGIN = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<authority>[^/?#@\s]+)", re.I)

Headers = Iterable[tuple[bytes, bytes]]


@dataclass(frozen=True)
class Access:
    """What ``Host`` and ``Origin`` may say.

    Attributes:
        bound: the address that the server listens on.
        hosts: further names of it.
        origins: pages from elsewhere that may ask, as ``https://name:port``.
        secure: whether the server itself does TLS.
    """

    bound: str = "127.0.0.1"
    hosts: frozenset[str] = frozenset()
    origins: frozenset[str] = frozenset()
    secure: bool = False
    machine: str = field(default_factory=lambda: socket.gethostname().lower())

    def __post_init__(self) -> None:
        # Requests repeat what they say, and clients are few.
        object.__setattr__(self, "trusts", lru_cache(256)(self.trusts))

    def check(self, headers: Headers, *, http: str = "1.1", navigation: bool = False) -> None:
        """Let a request in.

        Args:
            headers: its own, names in lower case.
            http: the version it speaks; before 1.1 it need not say whom it asks.
            navigation: a GET or HEAD, by which a link may lead here from anywhere.

        Raises:
            Refusal: 400, no host, or several; 421, a host that is none of the server's names; 403, a page
                from elsewhere.
        """
        host = origin = site = mode = b""
        hosts = 0
        for name, value in headers:
            if name == b"host":
                host, hosts = value, hosts + 1
            elif name == b"origin":
                origin = value
            elif name == b"sec-fetch-site":
                site = value
            elif name == b"sec-fetch-mode":
                mode = value
        if hosts > 1 or (not hosts and http == "1.1"):
            raise Refusal(BAD_REQUEST, f"{hosts} Host headers; expected one")
        named = host.decode("latin-1")
        if hosts and not self.trusts(named):
            raise Refusal(
                MISDIRECTED,
                f"this server is not known as {named[:SHOWN]!r}; if it is, start it with --allow-host NAME",
            )
        if origin:
            self._check_origin(origin.decode("latin-1"), named)
        elif site in (b"cross-site", b"same-site") and not (navigation and mode == b"navigate"):
            raise _foreign("a page from elsewhere")

    def trusts(self, host: str) -> bool:
        """Whether ``host``, as the header has it, is this server.

        Loopback names and addresses are, what it is bound to, and names without a dot, as machines and
        containers have them: nobody can register one to have it point here. A server that is reached from
        other machines is also known by any address, and by its machine's name.
        """
        found = _AUTHORITY.fullmatch(host)
        if found is None:
            return False
        name = (found["address"] or found["name"]).lower().removesuffix(".")
        if name in self.hosts or name == self.bound or _local(name):
            return True
        address = _address(name)
        if address is None and "." not in name:
            return True
        if _local(self.bound):
            return False
        return address is not None or name in (self.machine, f"{self.machine}.local")

    def _check_origin(self, origin: str, host: str) -> None:
        found = _ORIGIN.fullmatch(origin)
        same = (
            found is not None
            and found["authority"].lower() == host.lower()
            and found["scheme"].lower() in (("https",) if self.secure else ("http", "https"))
        )
        if not same and origin.lower() not in self.origins:
            raise _foreign(f"a page of {origin[:SHOWN]!r}")


def require_no_form(content_type: str) -> None:
    """Refuse, 415, what a form can send, where a request changes something.

    Some browsers leave ``Origin`` out; these types are the only ones that they send to another server
    without asking it first.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind in FORM_TYPES:
        raise Refusal(
            UNSUPPORTED_MEDIA, f"a body of type {kind!r}; send it with 'Content-Type: application/json'"
        )


def parse_host(text: str) -> str | None:
    """``text`` as a host's name or address, without a port; None if it is none."""
    found = _AUTHORITY.fullmatch(f"[{text}]" if text.count(":") > 1 and not text.startswith("[") else text)
    if found is None or found.end("address" if found["address"] else "name") + bool(found["address"]) != len(
        found[0]
    ):
        return None
    return (found["address"] or found["name"]).lower().removesuffix(".")


def parse_origin(text: str) -> str | None:
    """``text`` as browsers write an origin: scheme, host and a port that is not the scheme's; else None."""
    found = _ORIGIN.fullmatch(text.removesuffix("/"))
    if found is None or _AUTHORITY.fullmatch(found["authority"]) is None:
        return None
    scheme, authority = found["scheme"].lower(), found["authority"].lower()
    return f"{scheme}://{authority.removesuffix({'http': ':80', 'https': ':443'}.get(scheme, ':'))}"


def is_loopback(host: str) -> bool:
    """Whether ``host`` is reached from this machine only."""
    return _local(host.lower())


def _local(name: str) -> bool:
    address = _address(name)
    if address is None:
        return name == "localhost" or name.endswith(".localhost")
    return address.is_loopback


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _foreign(what: str) -> Refusal:
    return Refusal(FORBIDDEN, f"{what} may not ask this server; it may with --allow-origin")
