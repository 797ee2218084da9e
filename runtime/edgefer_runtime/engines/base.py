"""What every engine has in common: the same input, the same output, the same refusals."""

from __future__ import annotations

import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from edgefer_runtime.bundle import Bundle
from edgefer_runtime.contract import INPUT as INPUT
from edgefer_runtime.contract import OUTPUT as OUTPUT
from edgefer_runtime.errors import DataError, DeviceError
from edgefer_runtime.images import check_images

_LEFT_BEHIND: list[dict[str, Any]] = []
"""What a forked process has of its parent's engines: freeing it would wait for threads that are not there."""


@dataclass(frozen=True, kw_only=True)
class Opening:
    """How an engine is to be opened.

    Attributes:
        threads: threads a call may use, the caller's included.
        size: height and width that every crop will have; None for crops of any size.
        device: what to compute on, as the library names it; None for what the bundle says.
        cache: folder in which a library that can keeps what it compiles, and opens the faster next time.
        allow_fallback: accept another device than the one asked for, a slower one as a rule.
    """

    threads: int
    size: tuple[int, int] | None = None
    device: str | None = None
    cache: Path | None = None
    allow_fallback: bool = False


class Engine(ABC):
    """An opened engine; :meth:`run` may be called from many threads.

    Denormal floats count as zero in the library's own threads; the calling thread keeps its mode.

    A forked process has none of the library's threads, and its locks as they were at that moment: calls
    there would hang now and then. So an engine of ONNX Runtime on a CPU opens itself again when such a
    process first calls it; any other, whose library would hang in that as well, refuses.

    Attributes:
        target: its name in :data:`edgefer_runtime.engines.TARGETS`.
        provider: what really runs, as the library reports it: ``"CPUExecutionProvider"``, ``"CPU f32"``.
        batch: the static batch size, or None when it is dynamic.
        size: height and width of the crops it was opened for, or None when it takes any.
        threads: threads a call may use.
    """

    target: ClassVar[str]
    provider: str
    _reopens: ClassVar[bool] = False
    """Whether the library can open an engine in a process forked from one that has used it."""

    def __init__(self, bundle: Bundle, opening: Opening) -> None:
        self.batch, self.size, self.threads = bundle.manifest.batch, opening.size, opening.threads
        self._bundle, self._opening = bundle, opening
        self._reopening = threading.Lock()
        self._open_apart()

    def run(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Probabilities of a batch of face crops.

        Args:
            images: uint8, N x H x W x 3, RGB; N must be ``batch``, and H and W ``size``, unless that is None.

        Returns:
            float32, N x K, one row an image, in the order of the manifest's classes.

        Raises:
            DataError: another type, shape, batch size or size.
            DeviceError: it was opened before this process was forked, and is not ONNX Runtime's on a CPU.
        """
        batch = check_images(images)
        if self._process != os.getpid():
            self._reopen()
        if self.batch is not None and len(batch) != self.batch:
            raise DataError(
                f"{len(batch)} images in one call",
                expected=f"{self.batch}: the engine was built for this batch size",
                action="use Classifier.predict, which calls once an image, or export with --dynamic-batch",
            )
        if self.size is not None and batch.shape[1:3] != self.size:
            raise DataError(
                f"crops of {batch.shape[1]} x {batch.shape[2]} pixels",
                expected=f"{self.size[0]} x {self.size[1]}: the engine was opened for this size",
                action="open it without size=..., and it takes any",
            )
        return self._infer(np.ascontiguousarray(batch))

    @property
    def kernel(self) -> Callable[[NDArray[np.uint8]], NDArray[np.float32]] | None:
        """The library's own call on a checked, contiguous batch, which on a CPU is the device's time.

        None on an accelerator: only its own events tell its time from that of copies.
        """
        return self._infer if self._on_cpu else None

    @property
    def _on_cpu(self) -> bool:
        return self.provider.startswith("CPU") and " in place of " not in self.provider

    def _open_apart(self) -> None:
        # Both libraries make denormal floats zero in the thread that opens a model, and leave it so: a thread
        # that ends with the opening keeps that from the caller's own arithmetic.
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(1) as opener:
            self.provider = opener.submit(self._open, self._bundle, self._opening).result()
        self._process = os.getpid()

    def _reopen(self) -> None:
        with self._reopening:
            if self._process == os.getpid():
                return
            if not (self._reopens and self._on_cpu):
                raise DeviceError(
                    f"a {self.target} engine on {self.provider}, opened before this process was forked",
                    expected="an engine that is used where it was opened",
                    action="open it after the fork, or start processes by multiprocessing's spawn",
                )
            _LEFT_BEHIND.append(vars(self).copy())
            self._open_apart()

    @abstractmethod
    def _open(self, bundle: Bundle, opening: Opening) -> str:
        """Open the bundle's entry; return the provider that runs."""

    @abstractmethod
    def _infer(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Run a checked, contiguous batch; the result is the caller's to keep."""


def refused(bundle: Bundle, library: str, version: str, error: Exception) -> DataError:
    """The error for an intact file that this version of the library cannot open."""
    built = ", ".join(f"{tool} {number}" for tool, number in bundle.manifest.tools.items()) or "unknown tools"
    newer = "IR version" in str(error)  # of the file than the library knows; exporting again changes nothing
    return DataError(
        f"{bundle.path}: {library} {version} cannot open {bundle.manifest.entry} ({str(error).strip()})",
        expected=f"a version that reads what {built} wrote",
        action=f"update {library}"
        + ("" if newer else ", or export the bundle again with the version installed here"),
    )


def check_signature(
    bundle: Bundle,
    inputs: Sequence[tuple[str, Any]],
    outputs: Sequence[tuple[str, Any]],
    batch: int | None,
) -> None:
    """Raise unless the opened file has an engine's one input and one output.

    Args:
        bundle: for the message, and the number of classes.
        inputs, outputs: name and shape of each; a dimension that is no int, or negative, is dynamic.
        batch: the static batch size that it will be called with, or None.

    Raises:
        DataError: other names, another number of classes than the manifest lists, or another batch size.
    """
    names = [name for name, _ in inputs], [name for name, _ in outputs]
    if names != ([INPUT], [OUTPUT]):
        raise DataError(
            f"{bundle.path}: {bundle.manifest.entry} takes {names[0]} and gives {names[1]}",
            expected=f"one input {INPUT!r} and one output {OUTPUT!r}",
            action="export the bundle with edgefer",
        )
    images = inputs[0][1][0]
    if isinstance(images, int) and images > 0 and images != batch:
        raise DataError(
            f"{bundle.path}: {bundle.manifest.entry} takes {images} images a call, the manifest says "
            f"{'any number' if batch is None else batch}",
            expected="one batch size",
            action="export the bundle again",
        )
    classes, width = len(bundle.manifest.classes), outputs[0][1][-1]
    if isinstance(width, int) and width != classes:
        raise DataError(
            f"{bundle.path}: {bundle.manifest.entry} gives {width} probabilities for {classes} classes",
            expected="one a class",
            action="export the bundle again",
        )
