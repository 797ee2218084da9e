"""The z-buffer: what is covered, what is nearest, and that shared edges leave no gap."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgefer.data.synthetic.rasterizer import barycentric, rasterize

SIZE = 32
seeds = st.integers(0, 2**32 - 1)


def soup(seed: int, triangles: int = 12):
    """Random triangles, some of them partly or wholly outside the picture."""
    draws = np.random.RandomState(seed)
    x, y = draws.uniform(-0.3 * SIZE, 1.3 * SIZE, (2, 3 * triangles)).astype(np.float32)
    depth = draws.uniform(1, 5, 3 * triangles).astype(np.float32)
    return x, y, depth, np.arange(3 * triangles, dtype=np.int32).reshape(-1, 3)


def brute_force(x, y, depth, triangles):
    """Depth of the nearest triangle by testing every triangle at every pixel centre, in float64."""
    centre = np.arange(SIZE) + 0.5
    px, py = np.meshgrid(centre, centre)
    nearest = np.full((SIZE, SIZE), np.inf)
    margin = np.full((SIZE, SIZE), np.inf)
    for corners in triangles:
        (ax, bx, cx), (ay, by, cy) = x[corners].astype(float), y[corners].astype(float)
        area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
        b = ((px - ax) * (cy - ay) - (cx - ax) * (py - ay)) / area
        c = ((bx - ax) * (py - ay) - (px - ax) * (by - ay)) / area
        least = np.minimum(np.minimum(b, c), 1 - b - c)
        margin = np.minimum(margin, np.abs(least))
        z = (1 - b - c) * depth[corners[0]] + b * depth[corners[1]] + c * depth[corners[2]]
        nearest = np.where(least >= 0, np.minimum(nearest, z), nearest)
    return nearest, margin > 1e-3


def test_a_right_triangle_covers_the_pixels_whose_centres_it_holds():
    x, y = np.array([0, 4, 0], np.float32), np.array([0, 0, 4], np.float32)
    raster = rasterize(x, y, np.ones(3, np.float32), np.array([[0, 1, 2]], np.int32), 4)
    assert (raster.triangle.reshape(4, 4) >= 0).sum(1).tolist() == [4, 3, 2, 1]
    assert np.isinf(raster.depth[raster.triangle < 0]).all()


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_nearer_triangle_wins_whatever_the_order(order):
    x, y = np.array([0, 9, 0] * 2, np.float32), np.array([0, 0, 9] * 2, np.float32)
    depth = np.array([2, 2, 2, 1, 1, 1], np.float32)
    triangles = np.array([[0, 1, 2], [3, 4, 5]], np.int32)[list(order)]
    raster = rasterize(x, y, depth, triangles, 4)
    assert (raster.triangle == order.index(1)).all()
    np.testing.assert_allclose(raster.depth, 1, atol=1e-5)


@settings(max_examples=40, deadline=None)
@given(seeds)
def test_agrees_with_testing_every_triangle_at_every_pixel(seed):
    x, y, depth, triangles = soup(seed)
    expected, clear = brute_force(x, y, depth, triangles)
    found = rasterize(x, y, depth, triangles, SIZE).depth.reshape(SIZE, SIZE)
    assert (np.isfinite(found) == np.isfinite(expected))[clear].all()
    both = np.isfinite(found) & np.isfinite(expected) & clear
    np.testing.assert_allclose(found[both], expected[both], atol=2e-3)


@settings(max_examples=40, deadline=None)
@given(seeds)
def test_a_jittered_grid_has_no_gaps(seed):
    draws = np.random.RandomState(seed)
    steps = 6
    x, y = np.meshgrid(np.linspace(0, SIZE, steps), np.linspace(0, SIZE, steps))
    inner = np.s_[1:-1, 1:-1]
    x[inner] += draws.uniform(-2, 2, (steps - 2, steps - 2))
    y[inner] += draws.uniform(-2, 2, (steps - 2, steps - 2))
    corner = np.arange(steps * (steps - 1)).reshape(-1, steps)[:, :-1].ravel()
    quads = np.stack([corner, corner + 1, corner + steps + 1, corner + steps], 1)
    triangles = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]).astype(np.int32)
    flat = np.ones(steps * steps, np.float32)
    raster = rasterize(x.ravel().astype(np.float32), y.ravel().astype(np.float32), flat, triangles, SIZE)
    assert (raster.triangle >= 0).all()


def test_one_sided_triangles_are_seen_from_one_side():
    x, y = np.array([0, 4, 0], np.float32), np.array([0, 0, 4], np.float32)
    triangles = np.array([[0, 1, 2], [0, 2, 1]], np.int32)
    for number in (0, 1):
        seen = rasterize(x, y, np.ones(3, np.float32), triangles[[number]], 4, np.array([True])).triangle
        assert (seen >= 0).any() == (number == 1)


def test_nothing_in_view_is_an_empty_picture():
    x = np.array([-9, -5, -7], np.float32)
    raster = rasterize(x, x, x, np.array([[0, 1, 2]], np.int32), 4)
    assert (raster.triangle == -1).all() and np.isinf(raster.depth).all()


@settings(max_examples=40, deadline=None)
@given(seeds)
def test_barycentric_weights_sum_to_one_and_give_the_point_back(seed):
    x, y, _, triangles = soup(seed)
    (ax, bx, cx), (ay, by, cy) = x[triangles].T, y[triangles].T
    area = np.abs((bx - ax) * (cy - ay) - (cx - ax) * (by - ay))
    triangles = triangles[area > 1]
    draws = np.random.RandomState(seed)
    weights = draws.dirichlet([1, 1, 1], len(triangles)).astype(np.float32)
    px, py = (x[triangles] * weights).sum(1), (y[triangles] * weights).sum(1)
    found = barycentric(x, y, triangles, px, py)
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-5)
    np.testing.assert_allclose((x[triangles] * found).sum(1), px, atol=1e-2)
    np.testing.assert_allclose((y[triangles] * found).sum(1), py, atol=1e-2)
