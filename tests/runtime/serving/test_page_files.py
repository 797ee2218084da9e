"""The page's files, without a browser: what is sent of them, and under which headers."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from starlette.exceptions import HTTPException

from edgefer_runtime.serving import page
from edgefer_runtime.serving.page import Page

FOLDER = Path(page.__file__).parent


def requested(path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and content that :class:`Page` answers with."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    fields = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": method, "path": path, "headers": fields}
    asyncio.run(Page()(scope, None, send))  # type: ignore[arg-type]
    start, body = sent
    return start["status"], {name.decode(): value.decode() for name, value in start["headers"]}, body["body"]


def test_every_file_comes_with_a_tag_and_a_policy_that_lets_nothing_else_in() -> None:
    files = [path for path in FOLDER.iterdir() if path.suffix in (".html", ".css", ".js", ".svg")]
    assert len(files) > 10
    for path in files:
        name = f"/{path.name}" if path.name != "index.html" else "/"
        status, headers, content = requested(name)
        assert status == 200 and content == path.read_bytes()
        policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
        assert policy.pop("default-src") == policy.pop("frame-ancestors") == "'none'"
        assert {*policy.values()} == {"'self'", "'none'"}
        assert requested(name, if_none_match=headers["etag"])[0] == 304
        assert requested(name, if_none_match='"other"')[0] == 200
        assert b"http://" not in content.replace(b"http://www.w3.org/2000/svg", b"")
        assert b"https://" not in content


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/__init__.py", "GET", 404),
        ("/../page.css", "GET", 404),
        ("/index.html", "GET", 404),
        ("/", "PUT", 405),
    ],
)
def test_nothing_else_is_served(path: str, method: str, status: int) -> None:
    with pytest.raises(HTTPException) as caught:
        requested(path, method)
    assert caught.value.status_code == status
