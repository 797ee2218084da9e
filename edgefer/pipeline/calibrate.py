"""Calibration sets for the commands: drawn from training faces or from frames, or opened."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgefer.data.faceset import FaceSet
from edgefer.data.registry import find
from edgefer.pipeline import Report, counting, ignore
from edgefer.pipeline.faces import load_faces
from edgefer.pipeline.frames import UNLABELLED, is_frames, list_frames, load_frames
from edgefer.pipeline.leaks import TRAINING, called, leaking, too_few
from edgefer.pipeline.outline import outline
from edgefer.pipeline.subjects import find_checkpoint, locate_checkpoint
from edgefer_runtime.errors import DataError, UsageError

if TYPE_CHECKING:
    from edgefer_calibration import CalibrationSet

log = logging.getLogger("edgefer.faces")

FACES = 300
STRATEGY = "class"


@dataclass(frozen=True)
class Draw:
    """Which calibration set to draw.

    Attributes:
        data: a face set, or a folder of the robot's own pictures.
        strategy: one of :data:`edgefer_calibration.strategies.STRATEGIES`; None for what suits ``data``.
        count: how many images.
        seed: which of the equally good draws.
        model: whose features ``diverse`` goes by; a model's name or a checkpoint.
        or_fewer: take all there are where there are fewer than ``count``.
    """

    data: str
    strategy: str | None = None
    count: int = FACES
    seed: int = 0
    model: str | None = None
    or_fewer: bool = False


def draw_set(draw: Draw, on_progress: Report = ignore, avoiding: Sequence[FaceSet] = ()) -> CalibrationSet:
    """Draw a calibration set and validate it.

    Pictures that are drawn already, and those that are among the faces of ``avoiding``, are passed over:
    others are drawn in their place.

    Raises:
        UsageError: no such set or strategy, or a strategy without what it goes by.
        DataError: faces of an evaluation split, too few of them, or pictures that cannot calibrate.
    """
    from edgefer_calibration.validation import validate

    folder = Path(draw.data).expanduser()
    _require_folder(draw, folder)
    frames = draw.strategy == "folder" or is_frames(folder)
    pool = _frames(draw, folder, on_progress) if frames else _faces(draw, on_progress)
    calibration, passed_over = draw_unlike(pool, avoiding)
    if len(passed_over):
        log.info(
            f"{calibration.name}: {len(passed_over):,} pictures passed over: copies, or among the faces that "
            "measure the drop"
        )
    validate(calibration)
    return calibration


Pool = Callable[[NDArray[np.int64]], "CalibrationSet"]
"""Draws a calibration set that holds none of the pictures at these positions."""


def draw_unlike(pool: Pool, avoiding: Sequence[FaceSet] = ()) -> tuple[CalibrationSet, NDArray[np.int64]]:
    """Draw until no picture is in the set twice or among the faces of ``avoiding``.

    Returns:
        The set, and the positions of the pictures that were passed over.

    Raises:
        DataError: too few pictures are left.
    """
    passed_over, named = np.zeros(0, np.int64), list[str]()
    while True:
        try:
            calibration = pool(passed_over)
        except DataError as error:
            if not named:
                raise
            raise too_few(error, named) from error
        unfit = {*_copies(calibration)}
        named += [f"{calibration.called(number)} (a copy)" for number in sorted(unfit)]
        for faces in avoiding:
            pairs = leaking(calibration, faces)
            named += [called(calibration, faces, pair) for pair in pairs]
            unfit |= {pair.first_index for pair in pairs}
        if not unfit:
            return calibration, passed_over
        passed_over = np.union1d(passed_over, calibration.indices[sorted(unfit)])


def draw_from(
    faces: FaceSet,
    strategy: str,
    count: int,
    seed: int,
    features: NDArray[np.float32] | None = None,
    without: NDArray[np.int64] | None = None,
) -> CalibrationSet:
    """Draw a calibration set from faces at hand.

    Args:
        faces: training faces, or pictures without labels.
        strategy, count, seed: as in :class:`Draw`.
        features: N x D, for ``diverse``.
        without: positions of faces that are not drawn.

    Raises:
        UsageError, DataError: as :func:`edgefer_calibration.strategies.choose`.
    """
    from edgefer_calibration.strategies import Candidates, choose

    left = np.delete(np.arange(len(faces)), [] if without is None else without)
    yaws = faces.attributes.get("yaw")
    candidates = Candidates(
        faces.name,
        len(left),
        None if faces.classes == (UNLABELLED,) else faces.labels[left],
        faces.classes,
        None if yaws is None else yaws[left],
        None if features is None else features[left],
    )
    chosen = left[choose(strategy, candidates, count, seed)]
    return _calibration(faces.take(chosen), chosen, strategy, seed)


def open_calibration(
    name: str, on_progress: Report = ignore, avoiding: Sequence[FaceSet] = ()
) -> CalibrationSet:
    """The calibration set in a file; or, of a face set or a folder of pictures, the one drawn by default.

    What is drawn holds no picture of the faces of ``avoiding``; what is in a file is as it is.

    Raises:
        UsageError, DataError: no such file or set, or one that cannot calibrate.
    """
    from edgefer_calibration.storage import SUFFIX, read_set
    from edgefer_calibration.validation import validate

    path = Path(name).expanduser()
    if path.suffix != SUFFIX:
        return draw_set(Draw(name, or_fewer=True), on_progress, avoiding)
    calibration = read_set(path)
    validate(calibration)
    return calibration


def require_calibration(name: str) -> None:
    """Try what :func:`open_calibration` needs, before any work.

    Raises:
        UsageError, DataError: no such file, set or folder.
    """
    from edgefer_calibration.storage import SUFFIX

    path = Path(name).expanduser()
    if path.suffix != SUFFIX:
        require_draw(Draw(name, or_fewer=True))
    elif not path.is_file():
        raise DataError(
            f"{path}: no such file",
            expected="a calibration set that `edgefer calibrate make` wrote",
            action="name another, or leave --calibration out",
        )


def require_draw(draw: Draw) -> None:
    """Try what :func:`draw_set` needs, before any face is rendered or read.

    Raises:
        UsageError, DataError: no such set, folder, strategy or model, an evaluation split, or too few faces.
    """
    from edgefer_calibration.strategies import require_strategy, without_network

    if draw.strategy is not None:
        require_strategy(draw.strategy)
    if draw.model is not None:
        locate_checkpoint(draw.model)
    elif draw.strategy == "diverse":
        raise without_network()
    folder = Path(draw.data).expanduser()
    if draw.strategy == "folder" or is_frames(folder):
        _require_folder(draw, folder)
        return
    faces = outline(draw.data)
    _refuse_evaluation(draw.data, set())
    if faces.images < draw.count and not draw.or_fewer:
        raise DataError(
            f"{draw.data}: {faces.images} images to draw {draw.count} from",
            expected=f"at least {draw.count}",
            action="ask for fewer images or give a larger set",
        )


def _require_folder(draw: Draw, folder: Path) -> None:
    if draw.strategy == "folder" and not folder.is_dir():
        raise UsageError(f"{draw.data} is no folder", expected="--data with the folder of your pictures")


def features_of(model: str, faces: FaceSet, on_progress: Report) -> NDArray[np.float32]:
    """What the last layer of ``model`` is given for each face: N x D."""
    checkpoint, _ = find_checkpoint(model)
    from edgefer.training.trained import TrainedNetwork

    advance = counting(on_progress, "features", len(faces))
    return TrainedNetwork(checkpoint).features(faces.images, np.arange(len(faces)), advance)


def training_faces(name: str, on_progress: Report) -> FaceSet:
    """The face set called ``name``, of which no face may be there for evaluation.

    Raises:
        DataError: some are of another split than a training one.
    """
    faces = load_faces(name, on_progress)
    _refuse_evaluation(
        name, {str(split) for split in np.unique(faces.attributes.get("split", np.array([""])))}
    )
    return faces


def _refuse_evaluation(name: str, own: set[str]) -> None:
    """Raise if the set called ``name``, or one of its faces' ``own`` splits, is there for evaluation."""
    rendered = re.match(r"[a-z-]+", name.partition(":")[2]) if find(name) is None else None
    splits = own | ({rendered[0]} if rendered else set())
    if others := sorted(splits - {*TRAINING, ""}):
        raise DataError(
            f"{name} holds faces of the split {', '.join(others)}",
            expected="training faces only: ranges fitted to the faces that measure the drop hide some of it",
            action="name the training split, such as synthfer:train or rafdb:PATH@train",
        )


def _faces(draw: Draw, on_progress: Report) -> Pool:
    faces = training_faces(draw.data, on_progress)
    strategy = draw.strategy or STRATEGY
    features = _features(draw, strategy, faces, on_progress)

    def pool(without: NDArray[np.int64]) -> CalibrationSet:
        count = _count(draw, len(faces) - len(without))
        return draw_from(faces, strategy, count, draw.seed, features, without)

    return pool


def _frames(draw: Draw, folder: Path, on_progress: Report) -> Pool:
    from edgefer_calibration.strategies import Candidates, choose

    pictures, strategy = list_frames(folder, on_progress), draw.strategy or "folder"
    if strategy == "diverse":
        faces = load_frames(folder, pictures, on_progress)
        features = _features(draw, strategy, faces, on_progress)

    def pool(without: NDArray[np.int64]) -> CalibrationSet:
        left = np.delete(np.arange(len(pictures)), without)
        count = _count(draw, len(left))
        if strategy == "diverse":
            return draw_from(faces, strategy, count, draw.seed, features, without)
        # Of a day's frames only those chosen are decoded.
        chosen = left[choose(strategy, Candidates(str(folder), len(left)), count, draw.seed)]
        drawn = load_frames(folder, [pictures[index] for index in chosen], on_progress)
        return _calibration(drawn, chosen, strategy, draw.seed)

    return pool


def _copies(calibration: CalibrationSet) -> Iterator[int]:
    """Positions of images that are in the set before."""
    seen: set[bytes] = set()
    for start, images in calibration.chunks():
        for position, image in enumerate(images, start):
            digest = hashlib.sha256(image.data).digest()
            if digest in seen:
                yield position
            seen.add(digest)


def _features(draw: Draw, strategy: str, faces: FaceSet, on_progress: Report) -> NDArray[np.float32] | None:
    if strategy != "diverse" or draw.model is None:
        return None
    return features_of(draw.model, faces, on_progress)


def _count(draw: Draw, total: int) -> int:
    return min(draw.count, total) if draw.or_fewer else draw.count


def _calibration(faces: FaceSet, indices: NDArray[np.int64], strategy: str, seed: int) -> CalibrationSet:
    """``faces``, already in the order of ``indices``, as a calibration set."""
    from edgefer_calibration import CalibrationSet

    unlabelled = faces.classes == (UNLABELLED,)
    return CalibrationSet(
        images=faces.images,
        name=faces.name,
        indices=indices,
        labels=None if unlabelled else faces.labels,
        classes=() if unlabelled else faces.classes,
        attributes=faces.attributes,
        strategy=strategy,
        seed=seed,
    )
