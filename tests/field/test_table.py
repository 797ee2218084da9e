"""README.md beside this file names, for every fault, tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
ROWS = [f"A.{n}" for n in range(1, 14)] + [f"B.{n}" for n in range(1, 11)] + [f"C.{n}" for n in range(1, 13)]
TABLE = {
    line.split("|")[1].strip(): line.split("|")[3]
    for line in (HERE / "README.md").read_text().splitlines()
    if re.match(r"\| [ABC]\.\d", line)
}


def test_every_fault_has_a_row() -> None:
    assert sorted(TABLE) == sorted(ROWS)


@pytest.mark.parametrize("row", ROWS)
def test_the_tests_that_hold_a_fault_exist(row: str) -> None:
    words = re.findall(r"`([^`]+)`", TABLE[row])
    file, named = None, 0
    for word in words:
        if word.endswith(".py"):
            file = next(path for path in (HERE / word, ROOT / word) if path.exists())
        else:
            assert file is not None and re.search(
                rf"^(async )?def {word}\(", file.read_text(), re.MULTILINE
            ), word
            named += 1
    assert file is not None and (named or row in ("A.10",))
