"""The journal of a search: what is in it is not asked again, and nothing else is believed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edgefer_calibration.journal import Journal
from edgefer_runtime.errors import DataError


def unasked() -> dict[str, Any]:
    raise AssertionError("asked again")


def test_an_answer_outlives_an_interruption_at_the_next_question(tmp_path: Path) -> None:
    path = tmp_path / "deeper" / "search.json"

    def interrupted() -> dict[str, Any]:
        raise KeyboardInterrupt

    first = Journal(path, "key")
    assert first.recall("one", lambda: {"kl": 0.25}) == {"kl": 0.25}
    with pytest.raises(KeyboardInterrupt):
        first.recall("two", interrupted)
    again = Journal(path, "key")
    assert again.recall("one", unasked) == {"kl": 0.25}
    assert again.recall("two", lambda: {"kl": None}) == {"kl": None}
    assert Journal(path, "key").recall("two", unasked) == {"kl": None}


def test_another_graph_set_or_recipe_is_another_search(tmp_path: Path) -> None:
    path = tmp_path / "search.json"
    Journal(path, "key").recall("one", lambda: {"kl": 0.25})
    assert Journal(path, "other").recall("one", lambda: {"kl": 4.0}) == {"kl": 4.0}
    assert json.loads(path.read_text())["key"] == "other"


@pytest.mark.parametrize(
    "content",
    [
        *("", "{", "[]", "{}", "[" * 100_000),
        '{"schema": "edgefer.search/1", "key": "key", "answers": {"one": {"kl": 4}}}',
        '{"schema": "edgefer.search/2", "key": "key", "answers": {"one": {"answer": {"kl": 4}}}}',
    ],
    ids=["empty", "cut", "list", "object", "deep", "before checksums", "without a checksum"],
)
def test_a_file_that_is_no_journal_is_written_over(tmp_path: Path, content: str) -> None:
    path = tmp_path / "search.json"
    path.write_text(content)
    assert Journal(path, "key").recall("one", lambda: {"kl": 0.25}) == {"kl": 0.25}
    assert Journal(path, "key").recall("one", unasked) == {"kl": 0.25}


def test_a_changed_answer_is_found_out_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "search.json"
    first = Journal(path, "key")
    first.recall("one", lambda: {"kl": 0.25})
    first.recall("two", lambda: {"kl": 0.5})
    written = path.read_text()
    for old, new in (("0.25", "0.26"), ("one", "six")):
        path.write_text(written.replace(old, new))
        again = Journal(path, "key")
        assert again.recall("two", unasked) == {"kl": 0.5}
        assert again.recall("one", lambda: {"kl": 0.25}) == {"kl": 0.25}
        assert again.recall("six", lambda: {"kl": 6.0}) == {"kl": 6.0}
    assert caplog.messages == [f"note: {path}: 1 of 2 answers were damaged: found out again"] * 2


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"search\.json: cannot be written"):
        Journal(tmp_path / "file" / "search.json", "key").recall("one", lambda: {})
