"""Draft bundles: one network built for every target and precision asked for, each check passed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgefer import __version__
from edgefer.data.faceset import FaceSet
from edgefer.models import ModelSpec, count, get
from edgefer.pipeline import Report
from edgefer.pipeline.faces import load_faces
from edgefer.pipeline.narrowing import Narrowed, Narrowing, Quantizer
from edgefer_runtime.bundle import Bundle, write_bundle
from edgefer_runtime.manifest import Manifest

if TYPE_CHECKING:
    from torch import nn

    from edgefer.training.checkpoint import Checkpoint
    from edgefer_calibration import CalibrationSet
    from edgefer_export.targets import BuiltEngine

CHECKED_FACES = 32
"""Real faces that every check looks at."""

NARROWED = {"fp16": "convert", "int8": "quantize"}
"""Precisions whose graph is made first, and how."""

EVIDENCE_FACES = "synthfer:test[:12]"
"""Faces that travel with a bundle: rendered ones, whatever set the user measures on."""


@dataclass(frozen=True)
class Drafting:
    """What every draft of one export has in common.

    Attributes:
        checkpoint: the trained network.
        provenance: where weights and faces come from.
        licence: of the weights.
        targets: names of the targets to build for.
        precisions: ``fp32``, and narrower ones, each for the targets that have it; ``fp16`` and ``int8``
            when ``calibration`` is given.
        calibration: faces that ranges are read from.
        quantizer: makes INT8 graphs in place of :func:`edgefer_calibration.quantize`.
        faces: real faces for the checks.
        folder: where everything is written.
        batch: faces an engine takes at once; None for any number.
        compute_capability: of the GPU to build for, where that need not be here.
    """

    checkpoint: Checkpoint
    provenance: Mapping[str, Any]
    licence: str
    targets: Sequence[str]
    precisions: Sequence[str]
    calibration: CalibrationSet | None
    faces: FaceSet
    folder: Path
    batch: int | None = 1
    compute_capability: str | None = None
    quantizer: Quantizer | None = None

    @cached_property
    def parameters(self) -> int:
        """Trainable parameters of the network."""
        checkpoint = self.checkpoint
        return count(get(checkpoint.model), checkpoint.variant, len(checkpoint.classes))


def draft_bundles(drafting: Drafting, on_progress: Report) -> list[Bundle]:
    """Export the network once, then build and check an engine for each target and precision.

    Raises:
        CheckError: a check failed; it names the row, what was measured and the limit.
    """
    from edgefer_export import export_onnx, targets
    from edgefer_export.certificate import certificate, require
    from edgefer_export.checks import check_engine, reference, run_checks
    from edgefer_export.evidence import gather

    checkpoint = drafting.checkpoint
    spec, network = get(checkpoint.model), checkpoint.network()
    chosen = [targets.get(name) for name in drafting.targets]
    if drafting.compute_capability is not None:
        chosen = [target.aimed_at(drafting.compute_capability) for target in chosen]
    engines = [
        (target, precision)
        for target in chosen
        for precision in drafting.precisions
        if precision in target.precisions
    ]
    on_progress(f"{spec.name}: export to ONNX", 0, 1)
    float_onnx = export_onnx(
        network,
        contract=checkpoint.contract,
        classes=len(checkpoint.classes),
        output=spec.output,
        path=drafting.folder / "float.onnx",
        batch=drafting.batch,
    )
    on_progress(f"{spec.name}: export to ONNX", 1, 1)
    on_progress(f"{spec.name}: check the ONNX file", 0, 1)
    faces = drafting.faces.images[:CHECKED_FACES]
    selections = _selections(spec, network)
    checks = run_checks(
        network,
        float_onnx,
        faces,
        contract=checkpoint.contract,
        output=spec.output,
        selections=selections,
    )
    require(checks)
    on_progress(f"{spec.name}: check the ONNX file", 1, 1)
    expected = reference(network, faces, checkpoint.contract, spec.output)
    crops = evidence_crops(on_progress)
    crops_expected = reference(network, crops, checkpoint.contract, spec.output)
    bundles: list[Bundle] = []
    narrowing = Narrowing(drafting.calibration, faces, selections, drafting.folder, drafting.quantizer)
    prepared = {}
    for target in chosen:
        (own_folder := drafting.folder / target.name).mkdir()
        prepared[target.name] = target.prepare(float_onnx, own_folder)
    for target, precision in engines:
        stage = _stages(target.name, precision, len(bundles), len(engines), on_progress)
        work = drafting.folder / target.name / precision
        work.mkdir()
        if precision in NARROWED:
            stage(NARROWED[precision])
        model = narrowing.narrow(prepared[target.name], target.name, precision)
        stage("build")
        engine = target.build(model.path, precision, work / "engine")
        stage("check")
        own = [*check_engine(target, engine, precision, faces, expected), *model.checks]
        evidence = gather(
            target,
            engine,
            precision,
            crops=crops,
            network=crops_expected,
            classes=checkpoint.classes,
            selections=selections,
        )
        require([*own, *evidence.checks])
        manifest = _manifest(drafting, target.name, precision, engine, model)
        proof = certificate([*checks, *own], evidence)
        bundles.append(write_bundle(work / "bundle", manifest, engine.files, proof))
        stage("")
    return bundles


def _stages(
    target: str, precision: str, made: int, engines: int, on_progress: Report
) -> Callable[[str], None]:
    """Reports what is done to one engine, a stage each: building alone may take minutes."""
    begun: list[str] = []

    def advance(what: str) -> None:
        if begun:
            on_progress(begun.pop(), 1, 1)
        if what:
            begun.append(f"{target} {precision} ({made + 1} of {engines}): {what}")
            on_progress(begun[0], 0, 1)

    return advance


def evidence_crops(on_progress: Report) -> NDArray[np.uint8]:
    """The middle of :data:`EVIDENCE_FACES` at half their size, uint8 12 x 48 x 48 x 3."""
    images = np.asarray(load_faces(EVIDENCE_FACES, on_progress).images[:], np.uint16)[:, 16:112, 16:112]
    halved = (images[:, ::2, ::2] + images[:, 1::2, ::2] + images[:, ::2, 1::2] + images[:, 1::2, 1::2]) // 4
    return halved.astype(np.uint8)


def _selections(spec: ModelSpec, network: nn.Module) -> tuple[str, ...]:
    """Names of the network's modules that select features by point."""
    chosen = spec.anatomy(network).selections
    return tuple(name for name, module in network.named_modules() if module in chosen)


def _manifest(
    drafting: Drafting, target: str, precision: str, engine: BuiltEngine, model: Narrowed
) -> Manifest:
    checkpoint = drafting.checkpoint
    return Manifest(
        model=checkpoint.model,
        variant=checkpoint.variant,
        parameters=drafting.parameters,
        classes=checkpoint.classes,
        input=checkpoint.contract,
        target=target,
        precision=precision,
        batch=drafting.batch,
        entry=engine.entry,
        options=engine.options,
        tools={"edgefer": __version__, **engine.tools},
        quantization=model.recipe,
        licence=drafting.licence,
        provenance=drafting.provenance,
    )
