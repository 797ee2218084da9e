"""Calibration sets in files: made, checked, shown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgefer.pipeline import Report, ignore
from edgefer.pipeline.calibrate import Draw, draw_set, require_draw
from edgefer.pipeline.faces import load_faces, require_picture
from edgefer.pipeline.frames import is_frames
from edgefer.pipeline.leaks import as_faces, guard, held_out
from edgefer.pipeline.outline import outline
from edgefer_runtime.files import replacing, require_writable

if TYPE_CHECKING:
    from edgefer_calibration import CalibrationSet


def make_calibration(
    draw: Draw, against: Sequence[str], output: Path, on_progress: Report = ignore
) -> CalibrationSet:
    """Draw a set that holds no evaluation faces, check that, and write it to ``output``.

    Args:
        draw: which set.
        against: face sets that it must share nothing with: their pictures are not drawn, and people of theirs
            refuse the set; those of
            :func:`~edgefer.pipeline.leaks.held_out` when empty. Pictures without labels belong to none.
        output: a ``.npz`` file.

    Raises:
        UsageError, DataError: it cannot be drawn, shares pictures or people, or cannot be written.
    """
    from edgefer_calibration.storage import require_name, write_set

    require_name(output)
    require_writable(output)
    require_draw(draw)
    for name in against:
        outline(name)
    unlabelled = draw.strategy == "folder" or is_frames(Path(draw.data).expanduser())
    avoiding = [
        load_faces(name, on_progress) for name in against or (() if unlabelled else held_out(draw.data))
    ]
    calibration = draw_set(draw, on_progress, avoiding)
    for faces in avoiding:
        guard(calibration, faces)
    write_set(output, calibration)
    return calibration


def check_calibration(path: Path, against: Sequence[str], on_progress: Report = ignore) -> CalibrationSet:
    """Read a set from its file, validate it and hold it against evaluation faces.

    Raises:
        UsageError, DataError: it is damaged or would calibrate wrongly, or shares pictures or people.
    """
    from edgefer_calibration.storage import read_set
    from edgefer_calibration.validation import validate

    for name in against:
        outline(name)
    calibration = read_set(path)
    validate(calibration)
    for name in against:
        guard(calibration, load_faces(name, on_progress))
    return calibration


def show_calibration(path: Path, output: Path) -> CalibrationSet:
    """Draw a set's contact sheet, valid or not, to ``output``.

    Raises:
        UsageError: ``output`` does not end as a picture does.
        DataError: the file is damaged.
    """
    require_picture(output)
    from edgefer.data.sheet import balance_sheet
    from edgefer_calibration.storage import read_set

    calibration = read_set(path)
    with replacing(output) as temporary:
        balance_sheet(as_faces(calibration)).save(temporary, quality=90)
    return calibration


def describe(calibration: CalibrationSet) -> dict[str, Any]:
    """The set as JSON: its summary with shape, and images of each class and yaw as far as they are known."""
    yaws = calibration.attributes.get("yaw")
    return {
        **calibration.summary(),
        "shape": list(calibration.images.shape),
        "classes": {}
        if calibration.labels is None
        else {
            name: int((calibration.labels == label).sum()) for label, name in enumerate(calibration.classes)
        },
        "yaws": {} if yaws is None else {f"{yaw:g}": int((yaws == yaw).sum()) for yaw in np.unique(yaws)},
    }
