"""`edgefer datasets prepare`: raw photos become face crops by the robot's own detector and crop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from edgefer.data.decode import in_threads
from edgefer.data.pictures import Picture
from edgefer.data.registry import find, list_faces
from edgefer.pipeline import Report, ignore
from edgefer.pipeline.prepared import Draft, Outcome, crop_path, original_name, require_unused
from edgefer_runtime.contract import InputContract
from edgefer_runtime.errors import DataError, UsageError
from edgefer_runtime.faces import BlazeFace, Detection, crop_face


@dataclass(frozen=True)
class PrepareSettings:
    """What to prepare and how.

    Attributes:
        raw: a face set in a folder, as `--data` takes it, whose pictures need not be crops.
        output: folder to write; it must not exist.
        model: whose input contract the crops are made for.
        detector: which of BlazeFace's networks.
        min_score: faces below it are not seen.
    """

    raw: str
    output: Path
    model: str
    detector: str = "full-range"
    min_score: float = 0.5


def prepare(settings: PrepareSettings, on_progress: Report = ignore) -> dict[str, Any]:
    """Detect, align and crop one face of every picture; write a face set of crops with its record.

    Of several faces the largest is taken. Pictures without a face, or that cannot be read, are left out and
    named in the record. What an interrupted call has done lies in a hidden folder beside ``output``, and the
    next call goes on from there.

    Returns:
        The record, as ``prepared.json`` holds it.

    Raises:
        UsageError: no such set, model or detector, or SynthFER, which is rendered as crops.
        DataError: ``raw`` is no sound face set, no picture shows a face, or ``output`` exists or cannot be
            written.
    """
    from edgefer.models import get

    require_unused(settings.output)
    contract = get(settings.model).contract
    detector = BlazeFace.open(settings.detector, threads=1, min_score=settings.min_score)
    place = find(settings.raw)
    if place is None:
        raise UsageError(f"{settings.raw} is rendered as crops", expected="a folder or list of photos")
    listing = list_faces(place).of_split(place.split)
    listing.require_sound()
    root = place.path if place.path.is_dir() else place.path.parent
    draft = Draft(settings.output, {"raw": str(root.absolute()), **_how(detector, contract)})
    originals = {face.picture: original_name(face.picture, root) for face in listing.faces}
    paths = {face.picture: crop_path(face, originals[face.picture], listing.splits) for face in listing.faces}

    def outcome_of(picture: Picture) -> Outcome:
        if known := draft.recall(picture):
            return known
        outcome = _crop(picture, originals[picture], paths[picture], draft, detector, contract)
        draft.note(picture, outcome)
        return outcome

    outcomes = in_threads(
        outcome_of, [*paths], lambda done, total: on_progress(f"faces {settings.raw}", done, total)
    )
    return draft.finish(listing.faces, [*outcomes])


def _how(detector: BlazeFace, contract: InputContract) -> dict[str, Any]:
    """All that decides what a crop looks like, beside the picture."""
    network, contents = detector.manifest, asdict(contract)
    return {
        "crop": {name: contents[name] for name in ("height", "width", "crop_scale")},
        "detector": {
            "network": f"{network.model} {network.variant}",
            "sha256": network.files[0].sha256,
            "min_score": detector.min_score,
        },
    }


def _crop(
    picture: Picture, original: str, path: str, draft: Draft, detector: BlazeFace, contract: InputContract
) -> Outcome:
    """Write the crop of the largest face in a picture, if there is one."""
    try:
        frame = picture.pixels(*picture.size())
    except DataError as error:
        return Outcome(original, "", error.found)
    detections = detector(frame)
    if not detections:
        return Outcome(original, "", "no face found")
    face = detections[_largest(detections)]
    draft.write(path, Image.fromarray(crop_face(frame, face, contract)))
    landmarks = None if face.landmarks is None else face.landmarks.tolist()
    reason = "the only face" if len(detections) == 1 else f"the largest of {len(detections)}"
    return Outcome(original, path, reason, len(detections), face.box.tolist(), landmarks, face.score)


def _largest(detections: Sequence[Detection]) -> int:
    """Index of the face with the largest box; of equal ones the surest."""
    return int(np.argmax([(face.box[2] - face.box[0]) * (face.box[3] - face.box[1]) for face in detections]))
