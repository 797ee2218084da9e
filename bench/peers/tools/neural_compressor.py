"""Neural Compressor's ``quantize`` for ONNX, every option at its default but the number of faces."""

from pathlib import Path
from typing import Any

from contract import ONNX_MODEL, Given, enter


def _quantize(given: Given, out: Path) -> dict[str, Any]:
    from onnx_neural_compressor.quantization import config
    from onnx_neural_compressor.quantization.quantize import quantize
    from reader import Faces

    settings: dict[str, Any] = {"calibration_sampling_size": len(given.calibration)}
    quantize(
        str(given.network),
        str(out / ONNX_MODEL),
        config.StaticQuantConfig(calibration_data_reader=Faces(given), **settings),
    )
    return settings


enter(_quantize, "onnx-neural-compressor", "onnxruntime", "onnx")
