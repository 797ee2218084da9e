"""Where messages go to or come from, as one line: ``mqtts://user@host:8883/topic``."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from edgefer_runtime.errors import UsageError
from edgefer_runtime.redaction import redacted

FORMS = "mqtt://host/topic, mqtts://user@host/topic, zenoh:key or zenoh://host:port/key"


@dataclass(frozen=True)
class Address:
    """The parts of an address.

    Attributes:
        scheme: ``"mqtt"``, ``"mqtts"`` or ``"zenoh"``.
        host, port, user: None where the address has none.
        name: the topic or key, without wildcards.
    """

    scheme: str
    host: str | None
    port: int | None
    user: str | None
    name: str

    @classmethod
    def parse(cls, text: str, *schemes: str) -> Address:
        """The address in ``text``, which must have one of ``schemes``.

        Raises:
            UsageError: none of the forms, a wildcard in the name, or a password, which every user of the
                machine could read in the list of processes.
        """
        try:
            parts = urlsplit(text)
            port, password = parts.port, parts.password
        except ValueError as error:
            # What urllib says repeats a part of the address, which may be one of a password.
            reason = "no host and port" if "@" in text else str(error)
            raise UsageError(f"the address {redacted(text)!r}: {reason}", expected=FORMS) from None
        if password is not None:
            raise UsageError(
                "an address with a password in it",
                expected="the password in a file or in the environment",
                action="give password_file, or set EDGEFER_MQTT_PASSWORD",
            )
        name = unquote(parts.path).removeprefix("/")
        if parts.scheme not in schemes or parts.query or parts.fragment or not _is_name(name):
            raise UsageError(
                f"the address {redacted(text)!r}", expected=f"{FORMS}; a topic or key without wildcards"
            )
        user = None if parts.username is None else unquote(parts.username)
        return cls(parts.scheme, parts.hostname, port, user, name)


def _is_name(name: str) -> bool:
    """Whether this can be the name of a topic and of a key: levels between slashes, no wildcards."""
    return all(name.split("/")) and not {*name} & {*"+#*$?"} and name.isprintable()
