"""Hair: a shell grown off the scalp inside a procedural hairline, and strands for long hair."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from edgefer.data.synthetic.arrays import Floats, Ints
from edgefer.data.synthetic.head import Head
from edgefer.data.synthetic.looks import Hair
from edgefer.data.synthetic.mesh import Material, Mesh, part
from edgefer.data.synthetic.shaping import smoothstep


class HairShape(NamedTuple):
    """A person's hair as far as no expression changes it.

    Attributes:
        roots: int64, M; scalp vertices the shell grows from.
        height: float32, M; how much of the full thickness each has.
        shell: int32, T x 3; triangles over ``roots``.
        strands: int64, L; vertices of the long-hair helper (none when the hair is short).
        strand_triangles: int32, T' x 3; triangles over ``strands``.
    """

    roots: Ints
    height: Floats
    shell: Ints
    strands: Ints
    strand_triangles: Ints


def above_hairline(hair: Hair, x: Floats, y: Floats, z: Floats) -> Floats:
    """Decimetres by which places on the head at rest lie above the hairline; negative on the face."""
    across = np.abs(x)
    wave = np.float32(1) + np.float32(0.3) * np.sin(9 * x + 9 * hair.parting)
    front = (
        7.93 + hair.line - 0.25 * (across - 0.35).clip(0, 1) * (1 - hair.temples)
        - hair.fringe * (1 - across / 0.6).clip(0, 1) * wave
    )  # fmt: skip
    side = np.minimum(7.0 + ((z - 0.12) / 0.55).clip(0, 1) * 0.95 + hair.line / 2, front)
    nape = 6.62 + ((z + 0.8) / 0.7).clip(0, 1) * 0.45
    line = np.where(z > 0.72, front, np.where(z > 0.1, side, np.where(z < -0.1, nape, 7.05)))
    above: Floats = y - line
    return above


def hair_shape(model: Head, hair: Hair) -> HairShape:
    """Where this hair grows; worked out once per person."""
    above = above_hairline(hair, *model.base.T)
    grown = ((above > -0.03) & (model.ear < 0.35))[model.skin].all(1)
    roots, shell = _compact(model.skin[grown])
    height = smoothstep(-0.02, 0.16, above) * (1 - model.ear)
    behind_face = (model.base[:, 2] < 0.95)[model.hair].all(1)
    strands, strand_triangles = _compact(model.hair[behind_face] if hair.long else model.hair[:0])
    return HairShape(roots, height[roots], shell, strands, strand_triangles)


def hair_meshes(model: Head, hair: Hair, shape: HairShape, vertices: Floats, normals: Floats) -> list[Mesh]:
    """The hair on a posed head; empty for a shaved one."""
    if hair.shaved:
        return []
    grown = shape.height * np.float32(hair.thickness)
    shell = vertices[shape.roots] + normals[shape.roots] * (grown + np.float32(0.012))[:, None]
    shell[:, 1] += np.float32(0.25) * grown
    rest = model.base[shape.roots]
    meshes = [part(shell, shape.shell, Material.HAIR, rest)._replace(openness=model.openness[shape.roots])]
    if hair.long:
        rest = model.base[shape.strands]
        hanging = vertices[shape.strands].copy()
        hanging[:, 0] *= np.float32(0.92)
        hanging[:, 2] -= 0.12 * smoothstep(0.3, 1.2, rest[:, 2])
        openness = np.full(len(rest), 0.8, np.float32)
        meshes.append(part(hanging, shape.strand_triangles, Material.HAIR, rest)._replace(openness=openness))
    return meshes


def _compact(triangles: Ints) -> tuple[Ints, Ints]:
    """The vertices used and the triangles renumbered over them."""
    used, renumbered = np.unique(triangles, return_inverse=True)
    return used, renumbered.reshape(triangles.shape).astype(np.int32)
