"""Quantization-aware training: a few epochs with the rounding in, the float network as the teacher.

What calibration cannot save, the weights may learn to live with. The graph that is trained is the target's
own: the float ONNX graph in torch, rounded where the target's recipe writes pairs. Its weights, biases and
scales then go through the same writer as those that were calibrated, so the engine is of the same form.

Torch's own tooling and NNCF were tried first. Torch's exporter knows no operator for the rounding that
``torch.ao.quantization`` puts into a network (torch 2.13), nor for the converted network; NNCF 3.4 compiles
a C++ extension on first use, and places pairs by its own rules, some of which ONNX Runtime cannot run.
"""
