"""What the calibration set matters: one network, quantized on many sets, each judged on the same faces."""

from __future__ import annotations

import hashlib
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
from edgefer.pipeline import Report, ignore
from edgefer.pipeline.calibrate import draw_from, features_of, training_faces
from edgefer.pipeline.candidates import Candidates
from edgefer.pipeline.faces import load_faces
from edgefer.pipeline.leaks import guard
from edgefer.pipeline.requirements import require
from edgefer.pipeline.subjects import find_checkpoint
from edgefer_bench.calibration_study import FORMS, write_study
from edgefer_bench.drop import accuracy_drop
from edgefer_bench.scoring import check_classes
from edgefer_runtime.errors import UsageError

if TYPE_CHECKING:
    from edgefer.training.checkpoint import Checkpoint
    from edgefer_calibration import CalibrationSet
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


@dataclass(frozen=True)
class _Cell:
    """One draw."""

    strategy: str
    count: int
    seed: int


@dataclass
class _Pool:
    """The training faces, and their features as soon as somebody asks for them."""

    faces: FaceSet
    model: str
    on_progress: Report

    @cached_property
    def features(self) -> NDArray[np.float32]:
        return features_of(self.model, self.faces, self.on_progress)

    def draw(self, cell: _Cell) -> CalibrationSet:
        features = self.features if cell.strategy == "diverse" else None
        return draw_from(self.faces, cell.strategy, cell.count, cell.seed, features)


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
    require("export", "studying calibration sets")
    if settings.output.suffix.lower() not in FORMS:
        raise UsageError(f"{settings.output}: no study's name", expected=f"a name in {', '.join(FORMS)}")
    if settings.output.suffix.lower() != ".csv":
        require("report", "drawing a study")
    from edgefer_calibration.journal import Journal
    from edgefer_export import targets

    target = targets.get(settings.target)
    targets.require(target, "int8")
    checkpoint, source = find_checkpoint(settings.model)
    faces = load_faces(settings.data, on_progress)
    check_classes(checkpoint.classes, source, faces)
    pool = _Pool(training_faces(settings.calibration, on_progress), settings.model, on_progress)
    cells = [
        _Cell(strategy, count, seed)
        for seed in range(settings.seeds)
        for strategy in settings.strategies
        for count in sorted({*settings.counts})
    ]
    for cell in cells:
        # The smaller draws are the beginnings of the largest.
        if cell.count == max(settings.counts):
            (largest := pool.draw(cell)).validate()
            guard(largest, faces)
    with TemporaryDirectory(prefix="edgefer-study-") as folder:
        trial = _Trial(target, checkpoint, faces, Path(folder))
        journal = Journal(settings.output.with_suffix(".json"), trial.key(pool.faces))
        rows = []
        for done, cell in enumerate(cells):
            on_progress("calibration study", done, len(cells))
            measure = partial(trial.of, pool, cell)
            rows.append(
                {**asdict(cell), **journal.recall(f"{cell.strategy} {cell.count} {cell.seed}", measure)}
            )
    on_progress("calibration study", len(cells), len(cells))
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
        digest = hashlib.sha256(f"{self.target.name} {__version__}".encode())
        digest.update(self.float_onnx.read_bytes())
        for faces in (pool, self.faces):
            digest.update(faces.fingerprint().encode())
        return digest.hexdigest()

    def of(self, pool: _Pool, cell: _Cell) -> dict[str, Any]:
        """What quantizing on one draw costs."""
        from edgefer_calibration.sensitivity import error_of

        calibration = pool.draw(cell)
        engines = Candidates(self.target, self.float_onnx, calibration, self.checkpoint.classes, self.folder)
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
