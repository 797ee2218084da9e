"""Ours, for ONNX Runtime."""

from contract import ONNX_MODEL, enter
from edgefer_recipe import recipe

enter(lambda given, out: recipe("onnxruntime", given, out / ONNX_MODEL), "edgefer", "onnxruntime", "onnx")
