"""A z-buffer in numpy: triangles in, the nearest triangle at every pixel centre out.

Triangles are cut into rows and rows into pixels with ``np.repeat``, so that no Python loop runs over
triangles; the depth test is one ``np.minimum.at`` on integer keys (depth, then triangle number), which
leaves one defined winner per pixel however the fragments are ordered.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from edgefer.data.synthetic.arrays import Floats, Ints, Mask

DEPTH_STEPS = 2**24
"""Levels the depth range is cut into; a head is about 40 cm deep, so one level is below a micrometre."""
EMPTY = np.int64(2**62)


class Raster(NamedTuple):
    """What lies nearest at each pixel centre of a square image, row by row.

    Attributes:
        triangle: int32, size * size; index of the nearest triangle, -1 where there is none.
        depth: float32, size * size; its depth, infinite where there is none.
    """

    triangle: Ints
    depth: Floats


def rasterize(
    x: Floats,
    y: Floats,
    depth: Floats,
    triangles: Ints,
    size: int,
    one_sided: Mask | None = None,
) -> Raster:
    """The nearest triangle at every pixel centre (column + 0.5, row + 0.5).

    Args:
        x, y: float32, V; vertex positions in pixels, y downwards.
        depth: float32, V; smaller is nearer.
        triangles: int32, T x 3; vertex indices, T < 2**31.
        size: pixels a side, at most 2**15.
        one_sided: bool, T; triangles to leave out when their vertices run clockwise on the screen.
    """
    a, b, c = triangles.T
    area = (x[b] - x[a]) * (y[c] - y[a]) - (x[c] - x[a]) * (y[b] - y[a])
    leftmost, rightmost = np.minimum(np.minimum(x[a], x[b]), x[c]), np.maximum(np.maximum(x[a], x[b]), x[c])
    highest, lowest = np.minimum(np.minimum(y[a], y[b]), y[c]), np.maximum(np.maximum(y[a], y[b]), y[c])
    top, bottom = np.ceil(highest - 0.5), np.floor(lowest - 0.5)
    visible = (bottom >= np.maximum(top, 0)) & (top < size) & (np.abs(area) > 1e-6)
    visible &= np.floor(rightmost - 0.5) >= np.maximum(np.ceil(leftmost - 0.5), 0)
    visible &= leftmost < size
    if one_sided is not None:
        visible &= ~(one_sided & (area > 0))
    kept = np.flatnonzero(visible).astype(np.int32)
    buffer = np.full(size * size, EMPTY)
    if not len(kept):
        return Raster(np.full(size * size, -1, np.int32), np.full(size * size, np.inf, np.float32))

    corners = triangles[kept]
    corners = np.take_along_axis(corners, np.argsort(y[corners], axis=1, kind="stable"), 1)
    cx, cy, cz = x[corners], y[corners], depth[corners]
    first = np.maximum(top[kept], 0).astype(np.int32)
    rows = (np.minimum(bottom[kept], size - 1).astype(np.int32) - first + 1).clip(0)
    of_row, row = _expand(first, rows)
    left, right = _spans(cx, cy, of_row, row)

    start = np.maximum(np.ceil(left - 0.5), 0).astype(np.int32)
    columns = (np.minimum(np.floor(right - 0.5), size - 1).astype(np.int32) - start + 1).clip(0)
    of_pixel, column = _expand(start, columns)
    slope_x, slope_y = _depth_slopes(cx, cy, cz)
    at_row_start = cz[:, 0] + slope_x * (0.5 - cx[:, 0]) + slope_y * (0.5 - cy[:, 0])
    row_depth = at_row_start[of_row] + slope_y[of_row] * row
    pixel_depth = row_depth[of_pixel] + slope_x[of_row][of_pixel] * column

    nearest, farthest = float(cz.min()), float(cz.max())
    step = max(farthest - nearest, 1e-6) / (DEPTH_STEPS - 1)
    level = ((pixel_depth - nearest) * np.float32(1 / step)).clip(0, DEPTH_STEPS - 1).astype(np.int64)
    key = (level << 31) | kept[of_row][of_pixel]
    np.minimum.at(buffer, row[of_pixel].astype(np.int64) * size + column, key)

    covered = buffer != EMPTY
    triangle = np.where(covered, buffer & (2**31 - 1), -1).astype(np.int32)
    winner_depth = np.where(covered, nearest + (buffer >> 31) * step, np.inf).astype(np.float32)
    return Raster(triangle, winner_depth)


def barycentric(x: Floats, y: Floats, corners: Ints, px: Floats, py: Floats) -> Floats:
    """Weights of each triangle's three vertices at a point; they sum to one.

    Args:
        x, y: float32, V; vertex positions.
        corners: int32, N x 3; one triangle a point, none degenerate.
        px, py: float32, N; the points.

    Returns:
        float32, N x 3.
    """
    ax, bx, cx = (x[corners[:, i]] for i in range(3))
    ay, by, cy = (y[corners[:, i]] for i in range(3))
    inverse = 1 / ((bx - ax) * (cy - ay) - (cx - ax) * (by - ay))
    b = ((px - ax) * (cy - ay) - (cx - ax) * (py - ay)) * inverse
    c = ((bx - ax) * (py - ay) - (px - ax) * (by - ay)) * inverse
    return np.stack([1 - b - c, b, c], axis=1)


def _expand(start: Ints, count: Ints) -> tuple[Ints, Ints]:
    """Count up from every start: (index of the start, value) for start, start + 1, ... start + count - 1."""
    owner = np.repeat(np.arange(len(start), dtype=np.int32), count)
    before = np.cumsum(count, dtype=np.int64) - count
    value = np.arange(len(owner), dtype=np.int32) + np.repeat((start - before).astype(np.int32), count)
    return owner, value


def _spans(x: Floats, y: Floats, of_row: Ints, row: Ints) -> tuple[Floats, Floats]:
    """Left and right end of every row of triangles whose corners are sorted by y.

    Each edge is evaluated from its upper corner, so that two triangles sharing an edge find the same
    end and leave no gap.
    """
    long_slope = (x[:, 2] - x[:, 0]) / (y[:, 2] - y[:, 0])
    upper_slope = _slope(x[:, 1] - x[:, 0], y[:, 1] - y[:, 0])
    lower_slope = _slope(x[:, 2] - x[:, 1], y[:, 2] - y[:, 1])
    centre = row + np.float32(0.5)
    lower = centre >= y[of_row, 1]
    elbow = lower.astype(np.int32)
    short_slope = np.where(lower, lower_slope[of_row], upper_slope[of_row])
    on_long = x[of_row, 0] + (centre - y[of_row, 0]) * long_slope[of_row]
    on_short = x[of_row, elbow] + (centre - y[of_row, elbow]) * short_slope
    return np.minimum(on_long, on_short), np.maximum(on_long, on_short)


def _slope(run: Floats, rise: Floats) -> Floats:
    slope: Floats = np.divide(run, rise, out=np.zeros_like(run), where=rise > 0)
    return slope


def _depth_slopes(x: Floats, y: Floats, z: Floats) -> tuple[Floats, Floats]:
    """Change of depth per pixel to the right and downwards."""
    dx1, dx2 = x[:, 1] - x[:, 0], x[:, 2] - x[:, 0]
    dy1, dy2 = y[:, 1] - y[:, 0], y[:, 2] - y[:, 0]
    dz1, dz2 = z[:, 1] - z[:, 0], z[:, 2] - z[:, 0]
    inverse = 1 / (dx1 * dy2 - dx2 * dy1)
    return (dz1 * dy2 - dz2 * dy1) * inverse, (dx1 * dz2 - dx2 * dz1) * inverse
