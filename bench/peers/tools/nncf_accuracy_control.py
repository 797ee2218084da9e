"""NNCF's ``quantize_with_accuracy_control`` on OpenVINO's IR: at most half a point may be lost."""

import logging
from pathlib import Path
from typing import Any

from contract import OPENVINO_MODEL, Given, enter

MAX_DROP = 0.005


class _Reverted(logging.Handler):
    """Names of the operations that went back to float, which NNCF tells nobody but its log."""

    names: tuple[str, ...] = ()

    def emit(self, record: logging.LogRecord) -> None:
        told, *names = record.getMessage().split("\n\t")
        if "reverted back" in told:
            self.names = tuple(names)


def _quantize(given: Given, out: Path) -> dict[str, Any]:
    import nncf
    import openvino

    answered = len(given.calibration)

    def accuracy(model: Any, faces: Any) -> tuple[float, None]:
        nonlocal answered
        hits = [model(given.prepare(face))[0].argmax() == label for face, label in faces]
        answered += len(hits)
        return sum(hits) / len(hits), None

    logging.getLogger("nncf").addHandler(reverted := _Reverted())
    quantized = nncf.quantize_with_accuracy_control(
        openvino.convert_model(given.network),
        calibration_dataset=nncf.Dataset(given.calibration, given.prepare),
        validation_dataset=nncf.Dataset(given.validation(), lambda item: given.prepare(item[0])),
        validation_fn=accuracy,
        max_drop=MAX_DROP,
    )
    openvino.save_model(quantized, out / OPENVINO_MODEL)
    return {"max_drop": MAX_DROP, "faces": answered, "float": [*reverted.names]}


enter(_quantize, "nncf", "openvino")
