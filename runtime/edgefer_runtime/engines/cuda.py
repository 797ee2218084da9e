"""The CUDA driver, as much of it as an engine needs, through the library that every NVIDIA driver brings.

It saves the robot a CUDA package of its own: TensorRT takes plain device pointers and a stream.
Function names and constants are those of the CUDA Driver API (cuda.h).
"""

from __future__ import annotations

import ctypes
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgefer_runtime.errors import DeviceError

LIBRARY = "libcuda.so.1"
COMPUTE_CAPABILITY = (75, 76)
"""CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR and _MINOR."""


class Gpu:
    """The first GPU, with its primary context and one stream.

    Attributes:
        compute_capability: e.g. ``"8.7"``.
        stream: handle that TensorRT takes.
    """

    def __init__(self, driver: Any) -> None:
        self._driver = driver
        self._call("cuInit", 0)
        device = ctypes.c_int()
        self._call("cuDeviceGet", ctypes.byref(device), 0)
        numbers = [ctypes.c_int() for _ in COMPUTE_CAPABILITY]
        for number, attribute in zip(numbers, COMPUTE_CAPABILITY, strict=True):
            self._call("cuDeviceGetAttribute", ctypes.byref(number), attribute, device)
        self.compute_capability = ".".join(str(number.value) for number in numbers)
        self._context = ctypes.c_void_p()
        self._call("cuDevicePrimaryCtxRetain", ctypes.byref(self._context), device)
        self.enter()
        stream = ctypes.c_void_p()
        self._call("cuStreamCreate", ctypes.byref(stream), 0)
        self.stream = int(stream.value or 0)

    def enter(self) -> None:
        """Make the context the calling thread's; every thread has to before it computes."""
        self._call("cuCtxSetCurrent", self._context)

    def allocate(self, size_bytes: int) -> int:
        """Address of new device memory."""
        address = ctypes.c_uint64()
        self._call("cuMemAlloc_v2", ctypes.byref(address), ctypes.c_size_t(size_bytes))
        return address.value

    def free(self, address: int) -> None:
        """Give device memory back."""
        self._call("cuMemFree_v2", ctypes.c_uint64(address))

    def upload(self, address: int, array: NDArray[Any]) -> None:
        """Copy a contiguous array to ``address``, in the stream's order."""
        source = array.ctypes.data_as(ctypes.c_void_p)
        self._call("cuMemcpyHtoDAsync_v2", ctypes.c_uint64(address), source, *self._rest(array))

    def download(self, address: int, array: NDArray[Any]) -> None:
        """Fill a contiguous array from ``address`` and wait for it, and so for all that came before."""
        target = array.ctypes.data_as(ctypes.c_void_p)
        self._call("cuMemcpyDtoHAsync_v2", target, ctypes.c_uint64(address), *self._rest(array))
        self._call("cuStreamSynchronize", ctypes.c_void_p(self.stream))

    def _rest(self, array: NDArray[Any]) -> tuple[ctypes.c_size_t, ctypes.c_void_p]:
        return ctypes.c_size_t(np.asarray(array).nbytes), ctypes.c_void_p(self.stream)

    def _call(self, function: str, *arguments: Any) -> None:
        if code := getattr(self._driver, function)(*arguments):
            raise DeviceError(
                f"{function} of the CUDA driver returned error {code}",
                expected="a working NVIDIA GPU",
                action="look at what nvidia-smi says, on a Jetson tegrastats; restart the machine",
            )


@lru_cache(maxsize=1)
def require() -> Gpu:
    """The first GPU.

    Raises:
        DeviceError: no NVIDIA driver, or no GPU that it can use.
    """
    try:
        return Gpu(ctypes.CDLL(LIBRARY))
    except OSError as error:
        raise DeviceError(
            f"no NVIDIA driver ({error})",
            expected="an NVIDIA GPU: TensorRT builds and runs plans on one only",
            action="do this on the robot; to build here without a GPU there is --target tensorrt-rtx",
        ) from error
