"""Runs a graph that is not in a bundle yet, on the CPU, in float32 where it is float."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from edgefer_runtime.engines.libraries import import_onnxruntime, import_openvino

Run: TypeAlias = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""uint8 N x H x W x 3 -> the graph's first output, float32 N x ..."""


def installed_sessions() -> dict[str, Callable[[Path | bytes], Run]]:
    """Library -> what opens a graph in it, for those that are installed; ONNX Runtime always is."""
    sessions = {"onnxruntime": onnxruntime_session, "openvino": openvino_session}
    return {name: session for name, session in sessions.items() if find_spec(name) is not None}


def onnxruntime_session(model: Path | bytes) -> Run:
    """An ONNX file, or one in memory, in ONNX Runtime."""
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    # Its threads would go on spinning while the next library, or torch, computes on the same cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    source = model if isinstance(model, bytes) else str(model)
    session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    argument = session.get_inputs()[0]

    def run(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        output: NDArray[np.float32] = session.run(None, {argument.name: images})[0]
        return output

    return _in_steps(run, argument.shape[0])


def openvino_session(model: Path | bytes, hint: str = "f32") -> Run:
    """An ONNX file, one in memory, or an IR in OpenVINO, computing what is float in ``hint``.

    Without a hint a CPU that has bfloat16 would compute in it.
    """
    core = import_openvino().Core()
    graph = core.read_model(model if isinstance(model, bytes) else str(model))
    compiled = core.compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": hint})
    first = graph.inputs[0].partial_shape[0]

    def run(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.array(compiled([images])[0], dtype=np.float32)

    return _in_steps(run, first.get_length() if first.is_static else None)


def _in_steps(run: Run, batch: int | str | None) -> Run:
    """``run`` for any number of images that is a multiple of a static ``batch``."""
    if not isinstance(batch, int):
        return run

    def stepped(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        starts = range(0, len(images), batch)
        return np.concatenate([run(np.ascontiguousarray(images[start : start + batch])) for start in starts])

    return stepped
