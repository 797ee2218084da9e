"""Checks a bundle, or a float ONNX, again; what its certificate says is not believed but measured."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgefer.pipeline import Report, ignore
from edgefer.pipeline.requirements import require
from edgefer.pipeline.subjects import is_bundle
from edgefer_runtime.bundle import Bundle
from edgefer_runtime.errors import DataError, UsageError

if TYPE_CHECKING:
    from edgefer_export.checks import Check


def check_subject(path: Path, on_progress: Report = ignore) -> list[Check]:
    """Check the bundle or ONNX file at ``path``.

    Of a bundle the files are hashed, and the rows of its certificate's evidence measured again on its
    engine. An ONNX file, for which nothing says what it should answer, is held against itself: operators,
    axes, attention, and one inference library against the other.

    Returns:
        One check a row, passed or not; the first is ``files`` for a bundle.

    Raises:
        UsageError: ``path`` is neither.
        DataError: there is nothing at ``path``, or it does not hold what checking needs.
        MissingError, DeviceError: the bundle's engine cannot run here.
    """
    require("export", "checking")
    if not path.exists():
        raise DataError(f"{path}: no such file", expected="a bundle or an ONNX file", action="name another")
    if is_bundle(path):
        return _check_bundle(path)
    if path.suffix == ".onnx":
        return _check_graph(path, on_progress)
    raise UsageError(f"{path} is neither a bundle nor an ONNX file", expected="BUNDLE or FILE.onnx")


def _check_bundle(path: Path) -> list[Check]:
    from edgefer_export import targets
    from edgefer_export.checks import Check
    from edgefer_export.evidence import Evidence, redo
    from edgefer_export.targets import BuiltEngine

    try:
        bundle = Bundle.open(path)
    except DataError as error:
        return [Check.at_most("files", 1, 0, "faults", error.found)]
    with bundle:
        manifest = bundle.manifest
        target = targets.get(manifest.target)
        targets.require(target, manifest.precision)
        files = Check.at_most("files", 0, 0, "faults", f"sha256 of {len(manifest.files) + 1} files")
        engine = BuiltEngine(
            entry=manifest.entry,
            files={file.path: bundle.folder / file.path for file in manifest.files},
            options=manifest.options,
            tools=manifest.tools,
        )
        evidence = Evidence.from_json(bundle.certificate.get("evidence"))
        return [files, *redo(target, engine, manifest.precision, manifest.classes, evidence)]


def _check_graph(path: Path, on_progress: Report) -> list[Check]:
    from edgefer.pipeline.drafts import evidence_crops
    from edgefer_export.checks import check_graph

    return check_graph(path, evidence_crops(on_progress))


def to_json(path: Path, checks: list[Check]) -> dict[str, Any]:
    """The result as a JSON object."""
    rows = [check.to_json() for check in checks]
    return {"path": str(path), "passed": all(check.passed for check in checks), "checks": rows}
