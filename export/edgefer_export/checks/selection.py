"""Point-wise feature selection: the exported block returns what its definition by sorting says.

LANMSFF's PWFS (arXiv:2403.14318, Eq. 2) keeps, of three groups of channels, the mean of the two highest at
each point. The equation prints "min" for the middle, and engines have no sort that is worth its time, so
the exported block is compared with the definition on maps that a rewrite may get wrong: ties, negatives,
equal maps, large ranges.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgefer_export.checks.check import Check
from edgefer_export.probe import constants, module_of, probe, run_part

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

LIMIT = 1e-6
"""Relative to the larger of the answer and the two values to be averaged: two roundings of float32."""

INT8_LIMIT = 0.25
"""Root mean square of the block's error over that of its output. Catches a lost scale, not a coarse one: what
rounding costs is measured in accuracy."""


class Block(NamedTuple):
    """One use of a selecting module: the values it is given, groups of channels, and the value it returns."""

    module: str
    groups: tuple[str, ...]
    output: str


def selection(model: ModelProto, modules: Collection[str], faces: NDArray[np.uint8]) -> list[Check]:
    """One row for all blocks of ``modules``: their farthest from the definition; none without modules.

    A module of which the graph holds no block that takes groups and returns one value fails. ``faces``,
    uint8 N x H x W x 3, tell the size of the maps.
    """
    if not modules:
        return []
    blocks = find_blocks(model, modules)
    lost = sorted({*modules} - {block.module for block in blocks})
    worst, where = (float("inf"), f"no such block in {', '.join(lost)}") if lost else (0.0, "")
    sizes = _sizes(model, blocks, faces)
    for block in blocks:
        for kind, maps in trial_maps(sizes[block]):
            parts = np.split(maps, len(block.groups), axis=1)
            found = run_part(model, dict(zip(block.groups, parts, strict=True)), block.output)
            far = _distance(found, maps)
            if not far <= worst:
                worst, where = far, f"worst in {block.module} at {block.output}, on {kind}"
    detail = f"{len(blocks)} blocks of {', '.join(sorted(modules))} against the definition by sorting"
    return [Check.at_most("selection", worst, LIMIT, "relative error", f"{detail}; {where}".rstrip("; "))]


def selection_int8(
    model: ModelProto, quantized: ModelProto, modules: Collection[str], faces: NDArray[np.uint8]
) -> list[Check]:
    """One row: the largest error of a block's output in the quantized graph, relative to the float graph's.

    Args:
        model, quantized: the graph before and after; nodes bear the same names in both.
        modules: those that select; without any there is no row.
        faces: real faces, uint8 N x H x W x 3.
    """
    if not modules:
        return []
    outputs = [block.output for block in find_blocks(model, modules)]
    errors, powers = np.zeros(len(outputs)), np.zeros(len(outputs))
    pairs = zip(probe(model, outputs, faces), probe(quantized, outputs, faces), strict=True)
    for expected, found in pairs:
        for index, output in enumerate(outputs):
            errors[index] += np.square(found[output] - expected[output]).sum()
            powers[index] += np.square(expected[output]).sum()
    relative = np.sqrt(errors / np.maximum(powers, 1e-30))
    worst = int(relative.argmax())
    detail = f"{len(faces)} faces; " + ", ".join(
        f"{output} {error:.1%}" for output, error in zip(outputs, relative, strict=True)
    )
    return [Check.at_most("selection-int8", relative[worst], INT8_LIMIT, "relative error", detail)]


def trial_maps(shape: tuple[int, ...]) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Name and maps, 1 x 3C x H x W as in ``shape``, of each kind that a block is tried with."""
    generator = np.random.default_rng(0)
    normal = generator.normal(size=shape)
    kinds: Mapping[str, NDArray[np.float64]] = {
        "normal maps": normal,
        "negative maps": -np.abs(normal),
        "ties": generator.integers(0, 2, shape).astype(float),
        "equal maps": np.tile(normal[:, : shape[1] // 3], (1, 3, 1, 1)),
        "ranges from 1e-30 to 1e30": normal * 10.0 ** generator.integers(-30, 31, shape),
    }
    for kind, maps in kinds.items():
        yield kind, maps.astype(np.float32)


def find_blocks(model: ModelProto, modules: Collection[str]) -> list[Block]:
    """The uses of ``modules`` in the graph, each a connected part of it, that return a single value."""
    fixed = constants(model)
    blocks: list[list[NodeProto]] = []
    for node in model.graph.node:
        if module_of(node) not in modules:
            continue
        joined = [block for block in blocks if any({*node.input} & {*each.output} for each in block)]
        blocks = [block for block in blocks if block not in joined] + [[*chain(*joined), node]]
    found = []
    for block in blocks:
        made = {value for node in block for value in node.output}
        given = dict.fromkeys(value for node in block for value in node.input if value not in made | fixed)
        inside = {node.name for node in block}
        outside = [node for node in model.graph.node if node.name not in inside]
        returned = [value for value in made if any(value in node.input for node in outside)]
        if len(returned) == 1:
            found.append(Block(module_of(block[0]), tuple(given), returned[0]))
    return found


def _sizes(model: ModelProto, blocks: list[Block], faces: NDArray[np.uint8]) -> dict[Block, tuple[int, ...]]:
    """Shape 1 x 3C x H x W of the maps that each block is given, its groups taken together."""
    groups = dict.fromkeys(group for block in blocks for group in block.groups)
    values = next(probe(model, [*groups], faces)) if groups else {}
    sizes = {}
    for block in blocks:
        shapes = [values[group].shape for group in block.groups]
        sizes[block] = (shapes[0][0], sum(shape[1] for shape in shapes), *shapes[0][2:])
    return sizes


def _distance(found: NDArray[np.float32], maps: NDArray[np.float32]) -> float:
    """Largest error of the block's answer to ``maps``, relative as :data:`LIMIT` is."""
    highest = np.sort(np.stack(np.split(maps.astype(np.float64), 3, axis=1)), axis=0)[1:]
    expected = highest.mean(0)
    if found.shape != expected.shape:
        return float("inf")
    scale = np.maximum(np.abs(found), np.abs(highest).max(0))
    return float((np.abs(found - expected) / np.maximum(scale, np.finfo(np.float32).tiny)).max())
