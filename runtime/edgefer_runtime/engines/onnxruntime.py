"""ONNX Runtime engines."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgefer_runtime.bundle import Bundle
from edgefer_runtime.engines.base import INPUT, OUTPUT, Engine, check_signature, missing, refused
from edgefer_runtime.errors import DeviceError

CPU = "CPUExecutionProvider"


class OnnxRuntimeEngine(Engine):
    """A session of ONNX Runtime.

    The manifest's options: ``provider``, the execution provider to run on (``CPUExecutionProvider`` when
    there is none), and any ``session.*`` configuration entry.
    """

    target = "onnxruntime"

    def _open(self, bundle: Bundle, allow_fallback: bool) -> str:
        try:
            import onnxruntime
        except ImportError as error:
            raise missing(self.target, error) from error
        wanted = str(bundle.manifest.options.get("provider", CPU))
        available = onnxruntime.get_available_providers()
        try:
            session = onnxruntime.InferenceSession(
                bundle.entry,
                _options(onnxruntime, self.threads, bundle.manifest.options),
                providers=[provider for provider in dict.fromkeys((wanted, CPU)) if provider in available],
            )
        except Exception as error:  # the library's exceptions have no common ancestor but this one
            raise refused(bundle, "onnxruntime", onnxruntime.__version__, error) from error
        provider: str = session.get_providers()[0]
        if provider != wanted and not allow_fallback:
            raise _fallback(wanted, session.get_providers())
        check_signature(
            bundle,
            [(value.name, value.shape) for value in session.get_inputs()],
            [(value.name, value.shape) for value in session.get_outputs()],
        )
        self._run = session.run
        return provider

    def _infer(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        probabilities: NDArray[np.float32] = self._run([OUTPUT], {INPUT: batch})[0]
        return probabilities


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


def _fallback(wanted: str, available: list[str]) -> DeviceError:
    return DeviceError(
        f"ONNX Runtime would run on {available[0]}, not on {wanted}",
        expected=f"{wanted} among the providers of the installed onnxruntime: {', '.join(available)}",
        action="install the onnxruntime package that has it, or allow the fallback",
    )
