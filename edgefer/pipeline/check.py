"""Checks a bundle, or a float ONNX, again; what its certificate says is not believed but measured."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgefer.pipeline import Report, ignore
from edgefer.pipeline.requirements import require
from edgefer.pipeline.subjects import find_bundle, is_bundle
from edgefer_runtime.bundle import Bundle
from edgefer_runtime.errors import DataError, UsageError

if TYPE_CHECKING:
    from edgefer_export.checks import Check


def check_subject(path: Path, on_progress: Report = ignore, verify: Path | None = None) -> list[Check]:
    """Check the bundle or ONNX file at ``path``.

    Of a bundle the files are hashed, and the rows of its certificate's evidence measured again on its
    engine. An ONNX file, for which nothing says what it should answer, is held against itself: operators,
    axes, attention, and one inference library against the other.

    Args:
        path: the bundle or ONNX file.
        on_progress: told how far it is.
        verify: public key that must have signed the bundle; None when that is not asked. Of a bundle that it
            did not sign, nothing else is looked at: its engine is neither opened nor run.

    Returns:
        One check a row, passed or not; the first is ``files`` for a bundle, the second ``signature`` when
        that is asked.

    Raises:
        UsageError: ``path`` is neither, or an ONNX file, which holds no signature to verify.
        DataError: nothing is at ``path``, it does not hold what checking needs, or ``verify`` is no key.
        MissingError, DeviceError: the bundle's engine cannot run here.
    """
    path = _find(path)
    if verify is not None:
        require("sign", "verifying a signature")
    require("export", "checking")
    if is_bundle(path):
        return _check_bundle(path, verify)
    if verify is not None:
        raise UsageError(f"{path} is no bundle", expected="a bundle, which can hold a signature")
    if path.suffix == ".onnx":
        return _check_graph(path, on_progress)
    raise UsageError(f"{path} is neither a bundle nor an ONNX file", expected="BUNDLE or FILE.onnx")


def _find(path: Path) -> Path:
    if path.suffix and not path.exists():
        raise DataError(f"{path}: no such file", expected="a bundle or an ONNX file", action="name another")
    return find_bundle(path)


def _check_bundle(path: Path, verify: Path | None) -> list[Check]:
    from edgefer_export import targets
    from edgefer_export.checks import Check
    from edgefer_export.evidence import Evidence, redo
    from edgefer_export.signature import check_signature, read_public_key
    from edgefer_export.targets import BuiltEngine

    key = None if verify is None else read_public_key(verify)
    try:
        bundle = Bundle.open(path)
    except DataError as error:
        return [Check.at_most("files", 1, 0, "faults", error.found)]
    with bundle:
        manifest = bundle.manifest
        rows = [Check.at_most("files", 0, 0, "faults", f"sha256 of {len(manifest.files) + 1} files")]
        if key is not None:
            rows.append(check_signature(bundle, key))
            if not rows[-1].passed:  # whoever made this engine, no library here is to read it
                return rows
        target = targets.get(manifest.target)
        targets.require(target, manifest.precision)
        engine = BuiltEngine(
            entry=manifest.entry,
            files={file.path: bundle.folder / file.path for file in manifest.files},
            options=manifest.options,
            tools=manifest.tools,
        )
        evidence = Evidence.from_json(bundle.certificate.get("evidence"))
        return [*rows, *redo(target, engine, manifest.precision, manifest.classes, evidence)]


def _check_graph(path: Path, on_progress: Report) -> list[Check]:
    from edgefer.pipeline.drafts import evidence_crops
    from edgefer_export.checks import check_graph

    return check_graph(path, evidence_crops(on_progress))


def to_json(path: Path, checks: list[Check]) -> dict[str, Any]:
    """The result as a JSON object."""
    rows = [check.to_json() for check in checks]
    return {"path": str(path), "passed": all(check.passed for check in checks), "checks": rows}
