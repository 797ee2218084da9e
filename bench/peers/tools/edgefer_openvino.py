"""Ours, for OpenVINO."""

from contract import ONNX_MODEL, enter
from edgefer_recipe import recipe

enter(lambda given, out: recipe("openvino", given, out / ONNX_MODEL), "edgefer", "onnxruntime", "openvino")
