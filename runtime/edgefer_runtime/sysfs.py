"""Facts the system tells in files and small programs, below a root that a recorded tree can stand in for."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

ROOT = Path("/")
PROGRAM_LIMIT_S = 5


def text(path: Path) -> str | None:
    """The file's text without surrounding blanks and the NUL a device tree ends with; None if unreadable."""
    try:
        return path.read_text(errors="replace").strip(" \t\r\n\0")
    except OSError:
        return None


def number(path: Path) -> int | None:
    """The whole number in a file; None if it is unreadable or holds something else."""
    try:
        return int(text(path) or "")
    except ValueError:
        return None


def table(path: Path, separator: str = ":") -> dict[str, str]:
    """A file of ``name: value`` lines; the first value of a name counts."""
    found: dict[str, str] = {}
    for line in (text(path) or "").splitlines():
        name, separated, value = line.partition(separator)
        if separated:
            found.setdefault(name.strip(), value.strip())
    return found


def answer(root: Path, program: str, *words: str) -> str | None:
    """What a program installed below ``root`` prints; None if it is not there, fails or takes too long."""
    places = ":".join(str(root / folder) for folder in ("usr/bin", "usr/sbin", "bin", "sbin"))
    path = shutil.which(program, path=places)
    if path is None:
        return None
    try:
        done = subprocess.run(
            [path, *words], capture_output=True, text=True, timeout=PROGRAM_LIMIT_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
