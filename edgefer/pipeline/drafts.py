"""Draft bundles: one network built for every target and precision asked for, each check passed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgefer import __version__
from edgefer.data.faceset import FaceSet
from edgefer.models import count, get
from edgefer.pipeline import Report
from edgefer_runtime.bundle import Bundle, write_bundle
from edgefer_runtime.manifest import Manifest

if TYPE_CHECKING:
    from edgefer.training.checkpoint import Checkpoint
    from edgefer_calibration import CalibrationSet
    from edgefer_export.checks import Check
    from edgefer_export.targets import BuiltEngine

CHECKED_FACES = 32
"""Real faces that every check looks at."""


@dataclass(frozen=True)
class Drafting:
    """What every draft of one export has in common.

    Attributes:
        checkpoint: the trained network.
        provenance: where weights and faces come from.
        licence: of the weights.
        targets: names of the targets to build for.
        precisions: ``fp32``, and ``int8`` when ``calibration`` is given.
        calibration: faces that INT8 ranges are read from.
        faces: real faces for the checks.
        folder: where everything is written.
    """

    checkpoint: Checkpoint
    provenance: Mapping[str, Any]
    licence: str
    targets: Sequence[str]
    precisions: Sequence[str]
    calibration: CalibrationSet | None
    faces: FaceSet
    folder: Path


def draft_bundles(drafting: Drafting, on_progress: Report) -> list[Bundle]:
    """Export the network once, then build and check an engine for each target and precision.

    Raises:
        CheckError: a check failed; it names the row, what was measured and the limit.
    """
    from edgefer_export import export_onnx, targets
    from edgefer_export.certificate import certificate, require
    from edgefer_export.checks import check_engine, reference, run_checks

    checkpoint = drafting.checkpoint
    spec, network = get(checkpoint.model), checkpoint.network()
    steps = 1 + len(drafting.targets) * len(drafting.precisions)
    on_progress("export, check, build", 0, steps)
    float_onnx = export_onnx(
        network,
        contract=checkpoint.contract,
        classes=len(checkpoint.classes),
        output=spec.output,
        path=drafting.folder / "float.onnx",
    )
    faces = drafting.faces.images[:CHECKED_FACES]
    checks = run_checks(network, float_onnx, faces, contract=checkpoint.contract, output=spec.output)
    require(checks)
    expected = reference(network, faces, checkpoint.contract, spec.output)
    bundles: list[Bundle] = []
    for name in drafting.targets:
        target = targets.get(name)
        for precision in drafting.precisions:
            on_progress("export, check, build", 1 + len(bundles), steps)
            work = drafting.folder / f"{name}-{precision}"
            work.mkdir()
            model, recipe = float_onnx, None
            if precision == "int8":
                model, recipe = _quantized(name, float_onnx, drafting.calibration, work / "quantized.onnx")
            engine = target.build(model, precision, work / "engine")
            own: list[Check] = check_engine(target, engine, precision, faces, expected)
            require(own)
            manifest = _manifest(drafting, name, precision, engine, recipe)
            bundles.append(
                write_bundle(work / "bundle", manifest, engine.files, certificate([*checks, *own]))
            )
    on_progress("export, check, build", steps, steps)
    return bundles


def _quantized(
    target: str, float_onnx: Path, calibration: CalibrationSet | None, out: Path
) -> tuple[Path, Mapping[str, Any]]:
    from edgefer_calibration import quantize

    assert calibration is not None, "int8 is asked for together with a calibration set"
    quantized = quantize(target, float_onnx, calibration, out)
    return quantized.path, quantized.recipe


def _manifest(
    drafting: Drafting, target: str, precision: str, engine: BuiltEngine, recipe: Mapping[str, Any] | None
) -> Manifest:
    checkpoint = drafting.checkpoint
    return Manifest(
        model=checkpoint.model,
        variant=checkpoint.variant,
        parameters=count(get(checkpoint.model), checkpoint.variant, len(checkpoint.classes)),
        classes=checkpoint.classes,
        input=checkpoint.contract,
        target=target,
        precision=precision,
        entry=engine.entry,
        options=engine.options,
        tools={"edgefer": __version__, **engine.tools},
        quantization=recipe,
        licence=drafting.licence,
        provenance=drafting.provenance,
    )
