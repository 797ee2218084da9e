"""What importing costs: numpy and the standard library, and nothing changed behind anybody's back."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import edgefer_runtime

DOORS = {
    "serving/http_door",
    "serving/http_wire",
    "serving/grpc_door",
    "serving/messages",
    "serving/page/__init__",
}
"""Modules of extras, each imported by one function only, which tells what is not installed."""
ENGINES = {"onnxruntime", "openvino", "torch", "onnx", "PIL", "edgefer"}


def loaded_by(statement: str) -> set[str]:
    """Top-level modules that a fresh Python has after ``statement``."""
    code = f"{statement}\nimport sys; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {*done.stdout.split()}


def test_the_package_loads_not_even_numpy() -> None:
    assert not loaded_by("import edgefer_runtime, edgefer_runtime.errors") & {*ENGINES, "numpy"}


def test_everything_loads_numpy_and_the_standard_library_only() -> None:
    folder = Path(edgefer_runtime.__file__).parent
    names = [path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.py")]
    modules = sorted(
        name.replace("/", ".").removesuffix(".__init__")
        for name in names
        if name != "__init__" and name not in DOORS
    )
    assert len(modules) > 12
    every = ", ".join(f"edgefer_runtime.{module}" for module in modules)
    loaded = loaded_by(f"from edgefer_runtime import *\nimport {every}")
    extra = loaded - loaded_by("import numpy.random") - {*sys.stdlib_module_names}
    assert extra == {"edgefer_runtime"}


def test_what_a_robot_imports_leaves_out_what_is_slow_to_load() -> None:
    loaded = loaded_by("from edgefer_runtime import Bundle, Classifier, FaceAnalyzer") - loaded_by(
        "import numpy"
    )
    assert "threading" in loaded and not loaded & {"asyncio", "csv", "email", "http", "logging", "socket"}


def test_importing_changes_nothing_global() -> None:
    code = """
import gc, locale, os, signal, sys, threading, warnings, logging
import numpy
def state():
    return (dict(os.environ), signal.getsignal(signal.SIGINT), list(warnings.filters), gc.isenabled(),
            threading.active_count(), logging.getLogger().handlers[:], numpy.geterr(), list(sys.path),
            numpy.random.get_state()[1].tolist(), sys.excepthook, locale.setlocale(locale.LC_ALL))
before = state()
from edgefer_runtime import Bundle, Classifier, Prediction
import edgefer_runtime.measuring, edgefer_runtime.footprint, edgefer_runtime.environment
assert state() == before
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_public_names_are_there() -> None:
    for name in edgefer_runtime.__all__:
        assert getattr(edgefer_runtime, name).__name__ == name
    with pytest.raises(AttributeError, match="Clasifier"):
        edgefer_runtime.Clasifier  # noqa: B018
