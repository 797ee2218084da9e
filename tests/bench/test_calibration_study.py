"""A study's rows together, and the forms it is written in."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from edgefer_bench.calibration_study import Group, groups, study_table, write_study


def row(strategy: str, count: int, seed: int, points: float) -> dict[str, Any]:
    return {
        "strategy": strategy,
        "count": count,
        "seed": seed,
        "sha256": "00",
        "points": points,
        "interval": [points - 0.5, points + 0.75],
        "kl": 0.001 * (1 + seed),
        "sqnr_db": 30.0 + seed,
        "flips": 1.5,
    }


@pytest.fixture
def study() -> dict[str, Any]:
    return {
        "model": "<net>",
        "target": "onnxruntime",
        "calibration": "set:train",
        "data": "set:test",
        "images": 1200,
        "rows": [
            *(row("pose", 100, seed, points) for seed, points in enumerate((0.25, -0.75))),
            *(row("pose", 300, seed, points) for seed, points in enumerate((0.0, 0.5))),
            *(row("class", 300, seed, points) for seed, points in enumerate((0.125, 0.375))),
        ],
    }


def test_draws_are_put_together_without_becoming_more_certain(study: dict[str, Any]) -> None:
    first, _, last = groups(study["rows"])
    assert first == Group("pose", 100, (0.25, -0.75), (-0.75, 0.5), (0.001, 0.002), 30.5, 1.5)
    assert (last.strategy, last.count) == ("class", 300)
    assert first.cells() == (
        "pose",
        "100",
        "-0.25 [-0.75…0.50]",
        "-0.75…0.25",
        "1.50",
        "1.00…2.00",
        "30.5",
        "1.50",
    )


def test_an_engine_that_answers_as_float_does_has_no_noise(study: dict[str, Any]) -> None:
    study["rows"][0]["sqnr_db"] = None
    assert groups(study["rows"])[0].cells()[6] == "–"


def test_the_table_fits_a_terminal(study: dict[str, Any]) -> None:
    from rich.console import Console

    console = Console(width=80)
    with console.capture() as capture:
        console.print(study_table(study))
    assert "pose        100 -0.25 [-0.75…0.50] -0.75…0.25" in capture.get()


def test_csv_has_a_line_a_draw(study: dict[str, Any], tmp_path: Path) -> None:
    write_study(study, tmp_path / "study.csv")
    lines = [*csv.DictReader((tmp_path / "study.csv").open())]
    assert len(lines) == 6
    assert lines[1] == {
        "strategy": "pose",
        "count": "100",
        "seed": "1",
        "sha256": "00",
        "points": "-0.75",
        "kl": "0.002",
        "sqnr_db": "31.0",
        "flips": "1.5",
        "points_low": "-1.25",
        "points_high": "0.0",
    }


def test_the_page_has_plot_and_table_and_asks_nothing_of_the_net(
    study: dict[str, Any], tmp_path: Path
) -> None:
    write_study(study, tmp_path / "study.html")
    page = (tmp_path / "study.html").read_text()
    assert page.count("<svg") == 1 and page.count("<tr>") == 4
    assert "&lt;net&gt;" in page and "<net>" not in page
    assert "1,200 images" in page and "Draws of each: 2" in page
    assert not re.findall(r"(?:src|href)=\"http", page)


def test_the_picture_is_one(study: dict[str, Any], tmp_path: Path) -> None:
    write_study(study, tmp_path / "study.png")
    picture = Image.open(tmp_path / "study.png").convert("RGB")
    assert picture.size == (1200, 528)
    colours = {colour for _, colour in picture.getcolors(1 << 20)}
    assert {(0xE6, 0x9F, 0x00), (0x56, 0xB4, 0xE9)} <= colours
    assert [path.name for path in tmp_path.iterdir()] == ["study.png"]
