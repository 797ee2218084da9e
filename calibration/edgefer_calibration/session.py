"""ONNX Runtime on the CPU, for graphs that are measured rather than deployed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgefer_runtime.engines.libraries import import_onnxruntime

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


def open_session(model: Path | bytes, *, rearranged: bool = True) -> InferenceSession:
    """Open an ONNX file, or one in memory.

    Args:
        model: the file or its bytes.
        rearranged: whether the graph may be fused and rearranged first, which costs more than it saves
            where every tensor is an output.
    """
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    # Its threads would go on spinning while torch, or another library, computes on the same cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if not rearranged:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    source = model if isinstance(model, bytes) else str(model)
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
