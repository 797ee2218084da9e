"""ONNX Runtime engines."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgefer_runtime.bundle import Bundle
from edgefer_runtime.engines.base import INPUT, OUTPUT, Engine, Opening, check_signature, refused
from edgefer_runtime.engines.libraries import import_onnxruntime, missing
from edgefer_runtime.errors import DataError, DeviceError, UsageError

CPU, CUDA, TENSORRT = (f"{name}ExecutionProvider" for name in ("CPU", "CUDA", "Tensorrt"))

PLACES = ("file", "path", "folder", "dir", "librar", "custom_op")
"""What names of the library's entries that lead to files have in them."""

RECORD_PROVIDERS = "session.record_ep_graph_assignment_info"
"""Entry that has the session keep which provider took which nodes."""


class OnnxRuntimeEngine(Engine):
    """A session of ONNX Runtime.

    The manifest's options: ``provider``, the execution provider to run on (``CPUExecutionProvider`` when
    there is none), and any ``session.*`` configuration entry that names no file.
    """

    target = "onnxruntime"
    _reopens = True

    def _open(self, bundle: Bundle, opening: Opening) -> str:
        try:
            onnxruntime = import_onnxruntime()
        except ImportError as error:
            raise missing(self.target, error) from error
        given = bundle.manifest.options
        _require_harmless(bundle)
        wanted = _provider(onnxruntime, opening.device or str(given.get("provider", CPU)))
        order = dict.fromkeys((wanted, CUDA, CPU) if wanted == TENSORRT else (wanted, CPU))
        available = onnxruntime.get_available_providers()
        options = _options(onnxruntime, self.threads, given)
        if wanted != CPU:
            options.add_session_config_entry(RECORD_PROVIDERS, "1")
        try:
            session = onnxruntime.InferenceSession(
                bundle.entry,
                options,
                providers=[(name, _settings(name, opening.cache)) for name in order if name in available],
            )
        except Exception as error:  # the library's exceptions have no common ancestor but this one
            raise refused(bundle, "onnxruntime", onnxruntime.__version__, error) from error
        provider = CPU if wanted == CPU else _computing(session)
        if provider != wanted and not opening.allow_fallback:
            raise _fallback(provider, wanted, available)
        check_signature(
            bundle,
            [(value.name, value.shape) for value in session.get_inputs()],
            [(value.name, value.shape) for value in session.get_outputs()],
            self.batch,
        )
        self._run = session.run
        return provider

    def _infer(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        probabilities: NDArray[np.float32] = self._run([OUTPUT], {INPUT: batch})[0]
        return probabilities


def _require_harmless(bundle: Bundle) -> None:
    """Raise where an option of the manifest would have the library read or write a file, or load another.

    Raises:
        DataError: names the option.
    """
    for name in bundle.manifest.options:
        if name.startswith("session.") and any(word in name.lower() for word in PLACES):
            raise DataError(
                f"{bundle.path}: the ONNX Runtime option {name}",
                expected="options that say how to compute, never where files lie",
                action="export the bundle again without it",
            )


def _options(onnxruntime: Any, threads: int, entries: Any) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 3
    # A plan is kept for every input shape ever seen, some 3 KB each: face crops come in thousands of shapes.
    options.enable_mem_pattern = False
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    # Threads spin within a call, where it saves a fifth, and not between calls, where it takes a core from
    # whatever else the robot does.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    for name, value in entries.items():
        if name.startswith("session."):
            options.add_session_config_entry(name, str(value))
    return options


def _provider(onnxruntime: Any, device: str) -> str:
    """The execution provider that ``device`` names, with or without the second half of its name."""
    known: dict[str, str] = {name.lower(): name for name in onnxruntime.get_all_providers()}
    for name in (device.lower(), f"{device.lower()}executionprovider"):
        if name in known:
            return known[name]
    short = ", ".join(name.removesuffix("ExecutionProvider") for name in known.values())
    raise UsageError(f"ONNX Runtime has no device {device}", expected=f"one of {short}")


def _settings(provider: str, cache: Path | None) -> dict[str, str]:
    """TensorRT builds its plans when the session opens, which takes minutes where none is cached."""
    if provider != TENSORRT or cache is None:
        return {}
    return {"trt_engine_cache_enable": "1", "trt_engine_cache_path": str(cache)}


def _computing(session: Any) -> str:
    """The provider that took most of the nodes.

    The first of the session's providers may have taken none: what it does not know falls to the others.
    """
    if not hasattr(session, "get_provider_graph_assignment_info"):  # before ONNX Runtime 1.24
        return str(session.get_providers()[0])
    nodes: Counter[str] = Counter()
    for part in session.get_provider_graph_assignment_info():
        nodes[part.ep_name] += len(part.get_nodes())
    return max(nodes, key=nodes.__getitem__)


def _fallback(computing: str, wanted: str, available: list[str]) -> DeviceError:
    return DeviceError(
        f"ONNX Runtime would compute on {computing}, not on {wanted}",
        expected=f"{wanted} to take the network; this onnxruntime has {', '.join(available)}",
        action="install the onnxruntime package that has it and its driver, or allow the fallback",
    )
