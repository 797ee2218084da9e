"""``--classes``: what a user says that folders or labels mean, and how it travels in a set's address."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote, unquote

from edgefer.data.labels import meaning, nearly
from edgefer_runtime.errors import UsageError

MARK = "?classes="
"""What stands between a set's address and the names of its classes."""


def parse_classes(text: str) -> dict[str, str]:
    """What ``--classes`` says: ``1=surprise,2=fear``, or a file with such a pair a line.

    Raises:
        UsageError: it is neither, a word is named twice, or a class is nearly an expression.
    """
    pairs = text.split(",")
    if "=" not in text or Path(text).is_file():
        pairs = _lines(Path(text))
    named: dict[str, str] = {}
    for pair in pairs:
        word, equals, name = (part.strip() for part in pair.partition("="))
        if not equals or not word or word in named:
            raise _unclear(
                f"--classes: {pair.strip()!r} {'names a word twice' if word in named else 'is no pair'}"
            )
        known = meaning(name)
        if name and not known and name != word and (near := nearly(name)):
            raise _unclear(f"--classes: {name!r} is nearly {near!r}", f"did you mean {word}={near}?")
        named[word] = known or name
    return named


def with_classes(name: str, text: str | None) -> str:
    """A set's address with the names of its classes in it, so that they go wherever the address goes.

    Raises:
        UsageError: as :func:`parse_classes`.
    """
    if not text:
        return name
    return encoded(name, parse_classes(text))


def encoded(name: str, named: Mapping[str, str]) -> str:
    """A set's address with what its words mean in it."""
    pairs = (f"{quote(word, safe=' ')}={quote(meant, safe=' ')}" for word, meant in named.items())
    return name + MARK + ",".join(pairs)


def without_classes(name: str) -> tuple[str, dict[str, str]]:
    """An address, and the names of its classes if there are any in it.

    Raises:
        UsageError: as :func:`parse_classes`.
    """
    address, mark, text = name.partition(MARK)
    if not mark:
        return name, {}
    pairs = (pair.partition("=") for pair in text.split(","))
    return address, {unquote(word): meaning(unquote(meant)) or unquote(meant) for word, _, meant in pairs}


def _lines(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise _unclear(f"--classes {path}: neither pairs nor a file that can be read ({error})") from error
    return [line for line in lines if line.strip() and not line.lstrip().startswith("#")]


def _unclear(found: str, action: str = "") -> UsageError:
    return UsageError(
        found,
        expected="WORD=CLASS,WORD=CLASS... or a file with a pair a line; WORD= leaves it out",
        action=action,
    )
