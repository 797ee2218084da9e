"""Takes a trained network to checked ONNX and to engines.

export_onnx      network -> float ONNX with preprocessing and softmax inside
checks           what that graph, and later every engine, is measured against
certificate      the checks as JSON
targets          float or quantized ONNX -> the files of an engine
"""

from edgefer_export.graph import export_onnx

__all__ = ["export_onnx"]
