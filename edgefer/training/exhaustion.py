"""Memory that ran out, on a CPU or a GPU, and what is told of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from edgefer_runtime.errors import DeviceError

SIGNS = (
    "can't allocate memory",
    "not enough memory",
    "out of memory",
    "std::bad_alloc",
    "alloc_failed",
    "could not create a memory",
    "could not create a primitive",
    "could not execute a primitive",
    "unable to mmap",
    "cannot allocate memory",
)
"""What torch and the libraries below it say, in lower case."""


def ran_out(error: BaseException) -> bool:
    """Whether an error means that memory ran out; torch has no one type for it."""
    if isinstance(error, MemoryError):
        return True
    # A primitive's descriptor is missing where oneDNN does not know the layer.
    said = str(error).lower().replace("could not create a primitive descriptor", "")
    return isinstance(error, (RuntimeError, OSError)) and any(sign in said for sign in SIGNS)


@contextmanager
def memory_told(when: str, action: str = "") -> Iterator[None]:
    """Raise a DeviceError in place of an error that means that memory ran out in the block.

    Args:
        when: ``"while ..."``.
        action: what needs less; by default what helps wherever it is.
    """
    try:
        yield
    except (MemoryError, RuntimeError, OSError) as error:
        if not ran_out(error):
            raise
        told = out_of_memory(when, error, action)
    else:
        return
    raise told  # Not chained: the frames of the failed attempt would keep what it allocated.


def out_of_memory(when: str, error: BaseException, action: str = "") -> DeviceError:
    """What :func:`memory_told` raises."""
    return DeviceError(
        f"out of memory {when}: {_first_line(error)}",
        expected="as much memory as that takes",
        action=action or "end other programs, use fewer faces, or a machine with more memory",
    )


def step_too_large(
    batch_size: int, size: int, device: str, fits: int | None, error: BaseException
) -> DeviceError:
    """What to say of a training step that memory did not suffice for.

    Args:
        batch_size, size: faces of the step, and the side of each in pixels.
        device: where it was computed.
        fits: faces that a step was found to have room for; None where none could be tried: a heap in pieces
            leaves no room for compiled kernels.
        error: what was raised.
    """
    found = (
        f"out of memory on {device}: a training step with a batch of {batch_size} faces of {size} x {size} "
        f"pixels ({_first_line(error)})"
    )
    if fits is None:
        return DeviceError(
            found,
            expected="a smaller batch; none could be tried in what this process has left",
            action=f"train with --batch-size {max(2, batch_size // 16)}; if that does not fit either, end "
            "other programs, train at a smaller size (a recipe of your own) or on a bigger machine",
        )
    return DeviceError(
        found,
        expected=f"a batch that fits: one of {fits} faces does",
        action=f"train with --batch-size {fits}",
    )


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
