"""What a long search has found out so far, kept in a file so that an interrupted one goes on."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from edgefer_runtime.documents import read_json
from edgefer_runtime.errors import DataError
from edgefer_runtime.files import write_whole

SCHEMA = "edgefer.search/2"
NOTES = logging.getLogger("edgefer.cache")
"""Where the user is told of what is not believed; printed on standard error unless it is set up otherwise."""


class Journal:
    """Answers to questions that take long, by question, each with a checksum.

    Args:
        path: the file. Whatever it holds under another key, or if it is no journal at all, is written over.
            An answer that is not what was written there is found out again, and a line says so.
        key: hash of everything that the answers depend on.
    """

    def __init__(self, path: Path, key: str) -> None:
        self._path, self._key = path, key
        self._answers = self._read()

    def recall(self, question: str, find_out: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The answer from the file; else it is found out and written there at once.

        Raises:
            DataError: the file cannot be written.
        """
        if question not in self._answers:
            self._answers[question] = find_out()
            answers = {
                each: {"sha256": self._checksum(each, answer), "answer": answer}
                for each, answer in self._answers.items()
            }
            content = {"schema": SCHEMA, "key": self._key, "answers": answers}
            write_whole(self._path, json.dumps(content, indent=1).encode())
        return self._answers[question]

    def _read(self) -> dict[str, dict[str, Any]]:
        try:
            content = read_json(self._path, limit_bytes=64 << 20)
            if (content["schema"], content["key"]) != (SCHEMA, self._key):
                return {}
            written = dict(content["answers"])
        except (DataError, KeyError, TypeError):
            return {}  # a file that does not help is no reason to stop: all of it can be found out again
        believed = {
            question: entry["answer"]
            for question, entry in written.items()
            if isinstance(entry, Mapping)
            and isinstance(entry.get("answer"), dict)
            and entry.get("sha256") == self._checksum(question, entry["answer"])
        }
        if damaged := len(written) - len(believed):
            NOTES.warning(
                "note: %s: %d of %d answers were damaged: found out again", self._path, damaged, len(written)
            )
        return believed

    def _checksum(self, question: str, answer: Mapping[str, Any]) -> str:
        content = json.dumps([self._key, question, answer], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()
