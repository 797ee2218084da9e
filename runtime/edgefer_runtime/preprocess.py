"""From a uint8 face crop to a network's input: the one definition that training, export and robot share.

Separable bilinear interpolation with half-pixel centres, no antialiasing and clamped edges. Source
coordinates are rounded to float32 once, which makes the result agree with
``torch.nn.functional.interpolate(mode="bilinear", align_corners=False, antialias=False)`` to the rounding
of the interpolation itself. ONNX Resize (``linear``, ``half_pixel``) is the same function; its runtimes
round the coordinates elsewhere, so a grey level may differ by about the crop's side times 2e-5.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgefer_runtime.contract import InputContract
from edgefer_runtime.images import check_crop, check_images

BT601 = np.array([0.299, 0.587, 0.114], dtype=np.float32)
"""Luma weights of R, G and B (ITU-R BT.601-7, section 2.5.1)."""


def preprocess(images: NDArray[np.uint8], contract: InputContract) -> NDArray[np.float32]:
    """Resize, convert the colour of, and normalise face crops as ``contract`` says.

    Args:
        images: uint8, H x W x 3 or N x H x W x 3, RGB.
        contract: what the network takes.

    Returns:
        float32, N x C x ``contract.height`` x ``contract.width``; N is 1 for a single image.

    Raises:
        DataError: the images are of another type or shape, or have no pixels.
    """
    batch = check_images(images) if getattr(images, "ndim", 3) == 4 else check_crop(images)
    mean = np.array(contract.mean, dtype=np.float32)[:, None, None]
    std = np.array(contract.std, dtype=np.float32)[:, None, None]
    out = np.empty((len(batch), contract.channels, contract.height, contract.width), dtype=np.float32)
    for image, target in zip(batch, out, strict=True):  # one image at a time stays in the cache
        planes = resize(image, contract.height, contract.width)
        if contract.color == "GRAY":
            planes = np.tensordot(BT601, planes, axes=1)[None]
        np.subtract(planes, mean, out=target)
        target /= std
    return out


def resize(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.float32]:
    """Bilinear resize of one image, uint8 H x W x C, to float32 C x ``height`` x ``width``, still 0..255."""
    columns = _stretch(image.transpose(2, 1, 0), width)
    return _stretch(columns.transpose(0, 2, 1), height).astype(np.float32, copy=False)


def _stretch(lines: NDArray[Any], target: int) -> NDArray[Any]:
    """Interpolate between the lines of each channel, C x lines x length, so that there are ``target``."""
    if lines.shape[1] == target:
        return lines
    lines = np.ascontiguousarray(lines, dtype=np.float32)  # so that whole lines are copied below
    low, high, weight = _taps(lines.shape[1], target)
    below, above = lines[:, low], lines[:, high]
    below *= 1 - weight
    above *= weight
    below += above
    return below


@lru_cache(maxsize=256)
def _taps(source: int, target: int) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    """Both source lines of every target line, and the weight of the second, as a column."""
    scale = np.float32(source) / np.float32(target)
    centres = (np.arange(target) + 0.5) * np.float64(scale) - 0.5
    positions = np.maximum(centres.astype(np.float32), np.float32(0))
    low = np.minimum(positions.astype(np.intp), source - 1)
    return low, np.minimum(low + 1, source - 1), (positions - low.astype(np.float32))[:, None]
