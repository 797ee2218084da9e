"""ONNX Runtime's ``quantize_static`` as its guide recommends for x86: preprocessed, U8S8, per channel."""

from pathlib import Path
from typing import Any

from contract import ONNX_MODEL, Given, enter


def _quantize(given: Given, out: Path) -> dict[str, Any]:
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process
    from reader import Faces

    preprocessed = out / "preprocessed.onnx"
    symbolic_shape = "inferred"
    try:
        quant_pre_process(given.network, preprocessed)
    except Exception:  # what it raises when it cannot infer a shape; the guide says to skip that step then
        symbolic_shape = "skipped"
        quant_pre_process(given.network, preprocessed, skip_symbolic_shape=True)
    settings = {
        "quant_format": QuantFormat.QDQ,
        "activation_type": QuantType.QUInt8,
        "weight_type": QuantType.QInt8,
        "per_channel": True,
    }
    quantize_static(preprocessed, out / ONNX_MODEL, Faces(given), **settings)
    return {"symbolic_shape": symbolic_shape, **{name: str(value) for name, value in settings.items()}}


enter(_quantize, "onnxruntime", "onnx")
