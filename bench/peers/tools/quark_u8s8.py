"""AMD Quark's configuration for x86 processors, U8S8_AAWS, as it is."""

from pathlib import Path
from typing import Any

from contract import ONNX_MODEL, Given, enter

CONFIGURATION = "U8S8_AAWS"


def _quantize(given: Given, out: Path) -> dict[str, Any]:
    from quark.onnx import ModelQuantizer
    from quark.onnx.quantization.config import get_default_config
    from quark.onnx.quantization.config.config import Config
    from reader import Faces

    quantizer = ModelQuantizer(Config(global_quant_config=get_default_config(CONFIGURATION)))
    quantizer.quantize_model(str(given.network), str(out / ONNX_MODEL), Faces(given))
    return {"configuration": CONFIGURATION}


enter(_quantize, "amd-quark", "onnxruntime", "onnx")
