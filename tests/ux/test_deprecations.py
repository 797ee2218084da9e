"""No deprecated name overstays: each ``deprecate(...)`` in the code names a version that is still to come."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from edgefer_runtime.deprecation import deprecate, is_due

ROOT = Path(__file__).parents[2]
PACKAGES = ("edgefer", "export", "calibration", "bench", "runtime")


def announced() -> list[tuple[str, str]]:
    """Where something is deprecated, and the version that removes it."""
    found = []
    for file in (file for package in PACKAGES for file in (ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "deprecate":
                (version,) = (each.value for each in node.keywords if each.arg == "remove_in")
                assert isinstance(version, ast.Constant), f"{file}:{node.lineno}: remove_in is no literal"
                found.append((f"{file.relative_to(ROOT)}:{node.lineno}", str(version.value)))
    return found


def test_nothing_deprecated_is_overdue() -> None:
    assert [place for place, version in announced() if is_due(version)] == []


def test_an_overdue_name_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgefer_runtime.deprecation.__version__", "0.3.0")
    assert is_due("0.3") and is_due("0.2") and not is_due("0.10")


def test_the_warning_names_what_to_use_and_where_it_is_used() -> None:
    def old() -> None:
        deprecate("Classifier.old", use="Classifier.new", remove_in="99.0")

    with pytest.warns(DeprecationWarning, match=r"Classifier.old .* 99.0; use Classifier.new") as caught:
        old()
    assert caught[0].filename == __file__
