"""From a checkpoint to verified bundles: export, check, quantize, build, score, write."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgefer.data.faceset import FaceSet
from edgefer.models import MODELS, get
from edgefer.pipeline import Report, ignore
from edgefer.pipeline.budget import Budget, require_provable, shortfall
from edgefer.pipeline.calibrate import open_calibration, require_calibration
from edgefer.pipeline.drafts import Drafting, draft_bundles
from edgefer.pipeline.faces import load_faces
from edgefer.pipeline.leaks import as_faces, guard
from edgefer.pipeline.narrowing import Quantizer
from edgefer.pipeline.outcome import serve, time_and_judge, write_page
from edgefer.pipeline.outline import outline, require_fit
from edgefer.pipeline.qat import trainer
from edgefer.pipeline.references import Answers, float_answers
from edgefer.pipeline.requirements import install_command, require
from edgefer.pipeline.scores import score_drafts
from edgefer.pipeline.seen import seen_by_network, warned
from edgefer.pipeline.subjects import export_folder, find_checkpoint, locate_checkpoint
from edgefer_bench.scoring import check_classes
from edgefer_runtime.bundle import Bundle, Sign, write_bundle
from edgefer_runtime.errors import BudgetError, MissingError, UsageError
from edgefer_runtime.files import require_writable

CAPABILITY = re.compile(r"[1-9]\d?\.\d")


@dataclass(frozen=True)
class ExportSettings:
    """What `edgefer export` was asked for.

    No targets, or ``all``, means those installed; no batch, any. ``time_budget_s`` is for finding float
    islands with which INT8 keeps ``max_drop``, on the faces of ``validation``. ``timing`` times the engines
    against each other. ``server`` names an inference server to lay the bundles out for. ``sign`` is the
    private key that signs them, ``ask_passphrase`` asks for its passphrase if it has one. ``qat_epochs`` of
    quantization-aware training take the place of looking for float islands.
    """

    model: str
    variant: str | None = None
    precisions: tuple[str, ...] = ("fp32",)
    batch: int | None = 1
    targets: tuple[str, ...] = ()
    calibration: str = "synthfer:train[:700]"
    data: str = "synthfer:eval"
    max_drop: float | None = None
    time_budget_s: float = 300.0
    validation: str = "synthfer:val"
    output: Path | None = None
    compute_capability: str | None = None
    timing: bool = False
    server: str | None = None
    sign: Path | None = None
    ask_passphrase: Callable[[], str] | None = None
    qat_epochs: int = 0


def export_bundles(settings: ExportSettings, on_progress: Report = ignore) -> list[dict[str, Any]]:
    """Export a checkpoint as one bundle a target and precision.

    Everything is built, checked and scored in a temporary folder first, so that a failed check, Ctrl-C or a
    full disk leaves nothing half-written. Bundles go to ``runs/MODEL/TARGET-PRECISION`` unless ``output``
    names another folder than ``runs/MODEL``.

    Returns:
        A row a bundle: ``path``, ``model``, ``variant``, ``target``, ``precision``, ``size_mb``,
        ``accuracy``, ``accuracy_interval``, ``accuracy_drop``, ``accuracy_drop_ci`` (against the float
        network, in points), ``flips``, ``engine`` (what answered), ``data``, ``images``,
        ``notice``, ``checks``, ``budget`` (how float islands were found, or null), ``signed``, ``drop``
        (:class:`edgefer_bench.drop.Drop`). The same in every row, null where not asked for or not to be had:
        ``verdict`` (:class:`edgefer_bench.verdict.Verdict`), ``page`` (path of the page on what a narrower
        precision did) and ``repository`` (``folder``, ``models`` and ``notes``).

    Raises:
        CheckError: a check failed; nothing is written.
        BudgetError: an engine is not proven to drop ``max_drop`` points at most; the others are written,
            unless float islands were looked for and none were found.
        UsageError, DataError, MissingError: no such model, set or target, other classes, or not installed.
    """
    targets, sign = _require_sound(settings)
    checkpoint, source = find_checkpoint(settings.model, settings.variant)
    narrowed = {"int8", "fp16"} & {*settings.precisions}
    faces = load_faces(settings.data, on_progress)
    calibration = open_calibration(settings.calibration, on_progress, [faces]) if narrowed else None
    check_classes(checkpoint.classes, source, faces)
    if calibration is not None:
        guard(calibration, faces)
    from edgefer.training.selection import describe

    root = settings.output or export_folder(settings.model, checkpoint.model)
    network = float_answers(checkpoint, faces, on_progress)
    budget = _budget(settings, targets, faces, network, checkpoint.classes, root, on_progress)
    with tempfile.TemporaryDirectory(prefix="edgefer-export-") as folder:
        drafting = Drafting(
            checkpoint=checkpoint,
            provenance={
                "weights": {
                    "checkpoint": source.name,
                    **checkpoint.provenance,
                    "sha256": checkpoint.describe()["sha256"],
                },
                "calibration": describe(as_faces(calibration)) if calibration else None,
                "notice": warned(settings.data, {checkpoint.model: seen_by_network(checkpoint, faces)}),
            },
            licence=checkpoint.provenance.get("licence", ""),
            targets=targets,
            precisions=settings.precisions,
            batch=settings.batch,
            compute_capability=settings.compute_capability,
            calibration=calibration,
            quantizer=_quantizer(settings, budget, on_progress),
            faces=faces,
            folder=Path(folder),
        )
        drafts = draft_bundles(drafting, on_progress)
        scores = score_drafts(drafts, faces, network, on_progress)
        kept, over = [], []
        for draft, score in zip(drafts, scores, strict=True):
            if settings.max_drop is not None and score["drop"]["interval"][1] > settings.max_drop:
                missed = shortfall(score["drop"], settings.max_drop)
                over.append(f"{draft.manifest.target} {draft.manifest.precision} {missed}")
                continue
            kept.append((_publish(draft, score, root, sign), score))
    if over:
        raise BudgetError(
            "\n".join(over),
            expected=f"at most {settings.max_drop:g} points on {faces.name} at the 95 % interval's upper end",
            action="allow more with --max-drop; engines within the budget were written, the others were not",
        )
    verdict = time_and_judge(kept, faces, settings.max_drop, on_progress) if settings.timing else None
    told = {
        "verdict": verdict,
        "page": write_page(kept, root, verdict),
        "repository": serve(settings.server, [each for each, _ in kept], root) if settings.server else None,
    }
    return [{**_row(bundle, score), **told} for bundle, score in kept]


def _require_sound(settings: ExportSettings) -> tuple[tuple[str, ...], Sign | None]:
    """Try all that was asked for before any work: where to, options, names, what is installed, the faces.

    Returns:
        Names of the targets, and what signs.
    """
    if settings.output is not None:
        require_writable(settings.output, folder=True)
    if settings.qat_epochs and "int8" not in settings.precisions:
        raise UsageError("--qat without --int8", expected="--int8 --qat EPOCHS: it is INT8 that is trained")
    targets = _targets(settings.targets)
    _require_precisions(settings.precisions, targets)
    if settings.server is not None:
        from edgefer_export.repositories import require_served

        require_served(settings.server, targets)
    _require_capability(settings.compute_capability, targets)
    if settings.model in MODELS:
        get(settings.model).require_deployable(settings.variant)
    card, source = locate_checkpoint(settings.model, settings.variant)
    get(card.model).require_deployable(card.variant)
    root = settings.output or export_folder(settings.model, card.model)
    for folder in bundle_folders(root, targets, settings.precisions):
        require_writable(folder, folder=True)
    faces = outline(settings.data)
    require_fit(card.classes, source, faces)
    if settings.max_drop is not None:
        require_provable(settings.max_drop, faces)
        if "int8" in settings.precisions and not settings.qat_epochs:
            require_fit(card.classes, source, outline(settings.validation))
    if {"int8", "fp16"} & {*settings.precisions}:
        require_calibration(settings.calibration)
    require("export", "exporting")
    return targets, _signer(settings)


def bundle_folders(root: Path, targets: Sequence[str], precisions: Sequence[str]) -> list[Path]:
    """Where the bundles of an export are written."""
    return [root / f"{target}-{precision}" for target in targets for precision in precisions]


def _require_capability(capability: str | None, targets: Sequence[str]) -> None:
    if capability is None:
        return
    if "tensorrt-rtx" not in targets:
        raise UsageError(
            f"compute capability {capability} for {', '.join(targets)}",
            expected="--target tensorrt-rtx: the others build for the machine they build on",
        )
    if not CAPABILITY.fullmatch(capability):
        raise UsageError(
            f"compute capability {capability!r}",
            expected="two numbers with a point between, as NVIDIA lists them: 8.6 for an RTX 30, 8.9, 12.0",
        )


def _targets(named: Sequence[str]) -> tuple[str, ...]:
    from edgefer_export import targets

    for name in named:
        if name != "all":
            targets.get(name)
    if not named or "all" in named:
        if not (here := targets.installed()):
            raise MissingError(
                "no engine is installed here",
                expected=f"one of {', '.join(targets.TARGETS)}",
                action=install_command("onnxruntime"),
            )
        return here
    for name in named:
        targets.require(targets.get(name), "fp32")
    return tuple(dict.fromkeys(named))


def _require_precisions(precisions: Sequence[str], names: Sequence[str]) -> None:
    """Raise unless each precision is one that at least one of the targets has; the others go without it."""
    from edgefer_export import targets

    for precision in precisions:
        if not any(precision in targets.get(name).precisions for name in names):
            having = [name for name in targets.TARGETS if precision in targets.get(name).precisions]
            raise UsageError(
                f"{precision} for {', '.join(names)}",
                expected=f"{precision} with --target {' or '.join(having)}",
            )


def _budget(
    settings: ExportSettings,
    targets: Sequence[str],
    faces: FaceSet,
    network: Answers,
    classes: Sequence[str],
    folder: Path,
    on_progress: Report,
) -> Budget | None:
    """What INT8 has to keep, if anything; its time is shared among the targets."""
    if settings.max_drop is None or "int8" not in settings.precisions or settings.qat_epochs:
        return None
    return Budget(
        max_drop=settings.max_drop,
        time_s=settings.time_budget_s / len(targets),
        judged=faces,
        network=network,
        validation=load_faces(settings.validation, on_progress),
        classes=classes,
        folder=folder,
        on_progress=on_progress,
    )


def _quantizer(settings: ExportSettings, budget: Budget | None, on_progress: Report) -> Quantizer | None:
    if settings.qat_epochs:
        return trainer(settings.qat_epochs, on_progress)
    return budget.quantize if budget else None


def _signer(settings: ExportSettings) -> Sign | None:
    if settings.sign is None:
        return None
    require("sign", "signing")
    from edgefer_export.signature import open_signer

    return open_signer(settings.sign, settings.ask_passphrase)


def _publish(draft: Bundle, score: dict[str, Any], root: Path, sign: Sign | None) -> Bundle:
    manifest = replace(draft.manifest, accuracy=score)
    files = {file.path: draft.folder / file.path for file in manifest.files}
    folder = root / f"{manifest.target}-{manifest.precision}"
    return write_bundle(folder, manifest, files, draft.certificate, sign)


def _row(bundle: Bundle, score: dict[str, Any]) -> dict[str, Any]:
    manifest, evaluation, drop = bundle.manifest, score["evaluation"], score["drop"]
    return {
        "path": str(bundle.path),
        "model": manifest.model,
        "variant": manifest.variant,
        "target": manifest.target,
        "precision": manifest.precision,
        "size_mb": bundle.size_bytes / 1e6,
        "accuracy": evaluation["accuracy"],
        "accuracy_interval": evaluation["interval"],
        "accuracy_drop": drop["points"],
        "accuracy_drop_ci": drop["interval"],
        "flips": drop.get("flips", 0.0),
        "drop": drop,
        "engine": score["engine"],
        "data": score["data"],
        "images": score["images"],
        "notice": manifest.provenance["notice"],
        "checks": len(bundle.certificate["checks"]),
        "budget": (manifest.quantization or {}).get("budget"),
        "signed": bundle.signed,
    }
