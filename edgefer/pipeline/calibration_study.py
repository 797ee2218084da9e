"""What the calibration set matters: one network, quantized on many sets, each judged on the same faces."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgefer import __version__
from edgefer.data.faceset import FaceSet
from edgefer.models import get
from edgefer.pipeline import Report, counting, ignore
from edgefer.pipeline.calibrate import (
    Draw,
    draw_from,
    draw_unlike,
    features_of,
    require_draw,
    training_faces,
)
from edgefer.pipeline.candidates import Candidates, machine
from edgefer.pipeline.faces import load_faces
from edgefer.pipeline.leaks import guard
from edgefer.pipeline.outline import outline, require_fit
from edgefer.pipeline.requirements import require
from edgefer.pipeline.subjects import find_checkpoint, locate_checkpoint
from edgefer_bench.calibration_study import FORMS, write_study
from edgefer_bench.drop import accuracy_drop
from edgefer_bench.scoring import check_classes
from edgefer_runtime.errors import UsageError
from edgefer_runtime.files import require_writable

if TYPE_CHECKING:
    from edgefer.training.checkpoint import Checkpoint
    from edgefer_calibration import CalibrationSet, Ranges
    from edgefer_export.targets import Target

SCHEMA = "edgefer.calibration-study/1"


@dataclass(frozen=True)
class StudySettings:
    """What `edgefer calibrate study` was asked for.

    Attributes:
        model: a model's name or a checkpoint.
        counts, strategies: sizes and strategies of the sets; each with each is tried.
        seeds: draws of each.
        target: whose recipe and engine.
        calibration: training faces to draw from.
        data: faces that the drop is measured on.
        output: ``.html``, ``.png`` or ``.csv``; what was measured is kept beside it as ``.json``.
    """

    model: str
    counts: tuple[int, ...]
    strategies: tuple[str, ...]
    seeds: int
    target: str
    calibration: str
    data: str
    output: Path


@dataclass
class _Pool:
    """The training faces, and their features as soon as somebody asks for them."""

    faces: FaceSet
    model: str
    judged: FaceSet
    on_progress: Report

    @cached_property
    def features(self) -> NDArray[np.float32]:
        return features_of(self.model, self.faces, self.on_progress)


@dataclass
class _Draw:
    """One draw of one strategy; the sets of all sizes are its beginnings, and share one pass for ranges."""

    pool: _Pool
    strategy: str
    seed: int
    counts: Sequence[int]
    _ranges: Iterator[Ranges] | None = None
    _passed_over: NDArray[np.int64] | None = None

    @cached_property
    def largest(self) -> CalibrationSet:
        drawn, self._passed_over = draw_unlike(partial(self._drawn, self.counts[-1]), [self.pool.judged])
        return drawn

    def of(self, count: int) -> CalibrationSet:
        _ = self.largest
        return self._drawn(count, self._passed_over)

    def _drawn(self, count: int, without: NDArray[np.int64] | None) -> CalibrationSet:
        features = self.pool.features if self.strategy == "diverse" else None
        return draw_from(self.pool.faces, self.strategy, count, self.seed, features, without)

    def ranges(self, float_onnx: Path, count: int) -> Ranges:
        """Those of ``count`` images, sizes being asked for in order."""
        from edgefer_calibration.ranges import collect_on_the_way

        self._ranges = self._ranges or collect_on_the_way(float_onnx, self.largest, self.counts)
        return next(ranges for ranges in self._ranges if ranges.faces == count)


def study_calibration(settings: StudySettings, on_progress: Report = ignore) -> dict[str, Any]:
    """Quantize a network on every set that was asked for, and write what each cost to ``settings.output``.

    An interrupted study goes on where it was: what was measured is in the ``.json`` beside the output.

    Returns:
        ``schema``, ``model``, ``target``, ``calibration``, ``data``, ``images``, and ``rows``: for each
        set ``strategy``, ``count``, ``seed``, ``sha256``, ``points`` and ``interval`` (the drop against
        the fp32 engine, in points), ``flips`` (percent), ``kl`` (nats) and ``sqnr_db`` of its probabilities.

    Raises:
        UsageError, DataError: no such model, set, strategy or target, sets that cannot be drawn or share
            pictures with ``data``, or a file that cannot be written.
        MissingError: something is not installed.
    """
    target = _require_sound(settings)
    from edgefer_calibration.journal import Journal
    from edgefer_calibration.validation import validate

    checkpoint, source = find_checkpoint(settings.model)
    faces = load_faces(settings.data, on_progress)
    check_classes(checkpoint.classes, source, faces)
    pool = _Pool(training_faces(settings.calibration, on_progress), settings.model, faces, on_progress)
    counts = sorted({*settings.counts})
    draws = [
        _Draw(pool, strategy, seed, counts)
        for seed in range(settings.seeds)
        for strategy in settings.strategies
    ]
    for draw in draws:
        validate(draw.largest)
        guard(draw.largest, faces)
    advance = counting(on_progress, "calibration study", len(draws) * len(counts))
    with TemporaryDirectory(prefix="edgefer-study-") as folder:
        trial = _Trial(target, checkpoint, faces, Path(folder))
        journal = Journal(settings.output.with_suffix(".json"), trial.key(pool.faces))
        rows = []
        for draw in draws:
            for count in counts:
                advance(0)
                cell = {"strategy": draw.strategy, "count": count, "seed": draw.seed}
                answer = journal.recall(
                    f"{draw.strategy} {count} {draw.seed}", partial(trial.of, draw, count)
                )
                rows.append({**cell, **answer})
                advance(1)
    study = {
        "schema": SCHEMA,
        "model": settings.model,
        "target": target.name,
        "calibration": pool.faces.name,
        "data": faces.name,
        "images": len(faces),
        "rows": rows,
    }
    write_study(study, settings.output)
    return study


def _require_sound(settings: StudySettings) -> Target:
    """Try what was asked for before any work; the target."""
    if settings.output.suffix.lower() not in FORMS:
        raise UsageError(f"{settings.output}: no study's name", expected=f"a name in {', '.join(FORMS)}")
    for path in (settings.output, settings.output.with_suffix(".json")):
        require_writable(path)
    if settings.output.suffix.lower() != ".csv":
        require("report", "drawing a study")
    from edgefer_export import targets

    target = targets.get(settings.target)
    targets.require(target, "int8")
    card, source = locate_checkpoint(settings.model)
    for strategy in settings.strategies:
        require_draw(Draw(settings.calibration, strategy, max(settings.counts), model=settings.model))
    require_fit(card.classes, source, outline(settings.data))
    require("export", "studying calibration sets")
    return target


@dataclass
class _Trial:
    """The network on one target, to be quantized and judged again and again."""

    target: Target
    checkpoint: Checkpoint
    faces: FaceSet
    folder: Path
    _reference: NDArray[np.float32] | None = None

    @cached_property
    def float_onnx(self) -> Path:
        from edgefer_export import export_onnx

        path = export_onnx(
            self.checkpoint.network(),
            contract=self.checkpoint.contract,
            classes=len(self.checkpoint.classes),
            output=get(self.checkpoint.model).output,
            path=self.folder / "float.onnx",
        )
        return self.target.prepare(path, self.folder)

    def key(self, pool: FaceSet) -> str:
        """sha256 over what every answer depends on."""
        digest = hashlib.sha256(f"{self.target.name} {__version__} {machine()}".encode())
        digest.update(self.float_onnx.read_bytes())
        for faces in (pool, self.faces):
            digest.update(faces.fingerprint().encode())
        return digest.hexdigest()

    def of(self, draw: _Draw, count: int) -> dict[str, Any]:
        """What quantizing on so many images of one draw costs."""
        from edgefer_calibration.sensitivity import error_of

        calibration, ranges = draw.of(count), draw.ranges(self.float_onnx, count)
        engines = Candidates(
            self.target, self.float_onnx, calibration, self.checkpoint.classes, self.folder, ranges
        )
        if self._reference is None:
            self._reference = engines.answers(None, self.faces)
        found = engines.answers((), self.faces)
        drop = accuracy_drop(self._reference, found, self.faces.labels)
        return {
            "sha256": calibration.fingerprint,
            "points": drop.points,
            "interval": drop.interval,
            **asdict(error_of(self._reference, found)),
        }
