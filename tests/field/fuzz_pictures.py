"""Pictures with bytes changed, cut and swapped, through the reader of files and that of a network's."""

from __future__ import annotations

import os
import random
import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgefer_runtime.errors import DataError
from edgefer_runtime.images import decode_image
from edgefer_runtime.pictures import read_picture

FILES = int(os.environ.get("EDGEFER_FUZZ", "600"))


def spoil(dice: random.Random, content: bytes) -> bytes:
    """``content`` with bytes flipped, mostly in its head, a part doubled or removed, or its end cut."""
    spoiled = bytearray(content)
    kind = dice.randrange(5)
    if kind == 0:
        del spoiled[dice.randrange(len(spoiled)) :]
    elif kind == 1:
        begin = dice.randrange(len(spoiled))
        del spoiled[begin : begin + dice.randint(1, 60)]
    elif kind == 2:
        begin = dice.randrange(len(spoiled))
        spoiled[begin:begin] = spoiled[begin : begin + dice.randint(1, 60)]
    else:
        reach = min(len(spoiled), 200) if kind == 3 else len(spoiled)
        for _ in range(dice.randint(1, 6)):
            spoiled[dice.randrange(reach)] = dice.choice([0, 1, 127, 128, 255, dice.randrange(256)])
    return bytes(spoiled)


def fuzz(files: Mapping[str, bytes]) -> tuple[Counter[str], int]:
    """How many were images and how many refused, and how much memory was kept in the last three quarters."""
    dice, counts, settled = random.Random(0), Counter[str](), 0
    contents = list(files.values())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number in range(FILES):
            if number == FILES // 4:
                settled = rss_bytes()
            content = spoil(dice, dice.choice(contents))
            for read in (read_picture, decode_image):
                counts[outcome(read, content)] += 1
    return counts, rss_bytes() - settled


def outcome(read: Callable[[bytes], NDArray[np.uint8]], content: bytes) -> str:
    """What became of it."""
    try:
        image = read(content)
    except DataError as error:
        assert error.found and error.action
        return "refused"
    assert image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3 and image.size
    return "image"


def rss_bytes() -> int:
    """What this process holds in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
