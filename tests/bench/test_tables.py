import io

import pytest
from rich.console import Console

from edgefer_bench.tables import bench_markdown, bench_table, export_table

NOTICE = "synthetic faces: they prove the pipeline, not accuracy on people"


def record(target="onnxruntime", precision="int8", **changes):
    return {
        "model": "pattlite",
        "variant": "head",
        "target": target,
        "precision": precision,
        "p50_ms": 4.2134,
        "p90_ms": 4.31,
        "p99_ms": 12.345,
        "speedup": {
            "float": {"value": 2.314, "interval": [2.2, 2.4], "pairs": 30},
            "onnxruntime_fp32": {"value": 1.0, "interval": [1.0, 1.0], "pairs": 30},
        },
        "size_mb": 1.4012,
        "accuracy": 72.13,
        "accuracy_interval": [70.12, 74.24],
        "accuracy_drop": -0.314,
        "accuracy_drop_ci": [-1.1, 0.8],
        "drop": {"against": "onnxruntime fp32"},
        "id": 66.1,
        "evaluation": {"accuracy": 72.13, "subject_interval": [67.9, 76.2], "subjects": 100},
        "stability": {"stable": True, "reasons": [], "null_ratio": {"interval": [0.981, 1.012]}},
        "faces": {"name": "synthfer:eval[:1050]", "images": 3500, "notice": NOTICE},
        "environment": {"cpu": None, "architecture": "aarch64"},
        "threads": 2,
        "batch": 1,
        "scenario": "single stream",
        "latency": {"samples": 2134},
        "command": "edgefer bench --data 'synthfer:eval[:1050]'",
        **changes,
    }


def rendered(*renderables, width=80):
    console = Console(width=width, file=io.StringIO())
    console.print(*renderables, sep="\n")
    return console.file.getvalue()


def rows(text, first_words):
    return [line.split() for line in text.splitlines() if line.split()[:1] == [first_words]]


def test_a_row_holds_the_numbers_and_the_line_below_their_intervals():
    text = rendered(*bench_table([record(), record(precision="fp32", p99_ms=None)]))
    assert rows(text, "onnxruntime") == [
        ["onnxruntime", "4.21", "4.31", "12.3", "2.31", "1.00", "1.40", "72.1", "-0.31", "66.1"],
        ["onnxruntime", "4.21", "4.31", "–", "2.31", "1.00", "1.40", "72.1", "-0.31", "66.1"],
    ]
    assert rows(text, "int8") == [["int8", "2.20…2.40", "70.1…74.2", "-1.10…0.80"]]


@pytest.mark.parametrize("width", [80, 120])
def test_a_table_of_long_numbers_fits_a_narrow_terminal(width):
    wide = record(p50_ms=104.2, p90_ms=105.1, p99_ms=212.9, size_mb=267.3, id=242.9)
    text = rendered(*bench_table([wide]), width=width)
    assert max(map(len, text.splitlines())) <= width
    assert len(rows(text, "onnxruntime")[0]) == 10


def test_what_must_be_known_stands_below_the_table_letter_by_letter():
    doubtful = record(
        "openvino", stability={"stable": False, "reasons": ["it [wanders]"], "null_ratio": {"interval": None}}
    )
    text = " ".join(rendered(*bench_table([record(), doubtful])).split())
    assert NOTICE in text
    assert "synthfer:eval[:1050], 3,500 images" in text
    assert "drop against onnxruntime fp32 paired" in text
    assert "aarch64; 2 threads, batch 1, single stream" in text
    assert "for new people" in text and "72.1 [67.9…76.2] % over 100 subjects" in text
    assert "(A/A, should hold 1): 0.98…1.01" in text
    assert "unstable: openvino int8: it [wanders]" in text
    assert "int8 *" in text
    assert "again: edgefer bench --data 'synthfer:eval[:1050]'" in text


def test_each_model_has_its_own_table():
    text = rendered(*bench_table([record(), record(model="dsan", variant="plain"), record("openvino")]))
    assert text.index("pattlite head") < text.index("openvino") < text.index("dsan plain")


def test_without_records_that_is_said():
    assert "no engines" in rendered(*bench_table([]))


def test_markdown_has_as_many_cells_in_every_row():
    text = bench_markdown([record(), record("openvino", accuracy_drop=None, accuracy_drop_ci=None)])
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in lines} == {11}
    assert "| onnxruntime int8 | 4.21 |" in lines[2]
    assert "| -0.31 [-1.10…0.80] |" in lines[2]
    assert "| – | 66.1 |" in lines[3]
    assert f"- {NOTICE}" in text


def test_an_export_shows_a_row_a_bundle():
    row = {"target": "openvino", "precision": "int8", "path": "runs/[a]/openvino-int8", "accuracy_drop": 0.25}
    text = rendered(
        export_table([{**row, "accuracy_drop_ci": [-0.5, 1.0], "size_mb": 1.4, "accuracy": 71.4}])
    )
    assert "bundles in runs/[a]" in text
    assert rows(text, "openvino")[0][2:] == ["openvino-int8", "1.40", "71.4", "0.25", "[-0.50…1.00]"]
    text = rendered(export_table([{**row, "accuracy_drop_ci": None}]))
    assert rows(text, "openvino")[0][3:] == ["–", "–", "0.25"]
