"""Narrower float arithmetic, written into the graph so that every target computes the same.

write_fp16   float ONNX -> the same function in float16 wherever the faces' activations fit it
"""

from edgefer_export.precision.fp16 import write_fp16

__all__ = ["write_fp16"]
