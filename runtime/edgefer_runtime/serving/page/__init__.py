"""The page for people at ``/``: static files, read once, under a policy that lets nothing else load."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",  # kept, but asked for by its ETag each time: a new version shows at once
}


@dataclass(frozen=True)
class _File:
    content: bytes
    headers: dict[str, str]


class Page:
    """ASGI application: the files of this folder under their names, ``index.html`` at ``/``."""

    def __init__(self) -> None:
        self._files = {
            "/" if path.name == "index.html" else f"/{path.name}": _read(path)
            for path in Path(__file__).parent.iterdir()
            if path.suffix in MEDIA_TYPES
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request.

        Raises:
            HTTPException: 404, no such file; 405, neither GET nor HEAD.
        """
        file = self._files.get(scope["path"])
        if file is None:
            raise HTTPException(404)
        if scope["method"] not in ("GET", "HEAD"):
            raise HTTPException(405, headers={"Allow": "GET, HEAD"})
        known = Headers(scope=scope).get("if-none-match", "")
        if file.headers["ETag"] in known:
            response = Response(status_code=304, headers=file.headers)
        else:
            response = Response(file.content, headers=file.headers)
        await response(scope, receive, send)


def _read(path: Path) -> _File:
    content = path.read_bytes()
    tag = hashlib.sha256(content).hexdigest()[:32]
    return _File(content, {**HEADERS, "Content-Type": MEDIA_TYPES[path.suffix], "ETag": f'"{tag}"'})
