"""Pictures in a file that is mapped into memory, for sets that memory does not hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


class MappedImages:
    """Images of one size in a ``.npy`` file; indexing reads them, choosing some of them reads nothing.

    Looks like a uint8 array of shape N x H x W x 3 to everything that takes it by slices or by arrays
    of indices, and goes to another process as its path and not as its pixels.

    Args:
        path: of a uint8 array, N x H x W x 3.
        indices: which of its images these are, in order; all of them by default.

    Raises:
        OSError, ValueError, EOFError: there is no such file, or it is no such array, or not all of one.
    """

    def __init__(self, path: Path, indices: NDArray[np.integer] | None = None) -> None:
        stored = np.load(path, mmap_mode="r", allow_pickle=False)
        if stored.dtype != np.uint8 or stored.ndim != 4 or stored.shape[-1] != 3:
            raise ValueError(f"{path} holds {stored.dtype} {stored.shape}, no images")
        self.path = path
        self._stored: NDArray[np.uint8] = stored
        self._indices = np.arange(len(stored)) if indices is None else np.asarray(indices)

    @property
    def shape(self) -> tuple[int, ...]:
        """N, H, W, 3."""
        return (len(self._indices), *self._stored.shape[1:])

    @property
    def dtype(self) -> np.dtype[np.uint8]:
        """uint8."""
        return self._stored.dtype

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, key: slice | NDArray[Any], /) -> NDArray[np.uint8]:
        return self._stored[self._indices[key]]

    def take(self, indices: NDArray[Any]) -> MappedImages:
        """The images at ``indices`` (or where a mask holds), still in the file."""
        return MappedImages(self.path, self._indices[indices])

    def __reduce__(self) -> tuple[type[MappedImages], tuple[Path, NDArray[np.integer]]]:
        return MappedImages, (self.path, self._indices)
