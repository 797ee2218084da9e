"""OpenVINO's recipe: NNCF on the ONNX graph, whose Q/DQ OpenVINO runs faster than NNCF's own IR.

Activations U8, weights S8, per channel both where depthwise (ONNX Runtime cannot run that file), fast bias
correction. NNCF leaves softmax and normalisation in float by itself; the preprocessing is left out here.
"""

from __future__ import annotations

import contextlib
import io
import logging
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from edgefer_calibration.sets import CalibrationSet

ISLANDS = ("preprocess/.*",)


def quantize(float_onnx: Path, calibration: CalibrationSet, out: Path) -> Mapping[str, Any]:
    """Quantize ``float_onnx`` into ``out`` and return the recipe."""
    import onnx

    model = onnx.load(float_onnx)
    name = model.graph.input[0].name
    with _quiet():
        import nncf

        quantized = nncf.quantize(
            model,
            nncf.Dataset(calibration.images, lambda face: {name: face[None]}),
            preset=nncf.QuantizationPreset.PERFORMANCE,
            target_device=nncf.TargetDevice.CPU,
            subset_size=len(calibration),
            fast_bias_correction=True,
            ignored_scope=nncf.IgnoredScope(patterns=list(ISLANDS)),
        )
    onnx.save(quantized, out)
    return {
        "method": "nncf.quantize on ONNX, fast bias correction",
        "activations": "uint8, per tensor; per channel into depthwise convolutions",
        "weights": "int8, symmetric, per channel",
        "float_islands": list(ISLANDS),
        "tools": {library: version(library) for library in ("nncf", "onnx")},
    }


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """NNCF without its log, its progress bars, and without telling anybody that it was used."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # None makes its import fail
    import nncf

    logger = logging.getLogger("nncf")
    level = logger.level
    nncf.set_log_level(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        nncf.set_log_level(level)
