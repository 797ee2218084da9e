"""Soft functions of place, float32 in and out: the painter's brushes."""

from __future__ import annotations

import numpy as np

from edgefer.data.synthetic.arrays import Floats


def smoothstep(start: float, end: float, x: Floats) -> Floats:
    """0 before ``start``, 1 after ``end`` (which may lie below ``start``), smooth between."""
    t = ((x - np.float32(start)) * np.float32(1 / (end - start))).clip(0, 1)
    result: Floats = t * t * (3 - 2 * t)
    return result


def bell(distance: Floats, width: float | Floats) -> Floats:
    """exp(-(distance / width)^2)."""
    scaled = distance / np.float32(width)
    result: Floats = np.exp(-np.minimum(scaled * scaled, 40))
    return result


def ridges(phase: Floats, sharpness: int = 2) -> Floats:
    """Parallel ridges of height 1, one per 2 pi of ``phase``, flat between."""
    result: Floats = np.sin(phase).clip(0, 1) ** sharpness
    return result
