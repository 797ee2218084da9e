"""INT8 for one target, from a float ONNX graph and a calibration set.

No single quantized file is fastest everywhere, nor even runs everywhere, so each target has its own recipe
in a file of its own: a function ``quantize(float_onnx, calibration, out) -> recipe``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from edgefer_calibration.sets import CalibrationSet
from edgefer_runtime.errors import MissingError, UsageError
from edgefer_runtime.files import replacing

RECIPES = {
    "onnxruntime": "onnxruntime",
    "openvino": "openvino",
    "tensorrt": "tensorrt",
    "tensorrt-rtx": "tensorrt",
}
"""Target -> the module beside this one that has its recipe."""


@dataclass(frozen=True, slots=True)
class Quantized:
    """A quantized ONNX graph with the float graph's inputs and outputs.

    Attributes:
        path: the file.
        recipe: how it was made, as JSON: method, types, islands, library versions, calibration set.
    """

    path: Path
    recipe: dict[str, Any]


def quantize(target: str, float_onnx: Path, calibration: CalibrationSet, out: Path) -> Quantized:
    """Quantize ``float_onnx`` for ``target`` and write it to ``out``.

    Args:
        target: one of :data:`RECIPES`.
        float_onnx: written by ``edgefer_export.export_onnx``, static batch 1 or dynamic.
        calibration: faces that are in no evaluation set; validated first.
        out: the file to write; it appears whole or not at all.

    Raises:
        UsageError: no recipe for ``target``.
        MissingError: the target's quantizer is not installed.
        DataError: the calibration set is not usable.
    """
    if target not in RECIPES:
        raise UsageError(f"no INT8 recipe for target {target!r}", expected=f"one of {', '.join(RECIPES)}")
    calibration.validate()
    try:
        module = import_module(f"edgefer_calibration.quantize.{RECIPES[target]}")
        with replacing(out) as temporary:
            recipe: Mapping[str, Any] = module.quantize(float_onnx, calibration, temporary)
    except ModuleNotFoundError as error:
        raise MissingError(
            f"{error.name} is not installed",
            expected=f"the quantizer of target {target}",
            action=f'pip install "edgefer[{target}]"',
        ) from error
    faces = {"name": calibration.name, "count": len(calibration), "sha256": calibration.fingerprint}
    return Quantized(out, {"target": target, **recipe, "calibration": faces})
