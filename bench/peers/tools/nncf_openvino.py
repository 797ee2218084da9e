"""NNCF's ``quantize`` on OpenVINO's IR, every option at its default."""

from pathlib import Path
from typing import Any

from contract import OPENVINO_MODEL, Given, enter


def _quantize(given: Given, out: Path) -> dict[str, Any]:
    import nncf
    import openvino

    model = openvino.convert_model(given.network)
    quantized = nncf.quantize(model, nncf.Dataset(given.calibration, given.prepare))
    openvino.save_model(quantized, out / OPENVINO_MODEL)
    return {}


enter(_quantize, "nncf", "openvino")
