"""A ranking of modules as table, picture and file."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from rich.console import Console

from edgefer_bench.sensitivity_report import SHOWN, sensitivity_table, write_sensitivity


@pytest.fixture
def found() -> dict[str, Any]:
    """Thirty modules, the first of them evaluated; the last changes nothing at all."""
    modules = [
        {
            "module": f"trunk.{index}",
            "layers": 1,
            "work": 1 / 30,
            "sqnr_db": 20.0 + index,
            "kl": 10.0**-index,
            "flips": 0.0,
            "drop": None,
        }
        for index in range(30)
    ]
    modules[0]["drop"] = {"points": 1.25, "interval": (0.5, 2.0)}
    modules[-1] |= {"sqnr_db": None, "kl": 0.0}
    return {"model": "net", "target": "openvino", "ranked_faces": 64, "modules": modules}


def test_the_table_has_the_worst_and_says_that_there_are_more(found: dict[str, Any]) -> None:
    console = Console(width=100, file=io.StringIO(), record=True)
    console.print(sensitivity_table(found))
    text = console.export_text()
    assert "trunk.0 " in text and f"trunk.{SHOWN - 1}" in text and f"trunk.{SHOWN} " not in text
    assert "1.25" in text and "0.50…2.00" in text and "10 more" in text


def test_the_file_has_them_all(found: dict[str, Any], tmp_path: Path) -> None:
    write_sensitivity(found, tmp_path / "modules.csv")
    with (tmp_path / "modules.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["module"] for row in rows] == [module["module"] for module in found["modules"]]
    assert (rows[0]["points_low"], rows[0]["points_high"], rows[1]["points"]) == ("0.5", "2.0", "")


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_the_picture_has_a_row_a_module(found: dict[str, Any], tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"modules{suffix}"
    write_sensitivity(found, path)
    if suffix == ".svg":
        assert all(f"<!-- trunk.{index} -->" in path.read_text() for index in range(30))
    else:
        few = {**found, "modules": found["modules"][:10]}
        write_sensitivity(few, tmp_path / "few.png")
        with Image.open(path) as all_of_them, Image.open(tmp_path / "few.png") as ten:
            assert all_of_them.height > 1.5 * ten.height
    assert [each.name for each in tmp_path.iterdir() if each.name.startswith(".")] == []
