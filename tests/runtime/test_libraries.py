"""Importing the engines' libraries: what is said where one cannot be imported."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HOME = ROOT / "runtime/edgefer_runtime/engines/libraries.py"
WATCHED = {"onnxruntime", "openvino"}

OPEN = (
    "import sys; from edgefer_runtime.errors import EdgeferError\n"
    "from edgefer_runtime.engines.libraries import import_onnxruntime, missing\n"
    "try: import_onnxruntime()\n"
    "except ImportError as error: print(missing('onnxruntime', error))\n"
)


def advice(folder: Path) -> str:
    """What is said where ``folder`` comes before everything that is installed."""
    program = f"import sys; sys.path.insert(0, {str(folder)!r})\n" + OPEN
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return done.stdout


def test_a_library_that_is_not_there_is_to_be_installed(tmp_path: Path) -> None:
    (tmp_path / "onnxruntime.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'onnxruntime'\", name='onnxruntime')"
    )
    said = advice(tmp_path)
    assert "not installed" in said and 'pip install "edgefer-runtime[onnxruntime]"' in said


@pytest.mark.parametrize(
    "raised",
    [
        "ImportError",
        "ImportError('numpy.core.multiarray failed to import')",
        "ImportError('_ARRAY_API not found')",
    ],
)
def test_a_build_for_numpy_1_beside_numpy_2_is_not_replaced(tmp_path: Path, raised: str) -> None:
    """As ONNX Runtime 1.17.3 says it, whose import fails with no word at all (seen here)."""
    (tmp_path / "onnxruntime.py").write_text(f"raise {raised}")
    said = advice(tmp_path)
    assert 'pip install "numpy<2"' in said and "edgefer-runtime[" not in said


def test_a_build_that_lacks_a_shared_library_is_named_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "onnxruntime.py").write_text(
        "raise ImportError('libcublas.so.12: cannot open shared object file')"
    )
    said = advice(tmp_path)
    assert "libcublas.so.12" in said and "edgefer-runtime[" not in said and "again" in said


def test_two_distributions_of_one_module_are_both_named(tmp_path: Path) -> None:
    """onnxruntime and onnxruntime-gpu overwrite each other."""
    (tmp_path / "onnxruntime").mkdir()
    (tmp_path / "onnxruntime/__init__.py").write_text("raise ImportError('undefined symbol: OrtGetApiBase')")
    info = tmp_path / "onnxruntime_gpu-1.20.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: onnxruntime-gpu\nVersion: 1.20.0\n")
    (info / "RECORD").write_text("onnxruntime/__init__.py,,\n")
    said = advice(tmp_path)
    assert "onnxruntime-gpu 1.20.0" in said and "uninstall all but one" in said


def test_nobody_else_imports_a_library_that_reports_its_use() -> None:
    """An import past the one module would come before the switch is set."""
    found = set()
    for package in ("edgefer", "export", "calibration", "bench/edgefer_bench", "runtime/edgefer_runtime"):
        for file in (ROOT / package).rglob("*.py"):
            if file != HOME and imports_a_watched_library(ast.parse(file.read_text())):
                found.add(str(file.relative_to(ROOT)))
    # This one reads a sub-package of what import_onnxruntime has imported in the line before.
    assert found <= {"calibration/edgefer_calibration/quantize/qdq.py"}


def imports_a_watched_library(node: ast.AST) -> bool:
    """Whether running the code imports one; what stands there for the type checker alone does not count."""
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return False
    names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
    names += [each.name for each in node.names] if isinstance(node, ast.Import) else []
    if {name.split(".")[0] for name in names} & WATCHED:
        return True
    return any(imports_a_watched_library(child) for child in ast.iter_child_nodes(node))


def test_the_rule_above_can_fail() -> None:
    assert imports_a_watched_library(ast.parse("def open():\n    import onnxruntime"))
    assert not imports_a_watched_library(ast.parse("if TYPE_CHECKING:\n    import onnxruntime"))
