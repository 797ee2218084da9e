"""Bake ``head.npz`` from the MakeHuman targets collected in a source archive; see PROVENANCE.md.

    python -m edgefer.data.synthetic.bake_head SOURCE.npz edgefer/data/synthetic/head.npz

Left out: body-expression targets and eyelash cards, which nothing here uses. Added: targets paired into
signed components, and how open each vertex of the average head lies to the light (ambient occlusion).
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgefer.data.synthetic.arrays import Floats, Ints
from edgefer.data.synthetic.mesh import Material, vertex_normals
from edgefer.data.synthetic.rasterizer import rasterize

DECIMETRES_PER_UNIT = 1e-3
"""The sources give three decimals, so int16 thousandths lose nothing."""
OPPOSITES = (
    ("-incr", "-decr"),
    ("-up", "-down"),
    ("-forward", "-backward"),
    ("-in", "-out"),
    ("-convex", "-concave"),
    ("-compress", "-uncompress"),
)
MATERIAL_BY_WORD = {
    "eye": Material.EYE,
    "teeth": Material.TEETH,
    "tongue": Material.TONGUE,
    "hair": Material.HAIR,
}
NO_FACE = ("measure", "trunk", "breast")


def signed_components(names: list[str]) -> list[tuple[str, str, str | None]]:
    """(name, target for positive values, target for negative ones) of all shape targets."""
    known = set(names)
    components: list[tuple[str, str, str | None]] = []
    for name in names:
        for positive, negative in OPPOSITES:
            stem = name.removesuffix(positive)
            if stem != name and stem + negative in known:
                components.append((stem, name, stem + negative))
                break
            stem = name.removesuffix(negative)
            if stem != name and stem + positive in known:
                break
        else:
            components.append((name, name, None))
    return components


def openness(vertices: Floats, triangles: Ints, directions: int = 96, size: int = 256) -> Floats:
    """Share of a uniform sky that reaches each vertex, weighted by the cosine; float32, V, 0..1.

    The head is rasterised orthographically from every direction and each vertex compared with the
    depth found there.
    """
    normals = vertex_normals(vertices, triangles)
    received, total = np.zeros(len(vertices)), np.zeros(len(vertices))
    for number in range(directions):
        height = 1 - 2 * (number + 0.5) / directions
        azimuth, radius = number * np.pi * (3 - np.sqrt(5)), np.sqrt(1 - height**2)
        towards = np.array([radius * np.cos(azimuth), height, radius * np.sin(azimuth)], np.float32)
        right = np.cross(towards, [0.3, 0.5, 0.8]).astype(np.float32)
        right /= np.linalg.norm(right)
        plane = np.stack([vertices @ right, vertices @ np.cross(towards, right)])
        low, high = plane.min(1, keepdims=True), plane.max(1, keepdims=True)
        x, y = (plane - (low + high) / 2) * (size * 0.99 / (high - low).max()) + size / 2
        depth = -(vertices @ towards)
        seen = rasterize(x, y, depth, triangles, size).depth
        visible = (
            depth < seen[y.astype(int).clip(0, size - 1) * size + x.astype(int).clip(0, size - 1)] + 0.06
        )
        cosine = (normals @ towards).clip(0)
        received += visible * cosine
        total += cosine
    return (received / np.maximum(total, 1e-6)).astype(np.float32)


def eye_side(group: str) -> int:
    """1 for the left eyeball, -1 for the right one, 0 for anything else."""
    return {"helper-l-eye": 1, "helper-r-eye": -1}.get(group, 0)


def bake(source: Path, destination: Path) -> None:
    """Write the compact head file."""
    archive = np.load(source)
    groups = [str(group) for group in archive["groups"]]
    wanted = np.array(["lash" not in group for group in groups])[archive["gid"]]
    quads, group_of_quad = archive["quads"][wanted], archive["gid"][wanted]
    used, flat = np.unique(quads, return_inverse=True)
    quads = flat.reshape(quads.shape).astype(np.int16)
    materials = [
        next((material for word, material in MATERIAL_BY_WORD.items() if word in group), Material.SKIN)
        for group in groups
    ]
    targets = dict(zip(archive["names"].tolist(), archive["targets"][:, used], strict=True))
    nothing = np.zeros((len(used), 3), np.int16)
    macro = [name for name in targets if name.startswith("macro/")]
    units = [name for name in targets if name.startswith("au/")]
    shapes = [
        component
        for component in signed_components([name for name in targets if name.startswith("shape/")])
        if not any(word in component[0] for word in NO_FACE)
    ]
    base = archive["base"][used]
    average = base + DECIMETRES_PER_UNIT * np.mean(
        [targets[name] for name in macro if name.count("-") == 2], axis=0
    )
    triangles = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]).astype(np.int32)
    material = np.array(materials, np.uint8)[group_of_quad]
    skin = np.concatenate([material, material]) == Material.SKIN
    light = openness(average.astype(np.float32), triangles[skin])

    def stack(names: list[str] | list[str | None]) -> NDArray[np.int16]:
        return np.stack([targets[name] if name else nothing for name in names])

    np.savez_compressed(
        destination,
        base=base.astype(np.float32),
        quads=quads,
        material=material,
        eye_side=np.array([eye_side(group) for group in groups], np.int8)[group_of_quad],
        openness=np.round(light * 255).astype(np.uint8),
        macro_names=np.array([name.removeprefix("macro/") for name in macro]),
        macro=stack(macro),
        shape_names=np.array([name.removeprefix("shape/") for name, _, _ in shapes]),
        shape_positive=stack([positive for _, positive, _ in shapes]),
        shape_negative=stack([negative for _, _, negative in shapes]),
        unit_names=np.array([name.removeprefix("au/") for name in units]),
        units=stack(units),
    )


if __name__ == "__main__":
    bake(Path(sys.argv[1]), Path(sys.argv[2]))
