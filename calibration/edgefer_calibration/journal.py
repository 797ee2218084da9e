"""What a long search has found out so far, kept in a file so that an interrupted one goes on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edgefer_runtime.documents import read_json
from edgefer_runtime.errors import DataError
from edgefer_runtime.files import write_whole

SCHEMA = "edgefer.search/1"


class Journal:
    """Answers to questions that take long, by question.

    Args:
        path: the file. Whatever it holds under another key, or if it is no journal at all, is written over.
        key: hash of everything that the answers depend on.
    """

    def __init__(self, path: Path, key: str) -> None:
        self._path, self._key = path, key
        self._answers: dict[str, Any] = _read(path, key)

    def recall(self, question: str, find_out: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The answer from the file; else it is found out and written there at once.

        Raises:
            DataError: the file cannot be written.
        """
        if question not in self._answers:
            self._answers[question] = find_out()
            content = {"schema": SCHEMA, "key": self._key, "answers": self._answers}
            write_whole(self._path, json.dumps(content, indent=1).encode())
        answer: dict[str, Any] = self._answers[question]
        return answer


def _read(path: Path, key: str) -> dict[str, Any]:
    try:
        content = read_json(path, limit_bytes=64 << 20)
        if (content["schema"], content["key"]) == (SCHEMA, key):
            return dict(content["answers"])
    except (DataError, ValueError, KeyError, TypeError):
        pass  # a file that does not help is no reason to stop: everything in it can be found out again
    return {}
