"""OpenVINO engines."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgefer_runtime.bundle import Bundle
from edgefer_runtime.contract import InputContract
from edgefer_runtime.engines.base import Engine, Opening, check_signature, refused
from edgefer_runtime.engines.libraries import import_openvino, missing
from edgefer_runtime.engines.openvino_static import behind_preprocessing, of_size
from edgefer_runtime.errors import DataError, DeviceError
from edgefer_runtime.preprocess import preprocess

DEFAULTS = {"PERFORMANCE_HINT": "LATENCY"}
CPU_DEFAULTS = {
    "NUM_STREAMS": 1,
    "CPU_DENORMALS_OPTIMIZATION": True,
    # Each compiled model would pin its threads to the first cores without asking who else did: two engines of
    # one thread each, as a server has them, shared one core and left the other idle.
    "ENABLE_CPU_PINNING": False,
    # Compiled kernels are kept for every input shape: 5000 of them by default, some 70 KB each, and face
    # crops come in thousands of shapes. Keeping 16 costs no measurable time.
    "CPU_RUNTIME_CACHE_CAPACITY": 16,
}
OPTIONS = {
    *DEFAULTS,
    *CPU_DEFAULTS,
    "INFERENCE_PRECISION_HINT",
    "EXECUTION_MODE_HINT",
    "ENABLE_CPU_PINNING",
    "ENABLE_HYPER_THREADING",
    "SCHEDULING_CORE_TYPE",
    "DYNAMIC_QUANTIZATION_GROUP_SIZE",
}
"""What a manifest may set besides ``DEVICE``: how the engine computes, never where files lie."""


STATIC_DEVICES = ("NPU",)
"""Devices that take a graph of fixed sizes only."""

HINT = "INFERENCE_PRECISION_HINT"


class OpenVinoEngine(Engine):
    """A compiled model of OpenVINO, read from IR (.xml and .bin) or ONNX.

    The manifest's options: ``DEVICE`` (``CPU`` when there is none) and the properties in :data:`OPTIONS`.
    ``INFERENCE_PRECISION_HINT`` matters: without it OpenVINO computes a float32 network in bfloat16 on a
    processor that can.
    """

    target = "openvino"

    def _open(self, bundle: Bundle, opening: Opening) -> str:
        try:
            openvino = import_openvino()
        except ImportError as error:
            raise missing(self.target, error) from error
        core = openvino.Core()
        wanted = opening.device or str(bundle.manifest.options.get("DEVICE", "CPU"))
        here = {name for device in core.available_devices for name in (device, device.partition(".")[0])}
        device = wanted if wanted in here else "CPU"
        if device != wanted and not opening.allow_fallback:
            raise _fallback(wanted, core.available_devices)
        properties = _properties(bundle, device, opening)
        self._prepared_for: InputContract | None = None
        try:
            model = core.read_model(bundle.entry)
            if device.startswith(STATIC_DEVICES):
                self._prepared_for, self.batch = bundle.manifest.input, self.batch or 1
                model = behind_preprocessing(model, self._prepared_for, self.batch)
            elif self.size is not None:
                of_size(model, *self.size)
            self._model = core.compile_model(model, device, properties)
        except Exception as error:  # the library raises bare RuntimeError and worse
            raise refused(bundle, "openvino", openvino.__version__, error) from error
        check_signature(
            bundle,
            [*map(_port, self._model.inputs)],
            [*map(_port, self._model.outputs)],
            self.batch,
        )
        self._tensor = openvino.Tensor
        # A request serves one call at a time: there are as many as there ever were calls at once.
        self._idle = deque([self._model.create_infer_request()])
        devices = "+".join(self._model.get_property("EXECUTION_DEVICES"))
        return f"{devices} {self._model.get_property(HINT).get_type_name()}"

    def _infer(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        given = batch if self._prepared_for is None else preprocess(batch, self._prepared_for)
        try:
            request = self._idle.pop()
        except IndexError:
            request = self._model.create_infer_request()
        try:
            # A third of what request.infer({"images": batch}) adds to a call; wants a writeable array.
            tensor = self._tensor(given if given.flags.writeable else given.copy(), shared_memory=True)
            request.set_input_tensor(tensor)
            request.infer(share_outputs=True)
            probabilities: NDArray[np.float32] = request.get_output_tensor().data.copy()
            return probabilities
        finally:
            self._idle.append(request)


def _properties(bundle: Bundle, device: str, opening: Opening) -> dict[str, Any]:
    """The manifest's options on top of our defaults."""
    given = {name: value for name, value in bundle.manifest.options.items() if name != "DEVICE"}
    if strangers := sorted(given.keys() - OPTIONS):
        raise DataError(
            f"{bundle.path}: the OpenVINO option {strangers[0]}",
            expected=f"DEVICE, {', '.join(sorted(OPTIONS))}",
            action="export the bundle again without it",
        )
    own: Mapping[str, Any] = CPU_DEFAULTS | {"INFERENCE_NUM_THREADS": opening.threads}
    if device != "CPU":
        # A CPU computes fp16 engines in float32 for want of anything better; others have float16.
        own, given = {}, given | ({HINT: "f16"} if bundle.manifest.precision == "fp16" else {})
    cache = {} if opening.cache is None else {"CACHE_DIR": str(opening.cache)}
    return {**DEFAULTS, **own, **given, **cache}


def _port(port: Any) -> tuple[str, list[int | None]]:
    """Name and shape of a model's input or output."""
    shape = [length.get_length() if length.is_static else None for length in port.get_partial_shape()]
    return (port.get_any_name(), shape)


def _fallback(wanted: str, available: list[str]) -> DeviceError:
    return DeviceError(
        f"OpenVINO has no device {wanted} here",
        expected=f"one of {', '.join(available)}",
        action="install the device's driver, or allow the fallback to the CPU",
    )
