"""The whole road as a user drives it: shipped weights to bundles, bench, and the robot's own command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

RUN_HERE = ("onnxruntime", "openvino")
FACES = "synthfer:eval[:70]"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("road")


def run(place: Path, *command: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=place, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == code, done.stderr
    return done


def multiplies_int8() -> bool:
    """Whether this processor multiplies INT8 without clipping pairs of products."""
    from edgefer_runtime.environment import probe

    return bool({"avx512_vnni", "avx_vnni", "amx_int8"} & {*probe().flags})


@pytest.fixture(scope="module")
def exported(place: Path) -> list[dict[str, Any]]:
    words = (
        "export",
        "pattlite",
        "--int8",
        *(word for target in RUN_HERE for word in ("--target", target)),
        "--data",
        FACES,
        "--calibration",
        FACES.replace("eval", "train"),
        "--json",
    )
    rows: list[dict[str, Any]] = json.loads(run(place, "edgefer.cli.main", *words).stdout)
    return rows


def test_export_leaves_a_verified_bundle_for_each_target_and_precision(
    place: Path, exported: list[dict[str, Any]]
) -> None:
    assert [(row["target"], row["precision"]) for row in exported] == [
        (target, precision) for target in RUN_HERE for precision in ("fp32", "int8")
    ]
    for row in exported:
        assert {"path", "target", "precision", "accuracy_drop", "accuracy_drop_ci"} <= row.keys()
        assert row["path"] == f"runs/pattlite/{row['target']}-{row['precision']}"
        run(place, "edgefer_runtime", "verify", row["path"])


def test_the_accuracy_is_far_from_chance_and_int8_keeps_it(exported: list[dict[str, Any]]) -> None:
    for row in exported:
        assert row["accuracy"] > 50, "chance is 14 %"
        assert row["accuracy_drop"] <= 6, "four of seventy faces"


def test_int8_is_a_third_of_the_size(exported: list[dict[str, Any]]) -> None:
    size = {(row["target"], row["precision"]): row["size_mb"] for row in exported}
    for target in ("onnxruntime", "openvino"):
        assert size[target, "int8"] < size[target, "fp32"] / 2.5


def test_bench_measures_them_and_keeps_records(place: Path, exported: list[dict[str, Any]]) -> None:
    # One thread: on a machine that others use too, two wait for each other and say nothing about INT8.
    words = ("bench", "--data", FACES, "--duration", "1", "--threads", "1", "--json")
    records = json.loads(run(place, "edgefer.cli.main", *words).stdout)
    wanted = "model target precision p50_ms p90_ms p99_ms size_mb accuracy accuracy_drop accuracy_drop_ci id"
    for record in records:
        assert {*wanted.split()} <= record.keys()
        assert 0 < record["p50_ms"] <= record["p90_ms"]
        assert record["id"] == pytest.approx(record["accuracy"] / 1.093)
    assert len(list((place / "runs/bench").glob("*.json"))) == len(records) == len(exported)
    by_engine = {(record["target"], record["precision"]): record["accuracy"] for record in records}
    assert by_engine == {(row["target"], row["precision"]): row["accuracy"] for row in exported}
    assert {record["drop"]["against"] for record in records} == {"the float network"}
    assert all(abs(record["accuracy_drop"]) <= 6 for record in records), "four of seventy faces"


def test_int8_is_faster_than_float_where_the_processor_multiplies_int8(
    place: Path, exported: list[dict[str, Any]]
) -> None:
    if not multiplies_int8():
        pytest.skip("no INT8 instructions on this processor")
    for path in (place / "runs/bench").glob("*int8*.json"):
        assert json.loads(path.read_text())["speedup"]["float"]["value"] > 1.2


def test_the_matrix_has_a_row_for_each_of_them(place: Path, exported: list[dict[str, Any]]) -> None:
    words = ("pattlite", "--work", "runs", "--seconds", "0.2", "-o", "matrix.md")
    matrix = [sys.executable, Path(__file__).parents[2] / "tools/matrix.py", *words]
    subprocess.run(matrix, cwd=place, check=True, capture_output=True, timeout=600)
    page = (place / "matrix.md").read_text()
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith(("| ONNX", "| OpenVINO"))]
    assert [row[0] for row in rows] == [
        f"| {name} {precision}" for name in ("ONNX Runtime", "OpenVINO") for precision in ("FP32", "INT8")
    ]
    # Where pairs of products are clipped, OpenVINO's engine is further off (faults A.10): 0.34 seen.
    largest = 0.25 if multiplies_int8() else 0.6
    for row, told in zip(rows, exported, strict=True):
        assert float(row[1]) < (1e-4 if "FP32" in row[0] else largest)
        assert row[2] == f"{told['accuracy']:.1f}" and float(row[5]) > 0 and float(row[6].split()[0]) > 0
    assert "no evidence of accuracy on people" in page and "70 faces of synthfer:eval[:70]" in page


def test_the_runtime_alone_labels_a_picture(place: Path, exported: list[dict[str, Any]]) -> None:
    from edgefer.data import load

    faces = load(FACES)
    right = 0
    for number in range(10):
        Image.fromarray(faces.images[number]).save(place / "face.png")
        answers = [
            json.loads(run(place, "edgefer_runtime", "predict", row["path"], "face.png", "--json").stdout)
            for row in exported[:2]
        ]
        assert answers[0]["label"] in faces.classes
        right += answers[0]["label"] == faces.classes[faces.labels[number]]
        for name, probability in answers[0]["probabilities"].items():
            assert answers[1]["probabilities"][name] == pytest.approx(probability, abs=0.25)
    assert right >= 4, "chance is one or two of ten"


def test_eval_of_a_bundle_and_of_its_network_agree(place: Path, exported: list[dict[str, Any]]) -> None:
    results = [
        json.loads(run(place, "edgefer.cli.main", "eval", subject, "--data", FACES, "--json").stdout)
        for subject in ("pattlite", "runs/pattlite/onnxruntime-fp32")
    ]
    assert results[0]["confusion"] == results[1]["confusion"]
    assert results[0]["notice"]


def test_an_altered_bundle_is_refused_by_bench_and_robot(place: Path, exported: list[dict[str, Any]]) -> None:
    engine = place / exported[0]["path"] / "model.onnx"
    whole = engine.read_bytes()
    try:
        engine.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        for command in (
            ("edgefer_runtime", "verify"),
            ("edgefer.cli.main", "bench"),
            ("edgefer.cli.main", "eval"),
        ):
            done = run(place, *command, exported[0]["path"], code=3)
            assert "model.onnx" in done.stderr
            assert "Traceback" not in done.stderr
    finally:
        engine.write_bytes(whole)


@pytest.mark.slow
def test_the_demo_ends_with_the_table(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "edgefer.cli.main", "demo"],
        cwd=tmp_path,
        env={**os.environ, "COLUMNS": "100"},
        capture_output=True,
        text=True,
        timeout=1800,  # ten minutes of one thread without INT8 instructions
    )
    assert done.returncode == 0, done.stderr
    for word in ("onnxruntime", "openvino", "int8", "fp32", "p50", "drop", "ID"):
        assert word in done.stdout
    assert "tensorrt" not in done.stdout, "not even where it is installed: no CPU runs it"
    assert "no evidence of accuracy on people" in " ".join(done.stdout.split())
    assert (tmp_path / "runs/demo/faces.png").stat().st_size > 10_000
