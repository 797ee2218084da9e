"""Sheets of heat maps: a row a class, each face beside where the network looked for its answer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from edgefer.data.sheet import INK, PAPER
from edgefer_runtime.images import Images

FACES = 4
"""Faces a class."""

SIDE, GAP, TITLE_HEIGHT, CAPTION_HEIGHT = 112, 16, 58, 38
LEGEND = "left: the face and its label; right: what spoke for the answer below it; framed: wrong"
WRONG = (213, 94, 0)
"""Vermilion, told from ink by colour-blind readers too; a frame says the same without colour."""

HEAT = np.array([(0, 0, 4), (87, 16, 110), (188, 55, 84), (249, 142, 9), (252, 255, 164)], dtype=np.float32)
"""Colours from 0 to 1, ever lighter."""


def choose_faces(
    labels: NDArray[np.integer], predicted: NDArray[np.integer], classes: int
) -> list[list[int]]:
    """Up to four faces of each class, half of them answered wrong where there are as many.

    Args:
        labels: N.
        predicted: N.
        classes: K.

    Returns:
        Indices, a row a class: those answered right first, spread evenly over the set.
    """
    rows = []
    for label in range(classes):
        right = np.flatnonzero((labels == label) & (predicted == label))
        wrong = np.flatnonzero((labels == label) & (predicted != label))
        wrongs = min(len(wrong), max(FACES // 2, FACES - len(right)))
        rows.append([*_spread(right, FACES - wrongs), *_spread(wrong, wrongs)])
    return rows


def cam_sheet(
    title: str,
    rows: Sequence[Sequence[int]],
    images: Images,
    heats: NDArray[np.float32],
    labels: Sequence[str],
    answers: Sequence[tuple[str, float]],
) -> Image.Image:
    """Draw the chosen faces, label below, each beside its heat map, answer below; wrong ones are framed.

    Args:
        title: what the sheet shows.
        rows: a list of indices a class, from :func:`choose_faces`.
        images: all faces, uint8, N x H x W x 3.
        heats: heat maps of the chosen faces in the order of ``rows``, M x H x W in 0..1.
        labels: their M labels.
        answers: what the network said of each, and its probability.
    """
    cell = 2 * SIDE + GAP
    height = TITLE_HEIGHT + len(rows) * (SIDE + CAPTION_HEIGHT)
    sheet = Image.new("RGB", (GAP + FACES * cell, height), PAPER)
    draw, font, small = ImageDraw.Draw(sheet), ImageFont.load_default(14), ImageFont.load_default(12)
    draw.text((GAP, 10), title, INK, font)
    draw.text((GAP, 31), LEGEND, INK, small)
    shown = 0
    for row, indices in enumerate(rows):
        for column, index in enumerate(indices):
            x, y = GAP + column * cell, TITLE_HEIGHT + row * (SIDE + CAPTION_HEIGHT)
            face = Image.fromarray(images[np.array([index])][0])
            sheet.paste(face.resize((SIDE, SIDE)), (x, y))
            sheet.paste(overlay(face, heats[shown]).resize((SIDE, SIDE)), (x + SIDE, y))
            said, probability = answers[shown]
            colour = INK if said == labels[shown] else WRONG
            if said != labels[shown]:
                draw.rectangle((x - 3, y - 3, x + 2 * SIDE + 2, y + SIDE + 2), outline=WRONG, width=3)
            draw.text((x, y + SIDE + 4), labels[shown], INK, small)
            draw.text((x + SIDE, y + SIDE + 4), f"{said} {100 * probability:.0f} %", colour, small)
            shown += 1
    return sheet


def overlay(face: Image.Image, heat: NDArray[np.float32]) -> Image.Image:
    """The face in grey under its heat map (H x W in 0..1, the face's size)."""
    stops = np.linspace(0, 1, len(HEAT))
    colours = np.stack([np.interp(heat, stops, HEAT[:, channel]) for channel in range(3)], -1)
    grey = np.asarray(face.convert("L").convert("RGB"), dtype=np.float32)
    return Image.fromarray((0.6 * grey + 0.55 * colours).clip(0, 255).astype(np.uint8))


def _spread(indices: NDArray[np.intp], count: int) -> list[int]:
    """``count`` of the indices, evenly apart, or all of them where they are fewer."""
    places = (np.arange(count) + 0.5) / count * len(indices)
    return [int(index) for index in indices[np.unique(places.astype(np.intp))]] if len(indices) else []
