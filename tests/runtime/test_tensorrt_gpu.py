"""How an engine drives a GPU: real ctypes calls and memory; a driver and a plan that compute on the CPU.

There is no GPU in the tests. What stands in keeps the driver's and TensorRT's calling conventions.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime
import pytest

from edgefer_runtime.bundle import Bundle, write_bundle
from edgefer_runtime.classifier import Classifier
from edgefer_runtime.engines import cuda, tensorrt_build
from edgefer_runtime.errors import DataError, DeviceError

from .conftest import CERTIFICATE
from .test_tensorrt import FACTS, Expected, batch, unbuilt

__all__ = ["batch", "unbuilt"]


class Driver:
    """The CUDA driver's functions over memory of this process."""

    def __init__(self) -> None:
        self.memory: dict[int, Any] = {}
        self.fail = ""

    def __getattr__(self, name: str) -> Callable[..., int]:
        return lambda *arguments: 999 if name == self.fail else getattr(self, f"_{name}")(*arguments)

    def _cuInit(self, flags: int) -> int:  # noqa: N802
        return 0

    _cuStreamSynchronize = _cuCtxSetCurrent = _cuInit  # noqa: N815

    def _cuDeviceGet(self, device: Any, ordinal: int) -> int:  # noqa: N802
        return 0

    def _cuDeviceGetAttribute(self, number: Any, attribute: int, device: Any) -> int:  # noqa: N802
        number._obj.value = {75: 8, 76: 7}[attribute]
        return 0

    def _cuDevicePrimaryCtxRetain(self, context: Any, device: Any) -> int:  # noqa: N802
        return 0

    def _cuStreamCreate(self, stream: Any, flags: int) -> int:  # noqa: N802
        stream._obj.value = 77
        return 0

    def _cuMemAlloc_v2(self, address: Any, size: Any) -> int:  # noqa: N802
        buffer = ctypes.create_string_buffer(size.value)
        address._obj.value = ctypes.addressof(buffer)
        self.memory[ctypes.addressof(buffer)] = buffer
        return 0

    def _cuMemFree_v2(self, address: Any) -> int:  # noqa: N802
        del self.memory[address.value]
        return 0

    def _cuMemcpyHtoDAsync_v2(self, target: Any, source: Any, size: Any, stream: Any) -> int:  # noqa: N802
        assert stream.value == 77
        ctypes.memmove(target.value, source, size.value)
        return 0

    def _cuMemcpyDtoHAsync_v2(self, target: Any, source: Any, size: Any, stream: Any) -> int:  # noqa: N802
        ctypes.memmove(target, source.value, size.value)
        return 0


class Plan:
    """A deserialised engine, and its own execution context."""

    num_io_tensors = 2

    def __init__(self, onnx: bytes) -> None:
        self.session = onnxruntime.InferenceSession(onnx)
        self.ports = [*self.session.get_inputs(), *self.session.get_outputs()]
        self.addresses: dict[str, int] = {}

    def get_tensor_name(self, index: int) -> str:
        return str(self.ports[index].name)

    def get_tensor_mode(self, name: str) -> int:
        return int(name == self.ports[1].name)

    def get_tensor_shape(self, name: str) -> list[int]:
        shape = next(port.shape for port in self.ports if port.name == name)
        return [length if isinstance(length, int) else -1 for length in shape]

    def get_tensor_profile_shape(self, name: str, profile: int) -> list[tuple[int, ...]]:
        return [(batch, *self.get_tensor_shape(name)[1:]) for batch in (1, 4, 16)]

    def create_execution_context(self) -> Plan:
        return self

    def set_tensor_address(self, name: str, address: int) -> None:
        self.addresses[name] = address

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> None:
        self.shape = shape

    def execute_async_v3(self, stream: int) -> bool:
        floats = ctypes.c_float * int(np.prod(self.shape))
        images = np.ctypeslib.as_array(floats.from_address(self.addresses["images"])).reshape(self.shape)
        answer = self.session.run(None, {"images": images})[0]
        ctypes.memmove(self.addresses["probabilities"], answer.ctypes.data, answer.nbytes)
        return stream == 77


class ILogger:
    ERROR, INTERNAL_ERROR = 1, 0


LIBRARY = SimpleNamespace(
    __version__=FACTS.version,
    ILogger=ILogger,
    TensorIOMode=SimpleNamespace(OUTPUT=1),
    Runtime=lambda logger: SimpleNamespace(deserialize_cuda_engine=Plan),
)


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Driver:
    driver = Driver()
    gpu = cuda.Gpu(driver)
    monkeypatch.setattr(cuda, "require", lambda: gpu)
    monkeypatch.setattr(tensorrt_build, "load_library", lambda target: LIBRARY)
    return driver


@pytest.fixture
def built(unbuilt: Callable[[str], Bundle]) -> Bundle:
    """A bundle whose plan is its ONNX, which is what :class:`Plan` computes."""
    bundle = unbuilt("tensorrt")
    onnx, facts = bundle.folder / "model.onnx", bundle.folder.with_name("model.engine.json")
    FACTS.write(facts)
    files = {"model.onnx": onnx, "model.engine": onnx, "model.engine.json": facts}
    manifest = replace(bundle.manifest, entry="model.engine", files=())
    return write_bundle(bundle.folder.with_name("built"), manifest, files, CERTIFICATE)


def test_a_plan_answers(driver: Driver, built: Bundle, expected: Expected, faces: np.ndarray) -> None:
    classifier = Classifier.open(built)
    assert classifier.engine.provider == "tensorrt 10.3.0"
    for count in (3, 1):
        assert np.abs(classifier.predict(faces[:count]) - expected(faces[:count])).max() < 1e-5
    assert len(driver.memory) == 2
    if built.manifest.batch is None:
        with pytest.raises(DataError, match="at most 16"):
            classifier.predict(faces[:17])
    del classifier
    assert not driver.memory, "memory of the device goes with the engine"


def test_a_plan_of_another_version_is_not_even_read(
    driver: Driver, built: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LIBRARY, "__version__", "10.16.2")
    monkeypatch.setattr(LIBRARY, "Runtime", None)
    with pytest.raises(DeviceError, match=r"tensorrt 10\.3\.0.*\n.*tensorrt 10\.16\.2"):
        Classifier.open(built)


def test_an_error_of_the_driver_is_named(driver: Driver, built: Bundle, faces: np.ndarray) -> None:
    classifier = Classifier.open(built)
    driver.fail = "cuMemcpyHtoDAsync_v2"
    with pytest.raises(DeviceError, match=r"cuMemcpyHtoDAsync_v2 .* error 999"):
        classifier.predict(faces[:1])
