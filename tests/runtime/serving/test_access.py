"""Names and origins: what is read as one, and what is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgefer_runtime.serving.access import Access, parse_host, parse_origin
from edgefer_runtime.serving.refusals import Refusal
from edgefer_runtime.serving.settings import ServeSettings


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("Robot.Example.", "robot.example"),
        ("192.0.2.1", "192.0.2.1"),
        ("::1", "::1"),
        ("[FE80::1]", "fe80::1"),
        ("robot:80", None),
        ("http://robot", None),
        ("a b", None),
        ("", None),
        ("*", None),
    ],
)
def test_hosts(text: str, host: str | None) -> None:
    assert parse_host(text) == host


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://A.example", "https://a.example"),
        ("https://a.example:443/", "https://a.example"),
        ("http://a.example:443", "http://a.example:443"),
        ("http://[::1]:8000", "http://[::1]:8000"),
        ("chrome-extension://abc", "chrome-extension://abc"),
        ("a.example", None),
        ("https://a.example/page", None),
        ("https://user@a.example", None),
        ("*", None),
        ("null", None),
    ],
)
def test_origins(text: str, origin: str | None) -> None:
    assert parse_origin(text) == origin


@given(st.text(max_size=40) | st.from_regex(r"[a-z0-9.:@\[\]-]{1,30}", fullmatch=True))
def test_no_name_with_a_dot_that_is_not_ours_is_trusted(name: str) -> None:
    host = name.lower().partition(":")[0].removesuffix(".")
    if Access().trusts(name) and "." in host:
        assert host.endswith(".localhost") or host.startswith("127.")


@given(st.lists(st.tuples(st.sampled_from([b"host", b"origin", b"sec-fetch-site"]), st.binary(max_size=30))))
def test_whatever_headers_say_is_let_in_or_refused(headers: list[tuple[bytes, bytes]]) -> None:
    try:
        Access().check(headers)
    except Refusal as refusal:
        assert refusal.status in (400, 403, 421)


def test_tls_takes_no_page_that_came_in_plain_text() -> None:
    for secure, scheme, refused in ((True, b"http", True), (True, b"https", False), (False, b"https", False)):
        headers = [(b"host", b"localhost"), (b"origin", scheme + b"://localhost")]
        if refused:
            with pytest.raises(Refusal):
                Access(secure=secure).check(headers)
        else:
            Access(secure=secure).check(headers)


def test_settings_name_what_pages_may_ask() -> None:
    access = ServeSettings(sources=(), host="::1", hosts=("A.",), origins=("http://b:80",)).access
    assert access.trusts("[::1]:1") and access.trusts("a:80") and not access.trusts("b.c")
    assert access.origins == {"http://b"}
