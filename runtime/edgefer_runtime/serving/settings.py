"""What a server is started with, checked before anything is opened."""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass, field
from pathlib import Path

from edgefer_runtime.errors import DataError, UsageError
from edgefer_runtime.serving.access import Access, is_loopback, parse_host, parse_origin
from edgefer_runtime.serving.limits import HTTP_PORT, Limits
from edgefer_runtime.serving.loading import EngineSettings
from edgefer_runtime.serving.models import Source

TOKEN_VARIABLE = "EDGEFER_TOKEN"


@dataclass(frozen=True, kw_only=True)
class ServeSettings:
    """How to serve.

    Attributes:
        sources: the bundles.
        engines: how each is opened.
        limits: what one request may ask for.
        host: address to listen on.
        port, grpc_port: of HTTP and gRPC; 0 for any that is free, None for no gRPC.
        queue: requests that may wait for a model.
        batch_delay_ms: how long an idle engine waits for company for a request.
        token: what clients must show, or None.
        anonymous: listen beyond this machine without a token.
        hosts: names of this server beyond those it knows, that requests may ask.
        origins: web pages from elsewhere that may ask, ``scheme://host[:port]``.
        certificate, key: PEM files for TLS, on both doors; None for plain text.
    """

    sources: tuple[Source, ...]
    engines: EngineSettings = field(default_factory=EngineSettings)
    limits: Limits = field(default_factory=Limits)
    host: str = "127.0.0.1"
    port: int = HTTP_PORT
    grpc_port: int | None = None
    queue: int = 64
    batch_delay_ms: float = 0.0
    token: str | None = None
    anonymous: bool = False
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    certificate: Path | None = None
    key: Path | None = None

    def __post_init__(self) -> None:
        if (
            self.queue < 1
            or self.batch_delay_ms < 0
            or min(self.limits.body_bytes, self.limits.timeout_s, self.limits.connections) <= 0
        ):
            raise UsageError(
                f"a queue of {self.queue}, a batch delay of {self.batch_delay_ms} ms, "
                f"bodies of {self.limits.body_bytes} bytes, {self.limits.timeout_s} s, "
                f"{self.limits.connections} connections",
                expected="positive numbers; a batch delay may be 0",
            )
        if not all(0 <= port < 1 << 16 for port in (self.port, self.grpc_port or 0)):
            raise UsageError(f"ports {self.port} and {self.grpc_port}", expected="numbers from 0 to 65535")
        if self.token is None and not self.anonymous and not is_loopback(self.host):
            raise UsageError(
                f"{self.host} is reached from other machines, and no token is asked for",
                expected=f"--token-file FILE, or a token in {TOKEN_VARIABLE}",
                action="set a token, or add --anonymous to let everybody in who reaches the port",
            )
        for name in self.hosts:
            if parse_host(name) is None:
                raise UsageError(f"--allow-host {name}", expected="a name or an address, without a port")
        for origin in self.origins:
            if parse_origin(origin) is None:
                raise UsageError(
                    f"--allow-origin {origin}",
                    expected="scheme://host or scheme://host:port, as browsers say it",
                )
        if (self.certificate is None) != (self.key is None):
            raise UsageError("half of what TLS needs", expected="a certificate and its key")
        if self.certificate is not None and self.key is not None:
            try:
                ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self.certificate, self.key)
            except (OSError, ssl.SSLError) as error:
                raise DataError(
                    f"{self.certificate}, {self.key}: no certificate and key ({error})",
                    expected="two PEM files that belong together",
                ) from error

    @property
    def access(self) -> Access:
        """Which web pages may ask."""
        return Access(
            bound=self.host.lower(),
            hosts=frozenset(filter(None, map(parse_host, self.hosts))),
            origins=frozenset(filter(None, map(parse_origin, self.origins))),
            secure=self.certificate is not None,
        )


def read_token(file: Path | None) -> str | None:
    """The token in ``file``, else the one in the environment, else None.

    Raises:
        DataError: the file cannot be read; a token that is empty, or no line of printable ASCII.
    """
    try:
        token = os.environ.get(TOKEN_VARIABLE) if file is None else file.read_text().strip()
    except (OSError, ValueError) as error:
        raise DataError(f"{file}: cannot be read ({error})", expected="a file with a token in it") from error
    if token is not None and not (token and token.isascii() and token.isprintable() and " " not in token):
        raise DataError(
            f"a token in {file or TOKEN_VARIABLE} that is empty or has spaces or other than printable ASCII",
            expected="one word",
            action="python3 -c 'import secrets; print(secrets.token_urlsafe())'",
        )
    return token
