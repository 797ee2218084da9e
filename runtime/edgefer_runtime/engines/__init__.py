"""Engines: one small module a target, each importing its library only when it is opened."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from edgefer_runtime.bundle import Bundle
from edgefer_runtime.engines.base import Engine, Opening
from edgefer_runtime.environment import usable_cores
from edgefer_runtime.errors import UsageError

__all__ = ["TARGETS", "Engine", "open_engine"]

TARGETS = {
    "onnxruntime": "edgefer_runtime.engines.onnxruntime:OnnxRuntimeEngine",
    "openvino": "edgefer_runtime.engines.openvino:OpenVinoEngine",
    "tensorrt": "edgefer_runtime.engines.tensorrt:TensorRtEngine",
    "tensorrt-rtx": "edgefer_runtime.engines.tensorrt:TensorRtRtxEngine",
}
"""Target name -> where its engine is."""


def open_engine(
    bundle: Bundle,
    *,
    threads: int | None = None,
    size: tuple[int, int] | None = None,
    device: str | None = None,
    cache: Path | None = None,
    allow_fallback: bool = False,
) -> Engine:
    """Open the engine of a verified bundle.

    Args:
        bundle: its files must stay while the engine lives.
        threads: threads a call may use, the caller's included; by default the cores this process may use.
        size: height and width that every crop will have, if that is known: the engine takes no other then.
            OpenVINO is the faster for it, most of all at the network's own size, where nothing is resized.
        device: what to compute on, as the library names it: ``"CUDA"`` or ``"TensorRT"`` in ONNX Runtime,
            ``"GPU"`` or ``"NPU"`` in OpenVINO; by default what the bundle was exported for.
        cache: folder in which a library that can (OpenVINO; ONNX Runtime on TensorRT) keeps what it compiles.
        allow_fallback: accept another device than the one asked for, a slower one as a rule.

    Raises:
        MissingError: the target's library is not installed.
        DeviceError: another device than the one asked for would compute.
        DataError: the library refuses the file, or its inputs and outputs are not an engine's.
        UsageError: no such target, no device of that name in its library, fewer than one thread,
            or a size without pixels.
    """
    target = bundle.manifest.target
    if target not in TARGETS:
        raise UsageError(
            f"{bundle.path}: an engine for the target {target!r}",
            expected=f"one of {', '.join(TARGETS)}",
            action="update edgefer-runtime, or export for one of these targets",
        )
    if threads is not None and threads < 1:
        raise UsageError(f"{threads} threads", expected="one or more")
    if size is not None and min(size) < 1:
        raise UsageError(f"crops of {size[0]} x {size[1]} pixels", expected="one or more each way")
    module, name = TARGETS[target].split(":")
    engine: type[Engine] = getattr(import_module(module), name)
    opening = Opening(
        threads=threads or usable_cores(),
        size=size,
        device=device,
        cache=cache,
        allow_fallback=allow_fallback,
    )
    return engine(bundle, opening)
