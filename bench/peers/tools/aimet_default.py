"""AIMET's quantization simulation in INT8, every other option at its default, written as Q/DQ."""

from pathlib import Path
from typing import Any

from contract import INPUT, ONNX_MODEL, Given, enter


def _quantize(given: Given, out: Path) -> dict[str, Any]:
    import onnx
    from aimet_onnx import QuantizationSimModel, int8

    simulation = QuantizationSimModel(onnx.load(given.network), param_type=int8, activation_type=int8)
    simulation.compute_encodings([{INPUT: given.prepare(face)} for face in given.calibration])
    onnx.save(simulation.to_onnx_qdq(), out / ONNX_MODEL)
    return {"param_type": "int8", "activation_type": "int8"}


enter(_quantize, "aimet-onnx", "onnxruntime", "onnx")
