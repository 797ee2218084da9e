"""NNCF's ``quantize`` on the ONNX graph, every option at its default; its result is for OpenVINO to read."""

from pathlib import Path
from typing import Any

from contract import INPUT, ONNX_MODEL, Given, enter


def _quantize(given: Given, out: Path) -> dict[str, Any]:
    import nncf
    import onnx

    dataset = nncf.Dataset(given.calibration, lambda face: {INPUT: given.prepare(face)})
    onnx.save(nncf.quantize(onnx.load(given.network), dataset), out / ONNX_MODEL)
    return {}


enter(_quantize, "nncf", "onnx", "onnxruntime")
