"""A study of calibration sets: what it measures, how it goes on, what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from edgefer.cli.main import app
from edgefer.data import load
from edgefer.pipeline.calibrate import draw_from
from edgefer.pipeline.candidates import Candidates

WORDS = (
    *("calibrate", "study", "lanmsff", "--counts", "14,7", "--strategies", "class,pose", "--seeds", "2"),
    *("--calibration", "synthfer:train[:140]", "--data", "synthfer:eval[:35]"),
)


def test_a_study_measures_each_set_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = tmp_path / "study.csv"
    first = CliRunner().invoke(app, [*WORDS, "-o", str(output), "--json"])
    assert first.exit_code == 0, first.output
    told = json.loads(first.stdout)
    assert [(row["strategy"], row["count"], row["seed"]) for row in told["rows"]] == [
        (strategy, count, seed) for seed in (0, 1) for strategy in ("class", "pose") for count in (7, 14)
    ]
    pool = load("synthfer:train[:140]")
    for row in told["rows"]:
        drawn = draw_from(pool, row["strategy"], row["count"], row["seed"])
        assert row["sha256"] == drawn.fingerprint
        assert row["interval"][0] <= row["points"] <= row["interval"][1]
        assert 0 < row["kl"] < 0.1 and row["sqnr_db"] > 10
    assert len({row["kl"] for row in told["rows"]}) == 8

    kept = json.loads(output.with_suffix(".json").read_text())
    del kept["answers"]["pose 14 1"]
    output.with_suffix(".json").write_text(json.dumps(kept))
    quantized = []
    answers = Candidates.answers
    monkeypatch.setattr(
        Candidates,
        "answers",
        lambda self, modules, *rest: quantized.append(modules) or answers(self, modules, *rest),
    )
    again = CliRunner().invoke(app, [*WORDS, "-o", str(output), "--json"])
    assert json.loads(again.stdout) == told
    assert quantized == [None, ()], "the fp32 reference and the one set that was missing"


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("--counts", "14,many"), 2, "numbers with commas"),
        (("--counts", "0"), 2, "numbers with commas"),
        (("--strategies", "class,best"), 2, "random, class, pose"),
        (("--target", "coreml"), 2, "onnxruntime"),
        (("-o", "study.pdf"), 2, ".html, .png, .csv"),
        (("--counts", "141"), 3, "140 images to draw 141"),
        (("--calibration", "synthfer:eval[:35]"), 3, "split eval"),
        (("--data", "synthfer:train[:35]"), 3, "people are both"),
    ],
)
def test_a_mistake_is_explained_before_the_work(
    words: tuple[str, ...], code: int, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, [*WORDS, *words])
    assert (result.exit_code, told in result.output) == (code, True), result.output
    assert not [*tmp_path.iterdir()]
