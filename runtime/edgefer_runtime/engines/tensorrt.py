"""TensorRT and TensorRT-RTX engines: a plan on an NVIDIA GPU, or if allowed its ONNX on the CPU."""

from __future__ import annotations

import weakref
from collections import deque
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgefer_runtime.bundle import Bundle
from edgefer_runtime.engines import cuda, tensorrt_build
from edgefer_runtime.engines.base import INPUT, OUTPUT, Engine, Opening, check_signature, refused
from edgefer_runtime.engines.onnxruntime import OnnxRuntimeEngine
from edgefer_runtime.engines.tensorrt_plan import FACTS, ONNX, RECIPE, PlanFacts
from edgefer_runtime.errors import DataError, DeviceError, MissingError, UsageError
from edgefer_runtime.preprocess import preprocess

PREPROCESSING = {"preprocessing": "runtime"}
"""What the options of a manifest say when the engine takes prepared faces, float32 N x C x H x W."""


class TensorRtEngine(Engine):
    """A plan of TensorRT; faces are prepared here, not in the plan.

    So the plan has static axes, which is what TensorRT tunes best, and is prepared for by the very function
    that all other engines are held against. Where the plan cannot run and a fallback is allowed, the ONNX it
    is built from runs in ONNX Runtime, and :attr:`provider` says so.
    """

    target = "tensorrt"

    def _open(self, bundle: Bundle, opening: Opening) -> str:
        if opening.device is not None:
            raise UsageError(
                f"a {self.target} engine on {opening.device}",
                expected="no device: a plan runs on the kind of GPU that it is built for",
            )
        if {**bundle.manifest.options, **PREPROCESSING} != bundle.manifest.options:
            raise DataError(
                f"{bundle.path}: the options {dict(bundle.manifest.options)}",
                expected=f"{PREPROCESSING}: a {self.target} engine takes prepared faces",
                action="export the bundle again with this version of edgefer",
            )
        self._contract = bundle.manifest.input
        self._stand_in: OnnxRuntimeEngine | None = None
        try:
            return self._open_plan(bundle)
        except (DeviceError, MissingError):
            if not opening.allow_fallback:
                raise
        self._stand_in = OnnxRuntimeEngine(_onnx_of(bundle), opening)
        return f"{self._stand_in.provider} in place of {self.target}"

    def _open_plan(self, bundle: Bundle) -> str:
        if bundle.manifest.entry == RECIPE:
            raise DeviceError(
                f"{bundle.path}: holds the ONNX of a plan and no plan yet",
                expected="a plan built on the machine that runs it",
                action=f"python -m edgefer_runtime build {bundle.path}",
            )
        library, gpu = tensorrt_build.load_library(self.target), cuda.require()
        PlanFacts.read(bundle.folder / FACTS).require_match(library.__version__, gpu.compute_capability)
        complaints: list[str] = []
        self._runtime = library.Runtime(tensorrt_build.logger(library, complaints))
        plan = self._runtime.deserialize_cuda_engine(bundle.entry.read_bytes())
        if plan is None:
            raise refused(bundle, self.target, library.__version__, RuntimeError("; ".join(complaints)))
        ports: tuple[list[Any], list[Any]] = ([], [])
        for name in map(plan.get_tensor_name, range(plan.num_io_tensors)):
            given = plan.get_tensor_mode(name) == library.TensorIOMode.OUTPUT
            ports[given].append((name, tuple(plan.get_tensor_shape(name))))
        check_signature(bundle, *ports, self.batch)
        self._largest = self.batch or plan.get_tensor_profile_shape(INPUT, 0)[2][0]
        self._plan, self._gpu, self._classes = plan, gpu, len(bundle.manifest.classes)
        # A context serves one call at a time: there are as many as there ever were calls at once.
        self._idle = deque([self._context()])
        return f"{self.target} {library.__version__}"

    def _infer(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        prepared: NDArray[Any] = preprocess(batch, self._contract)
        return self._run_plan(prepared) if self._stand_in is None else self._stand_in._infer(prepared)

    def _run_plan(self, prepared: NDArray[np.float32]) -> NDArray[np.float32]:
        if len(prepared) > self._largest:
            raise DataError(
                f"{len(prepared)} images in one call",
                expected=f"at most {self._largest}: the plan was built for no more",
                action="call more often, or build with a larger --batch",
            )
        self._gpu.enter()
        try:
            context = self._idle.pop()
        except IndexError:
            context = self._context()
        try:
            return context.run(prepared)
        finally:
            self._idle.append(context)

    def _context(self) -> _Context:
        self._gpu.enter()
        shape = (self._largest, self._contract.channels, self._contract.height, self._contract.width)
        return _Context(self._plan, self._gpu, shape, (self._largest, self._classes))


class TensorRtRtxEngine(TensorRtEngine):
    """The same of TensorRT-RTX."""

    target = "tensorrt-rtx"


class _Context:
    """An execution context with its own memory on the device, room for the largest batch.

    Args:
        plan: the deserialised engine.
        gpu: where it runs.
        images, probabilities: shapes of the largest batch, float32.
    """

    def __init__(
        self, plan: Any, gpu: cuda.Gpu, images: tuple[int, ...], probabilities: tuple[int, int]
    ) -> None:
        self._context, self._gpu, self._classes = plan.create_execution_context(), gpu, probabilities[1]
        self._memory = {
            name: gpu.allocate(4 * int(np.prod(shape)))
            for name, shape in ((INPUT, images), (OUTPUT, probabilities))
        }
        release = weakref.finalize(self, _release, gpu, tuple(self._memory.values()))
        release.atexit = False  # the driver may be gone by then, and takes its memory with it
        for name, address in self._memory.items():
            self._context.set_tensor_address(name, address)

    def run(self, prepared: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probabilities N x K of prepared faces N x C x H x W."""
        self._context.set_input_shape(INPUT, prepared.shape)
        self._gpu.upload(self._memory[INPUT], prepared)
        if not self._context.execute_async_v3(self._gpu.stream):
            raise DeviceError("the GPU did not take the work", expected="a working GPU", action="see dmesg")
        probabilities = np.empty((len(prepared), self._classes), dtype=np.float32)
        self._gpu.download(self._memory[OUTPUT], probabilities)
        return probabilities


def _release(gpu: cuda.Gpu, addresses: tuple[int, ...]) -> None:
    gpu.enter()
    for address in addresses:
        gpu.free(address)


def _onnx_of(bundle: Bundle) -> Bundle:
    """The bundle as if its engine were the ONNX that its plan is built from."""
    manifest = replace(bundle.manifest, target=OnnxRuntimeEngine.target, entry=ONNX, options={})
    return Bundle(bundle.folder, bundle.folder, manifest, bundle.certificate)
