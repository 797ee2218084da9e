"""Contact sheets: a face set at a glance, one row a class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from edgefer.data.faceset import FaceSet

PEOPLE = 6
"""Faces a class in the first block."""
LABEL_WIDTH, HEADING_HEIGHT, GAP = 96, 44, 10
INK, PAPER, BLANK = (30, 30, 34), (255, 255, 255), (236, 236, 238)


class Block(NamedTuple):
    """Columns that belong together.

    Attributes:
        title: over the block.
        headings: over each column.
        cells: a row per class, an index into the face set per column; -1 leaves the cell blank.
    """

    title: str
    headings: Sequence[str]
    cells: list[list[int]]


def contact_sheet(faces: FaceSet) -> Image.Image:
    """A labelled picture of the set, drawn at the faces' own size.

    With the attributes that SynthFER has: for each class, frontal faces of six people, one person from all
    sides, and one face for each kind of occlusion. Of a set without them: the first twelve of each class.
    """
    size = faces.images.shape[1:3]
    blocks = _blocks(faces)
    columns = sum(len(block.headings) for block in blocks)
    width = LABEL_WIDTH + columns * size[1] + GAP * len(blocks)
    sheet = Image.new("RGB", (width, HEADING_HEIGHT + len(faces.classes) * size[0] + GAP), PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for row, name in enumerate(faces.classes):
        middle = HEADING_HEIGHT + row * size[0] + size[0] // 2
        draw.text((LABEL_WIDTH - 8, middle), name, INK, font, anchor="rm")
    left = LABEL_WIDTH
    for block in blocks:
        draw.text((left, 4), block.title, INK, font)
        for column, heading in enumerate(block.headings):
            x = left + column * size[1]
            draw.text((x + size[1] // 2, HEADING_HEIGHT - 8), heading, INK, font, anchor="ms")
            for row, cells in enumerate(block.cells):
                y = HEADING_HEIGHT + row * size[0]
                if (index := cells[column]) >= 0:
                    sheet.paste(Image.fromarray(faces.images[index : index + 1][0]), (x, y))
                else:
                    draw.rectangle((x, y, x + size[1] - 1, y + size[0] - 1), BLANK)
        left += len(block.headings) * size[1] + GAP
    return sheet


def _blocks(faces: FaceSet) -> list[Block]:
    if not {"subject", "yaw", "occlusion"} <= set(faces.attributes):
        shown = 2 * PEOPLE
        cells = [_padded(np.flatnonzero(faces.labels == label), shown) for label in range(len(faces.classes))]
        return [Block(faces.name, [""] * shown, cells)]
    subject, yaw, occlusion = (faces.attributes[name] for name in ("subject", "yaw", "occlusion"))
    yaws, kinds = sorted({*yaw.tolist()}), sorted({*occlusion.tolist()} - {"none"})
    people, free = list(dict.fromkeys(subject.tolist())), occlusion == "none"
    if "session" in faces.attributes and "studio" in faces.attributes["session"]:
        free &= faces.attributes["session"] == "studio"
    frontal: list[list[int]] = []
    turned: list[list[int]] = []
    covered: list[list[int]] = []
    for label in range(len(faces.classes)):
        shown = faces.labels == label
        frontal.append([_first(shown & free & (yaw == 0) & (subject == who)) for who in people[:PEOPLE]])
        turning = subject == people[(PEOPLE + label) % len(people)]
        turned.append([_first(shown & free & turning & (yaw == angle)) for angle in yaws])
        # another person and side for each cell, so that a column does not show one face seven times
        covered.append([_some(shown & (occlusion == kind), label + i) for i, kind in enumerate(kinds)])
    return [
        Block(
            f"{faces.name}: {len(frontal[0])} people from the front",
            [f"{who}" for who in people[:PEOPLE]],
            frontal,
        ),
        Block(
            "one person from all sides (yaw in degrees)",
            [f"{angle:+d}" if angle else "0" for angle in yaws],
            turned,
        ),
        Block("covered, in the wild", kinds, covered),
    ]


def _first(chosen: NDArray[np.bool_]) -> int:
    return _some(chosen, 0)


def _some(chosen: NDArray[np.bool_], turn: int) -> int:
    """One index where ``chosen`` holds, another for each ``turn``; -1 where there is none."""
    indices = np.flatnonzero(chosen)
    return int(indices[turn * 7 % len(indices)]) if len(indices) else -1


def _padded(indices: NDArray[np.intp], count: int) -> list[int]:
    cells = np.full(count, -1)
    cells[: len(indices)] = indices[:count]
    return [int(cell) for cell in cells]
