"""Runs a graph that is not in a bundle yet, on the CPU, in float32 where it is float."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Run: TypeAlias = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""uint8 N x H x W x 3 -> the graph's first output, float32 N x ..."""


def onnxruntime_session(model: Path | bytes, threads: int = 0) -> Run:
    """``model`` in ONNX Runtime. ``threads`` 0 leaves the number to the library."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    source = model if isinstance(model, bytes) else str(model)
    session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    argument = session.get_inputs()[0]

    def run(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        output: NDArray[np.float32] = session.run(None, {argument.name: images})[0]
        return output

    return in_steps(run, argument.shape[0])


def openvino_session(model: Path | bytes, threads: int = 0) -> Run:
    """``model`` in OpenVINO with the f32 hint: without it a CPU that has bfloat16 would use that."""
    import openvino

    core = openvino.Core()
    config = {"INFERENCE_PRECISION_HINT": "f32", **({"INFERENCE_NUM_THREADS": threads} if threads else {})}
    graph = core.read_model(model if isinstance(model, bytes) else str(model))
    compiled = core.compile_model(graph, "CPU", config)
    first = graph.inputs[0].partial_shape[0]

    def run(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.array(compiled([images])[0], dtype=np.float32)

    return in_steps(run, first.get_length() if first.is_static else None)


def in_steps(run: Run, batch: int | str | None) -> Run:
    """``run`` for any number of images that is a multiple of a static ``batch``."""
    if not isinstance(batch, int):
        return run

    def stepped(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.concatenate([run(images[start : start + batch]) for start in range(0, len(images), batch)])

    return stepped
