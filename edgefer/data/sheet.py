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
THUMBNAIL = 72
"""Largest side of a face on a balance sheet, in pixels."""
IN_ORDER, ORDERED, A_VIEW = 12, 120, 3
"""On a balance sheet: faces in a row without yaws, unlabelled faces in all, and faces of a class and yaw."""
LABEL_WIDTH, HEADING_HEIGHT, GAP = 96, 44, 10
INK, PAPER, BLANK = (30, 30, 34), (255, 255, 255), (236, 236, 238)


class Block(NamedTuple):
    """Columns that belong together.

    Attributes:
        title: over the block.
        headings: over each column.
        cells: a row per class, an index into the face set per column; -1 leaves the cell blank.
        notes: a word per row, written into its last cell; none by default.
    """

    title: str
    headings: Sequence[str]
    cells: Sequence[Sequence[int]]
    notes: Sequence[str] = ()


def contact_sheet(faces: FaceSet) -> Image.Image:
    """A labelled picture of the set, drawn at the faces' own size.

    With the attributes that SynthFER has: for each class, frontal faces of six people, one person from all
    sides, and one face for each kind of occlusion. Of a set without them: the first twelve of each class.
    """
    return _drawn(faces, faces.classes, _blocks(faces), faces.images.shape[1:3])


def balance_sheet(faces: FaceSet) -> Image.Image:
    """A picture of how a set is made up: a row a class, a block a yaw, the number of faces with each.

    Without yaws it is one block; of one class alone, the first faces in their order. Faces are drawn at
    their own size, at most 72 pixels a side.
    """
    scale = min(1, THUMBNAIL / max(faces.images.shape[1:3]))
    height, width = (max(1, round(scale * length)) for length in faces.images.shape[1:3])
    if len(faces.classes) == 1:
        shown = range(min(len(faces), ORDERED))
        starts = range(0, len(shown), IN_ORDER)
        cells = [_padded(np.array(shown[start : start + IN_ORDER]), IN_ORDER) for start in starts]
        title = f"{faces.name}: the first {len(shown)} of {len(faces):,} {faces.classes[0]} pictures"
        return _drawn(
            faces,
            [f"{start + 1}-{min(start + IN_ORDER, len(shown))}" for start in starts],
            [Block(title, [""] * IN_ORDER, cells)],
            (height, width),
        )
    yaw = faces.attributes.get("yaw")
    views = {faces.name: np.full(len(faces), True)} if yaw is None else _views(yaw)
    columns = IN_ORDER if yaw is None else A_VIEW
    blocks = []
    for view, seen in views.items():
        members = [np.flatnonzero(seen & (faces.labels == label)) for label in range(len(faces.classes))]
        blocks.append(
            Block(
                f"{view}: {seen.sum():,}",
                [""] * columns,
                [_padded(each, columns) for each in members],
                [f"{len(each):,}" for each in members],
            )
        )
    counts = np.bincount(faces.labels, minlength=len(faces.classes))
    rows = [f"{name} {count:,}" for name, count in zip(faces.classes, counts, strict=True)]
    return _drawn(faces, rows, blocks, (height, width))


def _drawn(
    faces: FaceSet, rows: Sequence[str], blocks: Sequence[Block], size: tuple[int, ...]
) -> Image.Image:
    """Blocks side by side, cells of ``size`` (height, width) in pixels."""
    height, width = size
    columns = sum(len(block.headings) for block in blocks)
    across = LABEL_WIDTH + columns * width + GAP * len(blocks)
    sheet = Image.new("RGB", (across, HEADING_HEIGHT + len(rows) * height + GAP), PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for row, name in enumerate(rows):
        middle = HEADING_HEIGHT + row * height + height // 2
        draw.text((LABEL_WIDTH - 8, middle), name, INK, font, anchor="rm")
    left = LABEL_WIDTH
    for block in blocks:
        draw.text((left, 4), block.title, INK, font)
        for column, heading in enumerate(block.headings):
            x = left + column * width
            draw.text((x + width // 2, HEADING_HEIGHT - 8), heading, INK, font, anchor="ms")
            for row, cells in enumerate(block.cells):
                y = HEADING_HEIGHT + row * height
                if (index := cells[column]) >= 0:
                    face = Image.fromarray(faces.images[index : index + 1][0])
                    sheet.paste(face.resize((width, height)), (x, y))
                else:
                    draw.rectangle((x, y, x + width - 1, y + height - 1), BLANK)
        left += len(block.headings) * width + GAP
        for row, note in enumerate(block.notes):
            corner = left - GAP - 3, HEADING_HEIGHT + (row + 1) * height - 3
            draw.rectangle(draw.textbbox(corner, note, font, anchor="rb"), PAPER)
            draw.text(corner, note, INK, font, anchor="rb")
    return sheet


def _views(yaw: NDArray[np.generic]) -> dict[str, NDArray[np.bool_]]:
    """Who looks to which side: a name, and a mask."""
    return {f"yaw {angle:+g}°" if angle else "yaw 0°": yaw == angle for angle in np.unique(yaw).tolist()}


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
