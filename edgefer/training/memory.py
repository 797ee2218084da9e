"""Memory that networks need again with the next batch: kept on a CPU, or given back."""

from __future__ import annotations

import ctypes
import gc
import platform

import torch

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""Parameters of glibc's ``mallopt(3)``."""


def keep_memory(device: torch.device | str) -> None:
    """Keep what the process frees for its next batch, where a network is computed on a CPU.

    glibc returns large arrays to the kernel, which hands out empty pages for the next ones: activations are
    of that size, and a step of PAtt-Lite spends two fifths of its time on pages. Holds for the whole process,
    which stays as large as it once was. Does nothing for a GPU, nor with another C library than glibc.
    """
    if torch.device(device).type == "cpu" and platform.libc_ver()[0] == "glibc":
        library = ctypes.CDLL(None)
        library.mallopt(M_MMAP_MAX, 0)
        library.mallopt(M_TRIM_THRESHOLD, -1)


def give_back_memory(device: torch.device) -> None:
    """Return what is free to the system: what is not on the heap, such as compiled kernels, may need it."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)
