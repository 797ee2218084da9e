"""The command line answers at once, and importing the runtime loads nothing heavy."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time

import pytest

HEAVY = ("numpy", "torch", "onnx", "onnxruntime", "openvino", "PIL", "rich")


def seconds(*command: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, *command], check=True, capture_output=True)
    return time.perf_counter() - start


def loaded(statement: str) -> set[str]:
    code = f"{statement}\nimport sys, json; print(json.dumps([name.split('.')[0] for name in sys.modules]))"
    output = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    return set(json.loads(output.splitlines()[-1]))


def test_help_costs_at_most_twice_an_import_of_typer() -> None:
    rounds = [(seconds("-m", "edgefer.cli.main", "--help"), seconds("-c", "import typer")) for _ in range(9)]
    ratio = statistics.median(ours / theirs for ours, theirs in rounds)
    assert ratio <= 2, f"`edgefer --help` takes {ratio:.2f} times as long as `import typer`"


def test_the_command_line_imports_nothing_heavy() -> None:
    assert not loaded("import edgefer.cli.main") & {*HEAVY}


def test_the_runtime_imports_numpy_and_the_standard_library_only() -> None:
    new = loaded("import edgefer_runtime") - loaded("import numpy") - sys.stdlib_module_names
    assert {name for name in new if not name.startswith("_")} == {"edgefer_runtime"}


@pytest.mark.parametrize(
    "package", ["edgefer_export", "edgefer_calibration", "edgefer_bench", "edgefer.models", "edgefer.data"]
)
def test_a_package_loads_its_libraries_only_when_used(package: str) -> None:
    assert not loaded(f"import {package}") & {
        "torch",
        "onnx",
        "onnxruntime",
        "openvino",
        "nncf",
        "kornia",
        "PIL",
        "rich",
    }
