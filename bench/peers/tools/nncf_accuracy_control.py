"""NNCF's ``quantize_with_accuracy_control`` on OpenVINO's IR: at most half a point may be lost."""

from pathlib import Path
from typing import Any

from contract import OPENVINO_MODEL, Given, enter

MAX_DROP = 0.005


def _quantize(given: Given, out: Path) -> dict[str, Any]:
    import nncf
    import openvino

    def accuracy(model: Any, faces: Any) -> tuple[float, None]:
        hits = [model(given.prepare(face))[0].argmax() == label for face, label in faces]
        return sum(hits) / len(hits), None

    quantized = nncf.quantize_with_accuracy_control(
        openvino.convert_model(given.network),
        calibration_dataset=nncf.Dataset(given.calibration, given.prepare),
        validation_dataset=nncf.Dataset(given.validation(), lambda item: given.prepare(item[0])),
        validation_fn=accuracy,
        max_drop=MAX_DROP,
    )
    openvino.save_model(quantized, out / OPENVINO_MODEL)
    return {"max_drop": MAX_DROP}


enter(_quantize, "nncf", "openvino")
