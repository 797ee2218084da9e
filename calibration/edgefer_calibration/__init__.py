"""Calibration sets and INT8 quantization, one recipe per target."""

from edgefer_calibration.quantize import Quantized, quantize
from edgefer_calibration.ranges import Ranges, collect_ranges
from edgefer_calibration.sets import CalibrationSet

__all__ = ["CalibrationSet", "Quantized", "Ranges", "collect_ranges", "quantize"]
