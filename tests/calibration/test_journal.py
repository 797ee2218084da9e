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
    "content", ["", "{", "[]", "{}", '{"schema": "edgefer.search/0", "key": "key", "answers": {"one": {}}}']
)
def test_a_file_that_is_no_journal_is_written_over(tmp_path: Path, content: str) -> None:
    path = tmp_path / "search.json"
    path.write_text(content)
    assert Journal(path, "key").recall("one", lambda: {"kl": 0.25}) == {"kl": 0.25}
    assert Journal(path, "key").recall("one", unasked) == {"kl": 0.25}


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"search\.json: cannot be written"):
        Journal(tmp_path / "file" / "search.json", "key").recall("one", lambda: {})
