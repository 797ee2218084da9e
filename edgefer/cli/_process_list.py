"""What `ps` shows of this process: its words, without the passwords in them."""

from __future__ import annotations

import os
from pathlib import Path

from edgefer_runtime.redaction import redacted

ARGUMENTS = slice(45, 47)
"""Of /proc/self/stat, behind the program's name: where in memory the words begin and end (proc(5))."""


def hide_passwords(*addresses: str) -> None:
    """Overwrite addresses among this process's words, where the system shows them to all users (Linux).

    They can be read for the moment until this is called: a password in the environment never can.
    """
    secret = [address for address in addresses if redacted(address) != address]
    if not secret:
        return
    import ctypes

    try:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        begin, end = map(int, fields[ARGUMENTS])
        words = Path("/proc/self/cmdline").read_bytes()
    except (OSError, ValueError):
        return
    if begin <= 0 or end - begin != len(words) or ctypes.string_at(begin, len(words)) != words:
        return
    for address in secret:
        word = os.fsencode(address)
        place = words.find(word)
        while place >= 0:
            shown = os.fsencode(redacted(address))[: len(word)].ljust(len(word), b"\0")
            ctypes.memmove(begin + place, shown, len(word))
            place = words.find(word, place + len(word))
