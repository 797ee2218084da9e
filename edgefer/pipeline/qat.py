"""INT8 by quantization-aware training, in the place of calibration alone."""

from __future__ import annotations

from functools import partial

from edgefer.pipeline import Report
from edgefer.pipeline.narrowing import Quantizer


def trainer(epochs: int, on_progress: Report) -> Quantizer:
    """Quantizes by ``epochs`` of training on the calibration faces; reports its steps."""
    from edgefer_calibration.qat.fine_tuning import fine_tune

    def advance(done: int, total: int) -> None:
        on_progress("quantization-aware training", done, total)

    return partial(fine_tune, epochs=epochs, on_progress=advance)
