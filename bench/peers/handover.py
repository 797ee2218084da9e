"""What every entrant is given: a folder with the float graph and the faces to calibrate on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgefer.data.faceset import FaceSet
from edgefer.models import get
from edgefer.pipeline.subjects import find_checkpoint
from edgefer_calibration import CalibrationSet
from edgefer_runtime.files import write_whole
from peers.tools import contract

if TYPE_CHECKING:
    from edgefer.training.checkpoint import Checkpoint


@dataclass(frozen=True)
class Handover:
    """A checkpoint, and the folder in which all that comes of it is kept."""

    checkpoint: Checkpoint
    folder: Path

    @property
    def given(self) -> Path:
        """What every entrant is given: :class:`peers.tools.contract.Given`."""
        return self.folder / "given"


def hand_over(model: str, calibration: CalibrationSet, validation: FaceSet, out: Path) -> Handover:
    """Export ``model`` to float ONNX with and without its preprocessing, and lay the faces beside it.

    Args:
        model: a model's name, or a checkpoint's path.
        calibration: faces that ranges are read from.
        validation: faces for tools that look at accuracy while they quantize.
        out: where to make the folder, by the model's name, over what is there.

    Raises:
        UsageError, DataError: no such model or checkpoint.
    """
    import onnx

    from edgefer_export import export_onnx
    from edgefer_export.passes.split_preprocessing import split_preprocessing

    checkpoint, _ = find_checkpoint(model)
    handover = Handover(checkpoint, out / checkpoint.model)
    given = handover.given
    given.mkdir(parents=True, exist_ok=True)
    export_onnx(
        checkpoint.network(),
        contract=checkpoint.contract,
        classes=len(checkpoint.classes),
        output=get(checkpoint.model).output,
        path=given / contract.GRAPH,
    )
    head, tail = split_preprocessing(onnx.load(given / contract.GRAPH))
    write_whole(given / contract.PREPROCESSING, head.SerializeToString())
    write_whole(given / contract.NETWORK, tail.SerializeToString())
    write_whole(given / contract.CONTRACT, json.dumps(checkpoint.contract.to_json()).encode())
    np.save(given / contract.CALIBRATION, calibration.images)
    np.savez(given / contract.VALIDATION, images=validation.images[:], labels=validation.labels)
    return handover
