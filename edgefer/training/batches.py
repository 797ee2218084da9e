"""Where a training's pictures are, and how they come batch by batch to the device."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from edgefer.data.faceset import FaceSet

HEADROOM = 0.5
"""Share of a GPU's free memory that pictures may take; the rest is the training's."""

AHEAD = 3
"""Streamed batches in memory at once: the one that is learnt from, and the next ones."""

CHUNK = 1024
"""Pictures moved to the device at once."""


class Pictures(Protocol):
    """Pictures that can be asked for batch by batch."""

    def batches(self, indices: Iterable[NDArray[np.integer]]) -> Generator[Tensor, None, None]:
        """The pictures at each of ``indices``: uint8, N x H x W x 3, on the device."""
        ...


class HeldPictures:
    """All pictures on the device: uint8, N x H x W x 3."""

    def __init__(self, images: Tensor) -> None:
        self.images = images

    def batches(self, indices: Iterable[NDArray[np.integer]]) -> Generator[Tensor, None, None]:
        """The pictures at each of ``indices``."""
        for each in indices:
            yield self.images[torch.from_numpy(each).to(self.images.device)]


class StreamedPictures:
    """Pictures read from wherever they are by a thread that keeps ahead of the training.

    Args:
        images: uint8, N x H x W x 3, in a file or in memory.
        device: where they are needed.
    """

    def __init__(self, images: Any, device: torch.device) -> None:
        self.images, self.device = images, device

    def batches(self, indices: Iterable[NDArray[np.integer]]) -> Generator[Tensor, None, None]:
        """The pictures at each of ``indices``; an error while reading is raised here."""
        with _ahead(self._read(each) for each in indices) as read:
            for pictures in read:
                yield pictures.to(self.device, non_blocking=True)

    def _read(self, indices: NDArray[np.integer]) -> Tensor:
        pictures = torch.from_numpy(self.images[indices])
        return pictures.pin_memory() if self.device.type == "cuda" else pictures


def place_pictures(faces: FaceSet, device: torch.device) -> Pictures:
    """The pictures of ``faces``: on the device where they fit, else streamed to it."""
    images = faces.images
    if device.type == "cpu":
        if isinstance(images, np.ndarray):
            return HeldPictures(torch.from_numpy(images))
        return StreamedPictures(images, device)
    if int(np.prod(images.shape)) > HEADROOM * torch.cuda.mem_get_info(device)[0]:
        return StreamedPictures(images, device)
    held = torch.empty(images.shape, dtype=torch.uint8, device=device)
    for start in range(0, len(images), CHUNK):
        held[start : start + CHUNK] = torch.from_numpy(images[start : start + CHUNK]).to(device)
    return HeldPictures(held)


@contextmanager
def _ahead(source: Iterator[Tensor]) -> Iterator[Iterator[Tensor]]:
    """``source``, computed by a thread; at most ``AHEAD`` items are there that are not done with."""
    ready: queue.Queue[Tensor | BaseException | None] = queue.Queue()
    room = threading.Semaphore(AHEAD)
    left = threading.Event()

    def run() -> None:
        item: Tensor | BaseException | None = None
        while room.acquire() and not left.is_set():
            try:
                item = next(source, None)
            except BaseException as error:
                item = error
            ready.put(item)
            if not isinstance(item, Tensor):
                return

    def take() -> Iterator[Tensor]:
        while (item := ready.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
            room.release()

    thread = threading.Thread(target=run, name="pictures", daemon=True)
    thread.start()
    try:
        yield take()
    finally:
        left.set()
        room.release()
        thread.join()
