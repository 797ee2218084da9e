"""Augmentation of a batch of faces on the device that trains.

Colours, noise and occlusion are varied at the crop's own size; flip, rotation, zoom and shift are one
affine map, sampled once, straight at the network's input size. With nothing switched on the result is
:func:`edgefer.training.predict.preprocess` to rounding.

Plain tensor operations: the same set built from kornia takes 1.6 to 2 times as long on a CPU.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from edgefer.training.predict import normalize
from edgefer.training.recipe import Augmentation
from edgefer_runtime.contract import InputContract
from edgefer_runtime.preprocess import BT601


class Varied(NamedTuple):
    """Faces in one variation, which networks of different input contracts can be shown.

    Attributes:
        pixels: float32, N x 3 x H x W in 0..255, RGB, at the crop's own size.
        affine: where in the crop each output position comes from, N x 2 x 3, in -1..1 on both axes.
    """

    pixels: Tensor
    affine: Tensor

    def seen_by(self, contract: InputContract) -> Tensor:
        """Network input, float32, N x C x contract.height x contract.width."""
        size = [len(self.pixels), 3, contract.height, contract.width]
        grid = F.affine_grid(self.affine, size, align_corners=False)
        # Normalising is linear, so it may come before sampling, where there are fewer pixels.
        pixels = normalize(self.pixels, contract)
        return F.grid_sample(pixels, grid, mode="bilinear", padding_mode="border", align_corners=False)


def vary(
    images: Tensor, how: Augmentation, generator: Generator, *, whole: int | None = None, start: int = 0
) -> Varied:
    """Faces varied at random.

    Args:
        images: uint8, N x H x W x 3, RGB.
        how: ranges and probabilities.
        generator: source of all randomness, on the images' device.
        whole, start: the size of the batch of which these images are those from ``start`` on. Randomness
            is drawn for the whole of it, so that a face is varied alike however a batch is shared out.
    """
    rows = slice(start, start + len(images))
    draw = _Draw(whole or len(images), rows, images.device, generator)
    pixels = images.permute(0, 3, 1, 2).contiguous().float()
    pixels = _erase(_degrade(_recolor(pixels, how, draw), how, draw), how, draw)
    return Varied(pixels, _affine(how, draw, images.shape[1] / images.shape[2]))


def augment(images: Tensor, contract: InputContract, how: Augmentation, generator: Generator) -> Tensor:
    """Varied network input: :func:`vary` as seen by ``contract``."""
    return vary(images, how, generator).seen_by(contract)


class _Draw:
    """Random numbers for the faces in ``rows`` of a batch of ``count``; one a face is N x 1 x 1 x 1."""

    def __init__(self, count: int, rows: slice, device: torch.device, generator: Generator) -> None:
        self.count, self.rows, self.device, self.generator = count, rows, device, generator

    def uniform(self, low: float, high: float, channels: int = 1) -> Tensor:
        drawn = torch.rand(self.count, channels, 1, 1, device=self.device, generator=self.generator)
        return low + (high - low) * drawn[self.rows]

    def around(self, center: float, radius: float, channels: int = 1) -> Tensor:
        return self.uniform(center - radius, center + radius, channels)

    def chance(self, probability: float) -> Tensor:
        return self.uniform(0.0, 1.0) < probability

    def normal(self, like: Tensor) -> Tensor:
        shape = (self.count, *like.shape[1:])
        return torch.randn(shape, device=self.device, generator=self.generator)[self.rows]


def _recolor(pixels: Tensor, how: Augmentation, draw: _Draw) -> Tensor:
    gray = (pixels * pixels.new_tensor(BT601).view(3, 1, 1)).sum(1, keepdim=True)
    pixels = torch.where(draw.chance(how.gray), gray, pixels)
    mean = gray.mean((2, 3), keepdim=True)
    contrast = draw.around(1, how.contrast)
    gain = draw.around(1, how.brightness) * draw.around(1, how.tint, channels=3)
    # One multiply-add: gain * (mean + contrast * (pixels - mean)).
    return torch.addcmul(gain * mean * (1 - contrast), pixels, gain * contrast)


def _degrade(pixels: Tensor, how: Augmentation, draw: _Draw) -> Tensor:
    blurred = draw.chance(how.blur).flatten().nonzero().flatten()
    if len(blurred):
        kernel = pixels.new_tensor([[1, 2, 1], [2, 4, 2], [1, 2, 1]]).div(16).expand(3, 1, 3, 3)
        padded = F.pad(pixels[blurred], (1, 1, 1, 1), mode="replicate")
        pixels = pixels.index_copy(0, blurred, F.conv2d(padded, kernel, groups=3))
    if how.noise:
        pixels = torch.addcmul(pixels, draw.normal(pixels), draw.uniform(0, how.noise))
    return pixels.clamp(0, 255)


def _erase(pixels: Tensor, how: Augmentation, draw: _Draw) -> Tensor:
    if not how.erasing:
        return pixels
    inside = draw.chance(how.erasing)
    for axis in (2, 3):
        shape = [1, 1, 1, 1]
        shape[axis] = pixels.shape[axis]
        position = torch.linspace(0, 1, pixels.shape[axis], device=draw.device).view(shape)
        side = draw.uniform(0.1, how.erasing_side)
        start = draw.uniform(0, 1) * (1 - side)
        inside = inside & (position >= start) & (position <= start + side)
    return torch.where(inside, draw.uniform(0, 255, channels=3), pixels)


def _affine(how: Augmentation, draw: _Draw, aspect: float) -> Tensor:
    """N x 2 x 3: where in the crop each output position comes from, in -1..1 on both axes."""
    angle = draw.around(0, math.radians(how.rotation_degrees)).flatten()
    zoom = draw.uniform(*how.zoom).flatten()
    mirror = 1 - 2 * draw.chance(how.flip).flatten().float()
    cos, sin = angle.cos() / zoom, angle.sin() / zoom
    # A shift of the whole side is 2 in these coordinates.
    x, y = (draw.around(0, 2 * how.translation).flatten() for _ in range(2))
    rows = (torch.stack([cos * mirror, -sin * aspect, x], 1), torch.stack([sin * mirror / aspect, cos, y], 1))
    return torch.stack(rows, 1)
