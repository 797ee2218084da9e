"""JSON that programs can rely on: a schema for what each command prints, failures as JSON too.

Where it came from: text errors under `--json`, `compare --json` a bare list, no schema but one, and no
`--json` for `train`, `report` and `demo`. Right: docs/json.md.
"""

from __future__ import annotations

import inspect
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import typer.main
from PIL import Image

SCHEMAS = Path(__file__).parents[2] / "docs/schemas"
DOCUMENT = SCHEMAS.parent / "json.md"
FACES = "synthfer:eval[:70]"

PRINTED = {
    "models": "models",
    "datasets": "face-sets",
    "datasets show": "sheet",
    "datasets check": "face-set",
    "datasets prepare": "prepared",
    "devices": "devices",
    "doctor": "doctor",
    "train": "training",
    "eval": "evaluation",
    "export": "export",
    "calibrate make": "calibration-set",
    "calibrate show": "calibration-set",
    "calibrate check": "calibration-set",
    "calibrate study": "calibration-study",
    "calibrate sensitivity": "sensitivity",
    "check": "checks",
    "bench": "bench",
    "compare": "comparison",
    "report": "report",
    "run": "run",
    "serve": "serving",
    "pack": "wheel",
    "demo": "demo",
}
"""Command -> what its `--json` prints."""


def schema(name: str) -> dict[str, Any]:
    return dict(json.loads((SCHEMAS / f"{name}.json").read_text()))


def judge(document: Any, name: str) -> None:
    """Hold a document to its schema, and the schema to telling of every field at its top."""
    wanted = schema(name)
    jsonschema.Draft202012Validator(wanted).validate(document)
    rows, told = (document, wanted["items"]) if isinstance(document, list) else ([document], wanted)
    for row in rows:
        assert row.keys() <= told["properties"].keys(), f"{name} does not describe all fields"


def call(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edgefer.cli.main", *words, "--json"]
    return subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=600)


def printed(place: Path, name: str, *words: str) -> Any:
    done = call(place, *words)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    judge(document, name)
    return document


def strict(text: str) -> Any:
    """Parse JSON as the standard has it: no NaN."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)


def commands() -> dict[str, Any]:
    from edgefer.cli.main import app

    found = {}
    for name, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        found[name] = command
        for each, subcommand in getattr(command, "commands", {}).items():
            found[f"{name} {each}"] = subcommand
    del found["calibrate"]  # does nothing of its own
    return found


def test_every_command_takes_json_and_says_what_it_prints() -> None:
    assert PRINTED.keys() == commands().keys()
    for name, command in commands().items():
        assert any("--json" in each.opts for each in command.params), f"{name} takes no --json"


@pytest.mark.parametrize("name", sorted({*PRINTED.values(), "error", "folds"}))
def test_each_schema_is_one_and_is_documented(name: str) -> None:
    wanted = schema(name)
    jsonschema.Draft202012Validator.check_schema(wanted)
    assert wanted["title"].startswith(f"edgefer.{name}/1: ")
    if wanted["type"] == "object":
        assert wanted["properties"]["schema"] == {"const": f"edgefer.{name}/1"}
    assert f"schemas/{name}.json" in DOCUMENT.read_text()


def test_there_is_no_schema_that_nobody_prints() -> None:
    assert {path.stem for path in SCHEMAS.glob("*.json")} == {*PRINTED.values(), "error", "folds"}


@pytest.mark.parametrize(
    "words",
    [("models",), ("models", "pattlite"), ("datasets",), ("devices",), ("devices", "jetson"), ("doctor",)],
)
def test_what_lists_print(tmp_path: Path, words: tuple[str, ...]) -> None:
    printed(tmp_path, PRINTED[words[0]], *words)


FAILURES = [
    ("eval nothing", 2, "usage"),
    ("eval pattlite --frobnicate", 2, "usage"),
    ("eval", 2, "usage"),
    ("frobnicate", 2, "usage"),
    ("bench --duration -1", 2, "usage"),
    ("run x y --detector none", 2, "usage"),
    ("run nothing nothing", 3, "data"),
    ("serve nothing", 3, "data"),
    ("pack nothing", 3, "data"),
    ("check nothing", 3, "data"),
    ("bench nothing", 3, "data"),
    ("report nothing", 3, "data"),
    ("compare nothing nothing", 3, "data"),
    ("train nothing", 2, "usage"),
    ("export nothing", 2, "usage"),
    ("export pattlite --variant batch", 4, "check"),
    ("export pattlite --max-drop 0.1 --data synthfer:eval[:70]", 5, "budget"),
    ("calibrate make --data nothing", 2, "usage"),
    ("calibrate show nothing.npz", 3, "data"),
    ("calibrate check nothing.npz", 3, "data"),
    ("calibrate study nothing", 2, "usage"),
    ("calibrate sensitivity nothing", 2, "usage"),
    ("datasets show nothing", 2, "usage"),
    ("datasets check nothing/here", 3, "data"),
    ("datasets prepare nothing/here -o crops", 3, "data"),
    ("models nothing", 2, "usage"),
    ("devices nothing", 7, "device"),
    ("demo -o /dev/null/x", 3, "data"),
    ("doctor --no", 2, "usage"),
]


@pytest.mark.parametrize(("line", "code", "kind"), FAILURES, ids=[line for line, *_ in FAILURES])
def test_a_failure_is_json(tmp_path: Path, line: str, code: int, kind: str) -> None:
    """Right: nothing on standard output, one line of JSON on standard error, the exit code in both."""
    done = call(tmp_path, *line.split())
    assert done.stdout == "" and "Traceback" not in done.stderr
    (told,) = [strict(each) for each in done.stderr.splitlines()]
    judge(told, "error")
    assert (done.returncode, told["exit_code"], told["code"]) == (code, code, kind)
    assert told["found"]


@pytest.mark.parametrize("words", [("verify", "nothing"), ("predict", "nothing", "face.png")])
def test_a_failure_on_the_robot_is_json_as_well(tmp_path: Path, words: tuple[str, ...]) -> None:
    """The robot's own command line, without the toolchain, ends as `edgefer` does."""
    command = [sys.executable, "-m", "edgefer_runtime", *words, "--json"]
    Image.new("RGB", (8, 8)).save(tmp_path / "face.png")
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    told = strict(done.stderr)
    judge(told, "error")
    assert (done.stdout, done.returncode, told["code"]) == ("", 3, "data")


def test_every_command_was_made_to_fail() -> None:
    failing = {name for name in PRINTED if any(line.startswith(name) for line, *_ in FAILURES)}
    assert failing == {*PRINTED}


def test_every_kind_of_error_has_its_code() -> None:
    """Right: the schema names every class of the error tree, so that no code is a surprise."""
    from edgefer_runtime import errors

    kinds = [each for _, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, Exception)]
    for kind in kinds:
        told = kind("found", expected="expected", action="do").to_json()
        judge(told, "error")
        assert told["exit_code"] == kind.exit_code


def test_numbers_that_are_not_finite_are_null(capsys: pytest.CaptureFixture[str]) -> None:
    """`NaN` is no JSON, and a strict reader refuses the whole document for it."""
    from edgefer.cli._common import print_json

    print_json({"rows": [math.nan, (math.inf, 1.5)], "name": "NaN"}, "edgefer.test/1")
    assert strict(capsys.readouterr().out) == {
        "schema": "edgefer.test/1",
        "rows": [None, [None, 1.5]],
        "name": "NaN",
    }


def test_what_face_sets_print(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    for name in ("happiness", "sadness"):
        (tmp_path / "faces" / name).mkdir(parents=True)
        for number in range(3):
            pixels = generator.integers(0, 256, (48, 48, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "faces" / name / f"{number}.png")
    done = call(tmp_path, "datasets", "check", "faces")
    judge(strict(done.stdout), "face-set")
    assert printed(tmp_path, "sheet", "datasets", "show", "faces", "-o", "sheet.png") == {
        "schema": "edgefer.sheet/1",
        "path": "sheet.png",
    }


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a small export was made."""
    place = tmp_path_factory.mktemp("made")
    words = ("--int8", "--target", "onnxruntime", "--data", FACES, "--calibration", "synthfer:train[:140]")
    rows = printed(place, "export", "export", "pattlite", *words)
    assert [row["precision"] for row in rows] == ["fp32", "int8"]
    return place


INT8 = "runs/pattlite/onnxruntime-int8"


@pytest.mark.slow
@pytest.mark.parametrize("subject", ["pattlite", INT8])
def test_what_an_evaluation_prints(place: Path, subject: str) -> None:
    printed(place, "evaluation", "eval", subject, "--data", FACES)


@pytest.mark.slow
def test_what_checks_print_and_that_a_failed_one_is_told_twice(place: Path, tmp_path: Path) -> None:
    """Right: the rows on standard output and the failure on standard error, each as its schema has it."""
    printed(place, "checks", "check", INT8)
    (tmp_path / "runs").symlink_to(place / "runs")
    broken = tmp_path / "broken"
    broken.mkdir()
    for path in (place / INT8).iterdir():
        (broken / path.name).write_bytes(path.read_bytes() + (b"x" if path.suffix == ".onnx" else b""))
    done = call(tmp_path, "check", "broken")
    assert done.returncode == 4
    rows = strict(done.stdout)
    judge(rows, "checks")
    assert not rows["passed"]
    judge(strict(done.stderr.splitlines()[-1]), "error")


@pytest.mark.slow
def test_what_measuring_prints(place: Path) -> None:
    bundles = ("runs/pattlite/onnxruntime-fp32", INT8)
    quick = ("--data", FACES, "--duration", "0.3")
    for folder in ("before", "after"):
        records = printed(place, "bench", "bench", *bundles, *quick, "-o", folder)
        assert [record["precision"] for record in records] == ["fp32", "int8"]
    found = printed(place, "comparison", "compare", "before", "after")
    assert len(found["comparisons"]) == 2, "the list that `compare --json` once was"
    assert printed(place, "report", "report", "before", "-o", "page.html")["records"] == 2


@pytest.mark.slow
def test_what_packing_and_running_print(place: Path) -> None:
    assert printed(place, "wheel", "pack", INT8)["short_name"] == "pattlite-int8"
    Image.new("RGB", (320, 240), "grey").save(place / "grey.png")
    assert printed(place, "run", "run", INT8, "grey.png")["faces"] == 0


@pytest.mark.slow
def test_what_calibration_sets_print(place: Path) -> None:
    words = ("--data", "synthfer:train[:140]", "--count", "100", "--against", FACES, "-o", "set.npz")
    printed(place, "calibration-set", "calibrate", "make", *words)
    printed(place, "calibration-set", "calibrate", "show", "set.npz")
    printed(place, "calibration-set", "calibrate", "check", "set.npz", "--against", FACES)


@pytest.mark.slow
def test_what_a_ranking_prints(place: Path) -> None:
    words = ("--calibration", "synthfer:train[:140]", "--data", FACES, "--evaluate", "0")
    printed(place, "sensitivity", "calibrate", "sensitivity", "lanmsff", *words)
