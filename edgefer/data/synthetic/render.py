"""Render a performance from the five cameras.

Visibility is sampled at 2 x 2 points a pixel; paint and light are computed once per pixel for each
material and depth layer seen there (as graphics hardware's multisampling does), which costs a quarter of
shading every sample and keeps the outlines smooth.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from edgefer.data.synthetic.arrays import Bytes, Floats, Ints
from edgefer.data.synthetic.camera import YAWS, Camera, draw_camera, project
from edgefer.data.synthetic.head import head
from edgefer.data.synthetic.lighting import Light, ShadowMap, Surface, draw_light, shade
from edgefer.data.synthetic.mesh import Material, normalized
from edgefer.data.synthetic.paint import paint
from edgefer.data.synthetic.performance import Performance
from edgefer.data.synthetic.photograph import background, developed, exposed, patch
from edgefer.data.synthetic.rasterizer import Raster, barycentric, rasterize
from edgefer.data.synthetic.streams import stream

SAMPLES = 2
"""Visibility samples along each side of a pixel."""
LAYER = 0.12
"""Decimetres of depth within which samples of one pixel and material share their shading."""
CLOSED = np.isin(
    np.arange(len(Material)), [Material.SKIN, Material.EYE, Material.TEETH, Material.TONGUE, Material.HAND]
)
"""Materials of closed surfaces, whose far side is never seen."""
SHADELESS = (Material.FRAME, Material.LENS)
"""Too thin for the shadow map: their shadows would come out as scribbles."""


def render_views(seen: Performance, size: int) -> Bytes:
    """The five views of a performance; uint8, 5 x size x size x 3, in the order of ``YAWS``."""
    return np.stack([render_view(seen, view, size) for view in range(len(YAWS))])


def render_view(seen: Performance, view: int, size: int) -> Bytes:
    """One view of a performance; uint8, size x size x 3.

    Args:
        seen: the performance.
        view: index into ``YAWS``.
        size: pixels a side.
    """
    key = seen.person.number, seen.expression, int(seen.wild)
    draws = stream("view", *key, view)
    camera = draw_camera(draws, YAWS[view], seen.wild)
    light = draw_light(draws, seen.wild)
    picture = background(draws, size, seen.wild) * np.float32(0.6 * light.sky + 0.5)
    picture = head_before(picture, seen, camera, light)
    picture = exposed(picture, draws, seen.wild)
    if seen.occlusion == "patch":
        covered, color = patch(draws, stream("patch", *key), size)
        picture[covered] = color
    return developed(picture, draws, seen.wild)


def head_before(picture: Floats, seen: Performance, camera: Camera, light: Light) -> Floats:
    """A performance before a background; both linear, float32, size x size x 3."""
    return _over(picture, _visible(seen, camera, len(picture)), seen, camera, light)


class _Fragments(NamedTuple):
    """Points to shade, and which of them each visibility sample shows.

    Attributes:
        triangle: int32, N.
        weights: float32, N x 3; barycentric.
        shown: int32, size**2 x SAMPLES**2; index of a fragment, -1 for the background.
    """

    triangle: Ints
    weights: Floats
    shown: Ints


def _visible(seen: Performance, camera: Camera, size: int) -> _Fragments:
    mesh = seen.mesh
    x, y, depth = project(camera, head(), mesh.vertices, size * SAMPLES)
    raster = rasterize(x, y, depth, mesh.triangles, size * SAMPLES, CLOSED[mesh.material])
    sample, shown = _share_shading(raster, mesh.material, size)
    triangle = raster.triangle[sample]
    row, column = np.divmod(sample, size * SAMPLES)
    px, py = column.astype(np.float32) + np.float32(0.5), row.astype(np.float32) + np.float32(0.5)
    weights = barycentric(x, y, mesh.triangles[triangle], px, py)
    return _Fragments(triangle, weights, shown)


def _share_shading(raster: Raster, material: Bytes, size: int) -> tuple[Ints, Ints]:
    """(samples to shade, for every pixel's samples the number of the shaded one it shares).

    A sample shares the shading of the first one in its pixel with the same material and depth layer.
    """
    across = size * SAMPLES
    rows = np.arange(across * across, dtype=np.int32).reshape(size, SAMPLES, size, SAMPLES)
    index = rows.transpose(0, 2, 1, 3).reshape(size * size, SAMPLES * SAMPLES)
    triangle = raster.triangle[index]
    covered = triangle >= 0
    layer = np.where(covered, raster.depth[index] / np.float32(LAYER), -1).astype(np.int32)
    kind = np.where(covered, layer * len(Material) + material[triangle], -1)
    owner = np.zeros_like(kind)
    for later in range(1, SAMPLES * SAMPLES):
        owner[:, later] = later
        for earlier in reversed(range(later)):
            owner[kind[:, earlier] == kind[:, later], later] = earlier
    owns = covered & (owner == np.arange(SAMPLES * SAMPLES))
    number = np.cumsum(owns.ravel(), dtype=np.int32).reshape(owns.shape) - 1
    shown = np.where(covered, np.take_along_axis(number, owner, 1), -1).astype(np.int32)
    return index[owns], shown


def _over(picture: Floats, fragments: _Fragments, seen: Performance, camera: Camera, light: Light) -> Floats:
    """The head before ``picture``."""
    mesh, model = seen.mesh, head()
    attributes = np.concatenate([mesh.vertices, seen.normals, mesh.rest, mesh.openness[:, None]], axis=1)
    corners = mesh.triangles[fragments.triangle]
    values = attributes[corners[:, 0]] * fragments.weights[:, :1]
    for corner in (1, 2):
        values += attributes[corners[:, corner]] * fragments.weights[:, corner : corner + 1]
    position, normal, place, openness = (
        values[:, :3],
        normalized(values[:, 3:6]),
        values[:, 6:9],
        values[:, 9],
    )
    material = mesh.material[fragments.triangle]
    inside = (material == Material.TEETH) | (material == Material.TONGUE)
    openness = np.where(inside, np.float32(_mouth_openness(seen)), openness)

    casting = mesh.triangles[~np.isin(mesh.material, SHADELESS)]
    shadow = ShadowMap(camera.rotation.T @ light.direction, mesh.vertices, casting)
    surface = Surface(position, normal, openness, material)
    colors = paint(model, seen, material, place)
    color = shade(surface, colors, light, camera.rotation, camera.place, shadow.lit(surface))
    shown = fragments.shown
    color = np.concatenate([color, np.zeros((1, 3), np.float32)])
    total = color[shown[:, 0]]
    for sample in range(1, shown.shape[1]):
        total += color[shown[:, sample]]
    behind = (shown < 0).sum(1, dtype=np.float32)[:, None] * picture.reshape(-1, 3)
    result: Floats = ((total + behind) / shown.shape[1]).reshape(picture.shape)
    return result


def _mouth_openness(seen: Performance) -> float:
    """Ambient light inside the mouth, which grows as the lips part."""
    units = seen.units
    light = 0.25 + 1.1 * units.get("jawOpen", 0.0)
    for unit, share in (("UpperUp", 0.35), ("LowerDown", 0.3), ("Smile", 0.25), ("Stretch", 0.15)):
        light += share * units.get(f"mouth{unit}Left", 0.0)
    return float(min(max(light, 0.12), 0.85))
