"""`edgefer calibrate sensitivity`: what INT8 costs module by module."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from edgefer.data.faceset import FaceSet
from edgefer.models import get
from edgefer.pipeline import Report, counting, ignore
from edgefer.pipeline.calibrate import open_calibration, require_calibration
from edgefer.pipeline.candidates import Candidates
from edgefer.pipeline.faces import load_faces
from edgefer.pipeline.outline import outline, require_fit
from edgefer.pipeline.requirements import require
from edgefer.pipeline.subjects import find_checkpoint, locate_checkpoint
from edgefer_bench.drop import accuracy_drop
from edgefer_bench.scoring import check_classes
from edgefer_bench.sensitivity_report import FORMS, write_sensitivity
from edgefer_runtime.errors import UsageError
from edgefer_runtime.files import require_writable

if TYPE_CHECKING:
    from edgefer.training.checkpoint import Checkpoint
    from edgefer_calibration.modules import Module
    from edgefer_calibration.sensitivity import Error


@dataclass(frozen=True)
class SensitivitySettings:
    """What `edgefer calibrate sensitivity` was asked for.

    Attributes:
        model, variant: a model's name or a checkpoint's path.
        target: whose recipe and engine.
        calibration: faces that ranges are read from.
        data: labelled faces; no evaluation set, if what is learnt is to be judged on it.
        ranked_faces: of ``data``, that every module is ranked on.
        evaluated: of the worst modules, the drop is measured on all of ``data``.
        output: file to write as well, one of :data:`edgefer_bench.sensitivity_report.FORMS`.
    """

    model: str
    variant: str | None = None
    target: str = "onnxruntime"
    calibration: str = "synthfer:train[:700]"
    data: str = "synthfer:val"
    ranked_faces: int = 128
    evaluated: int = 3
    output: Path | None = None


def rank_sensitivity(settings: SensitivitySettings, on_progress: Report = ignore) -> dict[str, Any]:
    """Quantize each module alone, the others in float, and compare the answers with the float engine's.

    Returns:
        ``model``, ``target``, ``data``, ``images``, ``ranked_faces`` and ``modules``, the worst first:
        ``module``, ``layers``, ``work`` (share of the quantized layers' estimated time), ``sqnr_db`` (null
        when nothing differs), ``kl`` (nats), ``flips`` (percent), and ``drop``
        (:class:`edgefer_bench.drop.Drop`) of the worst, null for the others.

    Raises:
        UsageError, DataError: no such model, set or target, or a file that cannot be written.
        MissingError: something is not installed.
    """
    if settings.output is not None:
        if settings.output.suffix.lower() not in FORMS:
            raise UsageError(f"{settings.output}: no ranking's name", expected=f"one in {', '.join(FORMS)}")
        if settings.output.suffix.lower() != ".csv":
            require("report", "drawing a ranking")
        require_writable(settings.output)
    _require_sound(settings)
    from edgefer_calibration.sensitivity import error_of, rank_modules

    checkpoint, source = find_checkpoint(settings.model, settings.variant)
    faces = load_faces(settings.data, on_progress)
    check_classes(checkpoint.classes, source, faces)
    few = faces.take(np.linspace(0, len(faces) - 1, min(settings.ranked_faces, len(faces))).astype(np.int64))
    with TemporaryDirectory(prefix="edgefer-sensitivity-") as folder:
        candidates = _candidates(settings, checkpoint, Path(folder), on_progress)
        modules = candidates.modules()
        reference = candidates.answers(None, few)
        ranked = 0

        def error(quantized: Sequence[Module]) -> Error:
            nonlocal ranked
            on_progress("modules", ranked, len(modules))
            ranked += 1
            return error_of(reference, candidates.answers(_all_but(modules, quantized), few))

        ranking = rank_modules(modules, error)
        worst = [entry.module for entry in ranking[: settings.evaluated]]
        drops = _drops(candidates, modules, worst, faces, on_progress)
    found = {
        "model": checkpoint.model,
        "target": settings.target,
        "data": faces.name,
        "images": len(faces),
        "ranked_faces": len(few),
        "modules": [
            {
                "module": entry.module.name,
                "layers": entry.module.layers,
                "work": entry.module.work,
                **asdict(entry.error),
                "drop": drops.get(entry.module.name),
            }
            for entry in ranking
        ],
    }
    if settings.output is not None:
        write_sensitivity(found, settings.output)
    return found


def _require_sound(settings: SensitivitySettings) -> None:
    """Try what names mean, and whether they go together, before any work."""
    from edgefer_export import targets

    targets.require(targets.get(settings.target), "int8")
    card, source = locate_checkpoint(settings.model, settings.variant)
    get(card.model).require_deployable(card.variant)
    require_fit(card.classes, source, outline(settings.data))
    require_calibration(settings.calibration)
    require("export", "ranking modules")


def _candidates(
    settings: SensitivitySettings, checkpoint: Checkpoint, folder: Path, on_progress: Report
) -> Candidates:
    from edgefer_export import export_onnx, targets

    target, spec = targets.get(settings.target), get(checkpoint.model)
    graph = export_onnx(
        checkpoint.network(),
        contract=checkpoint.contract,
        classes=len(checkpoint.classes),
        output=spec.output,
        path=folder / "float.onnx",
    )
    calibration = open_calibration(settings.calibration, on_progress)
    return Candidates(target, target.prepare(graph, folder), calibration, checkpoint.classes, folder)


def _all_but(modules: Sequence[Module], quantized: Sequence[Module]) -> list[str]:
    others = (module for module in modules if module not in quantized)
    return [name for module in others for name in module.float_modules]


def _drops(
    candidates: Candidates,
    modules: Sequence[Module],
    worst: Sequence[Module],
    faces: FaceSet,
    on_progress: Report,
) -> dict[str, Any]:
    """The drop of the engines in which one of ``worst`` alone is INT8, by its name."""
    if not worst:
        return {}
    advance = counting(on_progress, "drop of the worst", (1 + len(worst)) * len(faces))
    reference = candidates.answers(None, faces, advance)
    return {
        module.name: accuracy_drop(
            reference,
            candidates.answers(_all_but(modules, [module]), faces, advance),
            faces.labels,
            classes=faces.classes,
            attributes=faces.attributes,
        ).to_json()
        for module in worst
    }
