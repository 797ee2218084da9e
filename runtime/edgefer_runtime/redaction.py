"""Addresses as they may be shown: in messages, logs and lists of processes, without their passwords."""

from __future__ import annotations

import re

HIDDEN = "***"

_QUERY_SECRET = re.compile(
    r"(?i)([?&;][^=&;]*(?:pass|pwd|secret|token|auth|key|sig|credential)[^=&;]*(?<!_file)=)[^&;#\s]*"
)


def redacted(address: str) -> str:
    """``address`` with its passwords hidden: before the host, and in its query.

    A password may hold ``/``, ``?`` or ``@`` that nobody encoded, so all from the first colon behind the
    scheme to the last ``@`` is hidden: rather too much than a part of one.

    >>> redacted("rtsp://robot:se/cr@t@10.0.0.7/stream?token=abc")
    'rtsp://robot:***@10.0.0.7/stream?token=***'
    """
    scheme = address[: address.find("://") + 3] if "://" in address else ""
    before, at, after = address[len(scheme) :].rpartition("@")
    user, colon, _ = before.partition(":")
    shown = f"{user}{colon}{HIDDEN}@{after}" if colon else f"{before}{at}{after}"
    return _QUERY_SECRET.sub(rf"\g<1>{HIDDEN}", scheme + shown)
