"""ONNX Runtime's ``quantize_static``, every option at its default."""

from pathlib import Path
from typing import Any

from contract import ONNX_MODEL, Given, enter


def _quantize(given: Given, out: Path) -> dict[str, Any]:
    from onnxruntime.quantization import quantize_static
    from reader import Faces

    quantize_static(given.network, out / ONNX_MODEL, Faces(given))
    return {}


enter(_quantize, "onnxruntime", "onnx")
