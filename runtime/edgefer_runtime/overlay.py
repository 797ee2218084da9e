"""Faces drawn over their frame: a box and the label of each, and where there is room a bar for each class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgefer_runtime.images import check_crop
from edgefer_runtime.pictures import require_pillow

if TYPE_CHECKING:
    from edgefer_runtime.analyzer import Face

Color = tuple[int, int, int]
COLORS: dict[str, Color] = {
    "anger": (255, 112, 112),
    "disgust": (132, 214, 92),
    "fear": (190, 150, 255),
    "happiness": (255, 214, 74),
    "sadness": (96, 180, 255),
    "surprise": (255, 162, 72),
    "neutral": (214, 218, 224),
    "contempt": (84, 212, 200),
}
"""All light enough for dark letters; other classes take them in turn."""
INK, SHADE, TROUGH = (18, 18, 22), (18, 18, 22, 176), (78, 78, 86)
PLAIN = (226, 228, 232)

LINES_A_FRAME = 42
"""Lines of text that would fill a frame from top to bottom."""
SMALLEST_TEXT, LARGEST_TEXT = 11, 36
ROW, BAR, TAG = 1.32, 4.6, 1.5
"""Height of a panel's row, length of its bars and height of a label, in heights of the text."""
TAG_ROWS = 3
"""How many labels may be stacked over a crowd, and below it."""


class Area(NamedTuple):
    """A rectangle in pixels."""

    left: float
    top: float
    right: float
    bottom: float

    @classmethod
    def at(cls, left: float, top: float, width: float, height: float) -> Area:
        """By its corner and size."""
        return cls(left, top, left + width, top + height)

    def meets(self, other: Area) -> bool:
        """Whether they overlap."""
        return (
            self.left < other.right
            and other.left < self.right
            and self.top < other.bottom
            and other.top < self.bottom
        )

    def inside(self, other: Area) -> bool:
        """Whether no part of it is outside."""
        return (
            self.left >= other.left
            and self.top >= other.top
            and self.right <= other.right
            and self.bottom <= other.bottom
        )

    def slid_across(self, within: Area) -> Area:
        """Moved to the side as far as it takes to be inside."""
        by = max(within.left - self.left, 0) + min(within.right - self.right, 0)
        return self._replace(left=self.left + by, right=self.right + by)

    def slid_down(self, within: Area) -> Area:
        """Moved up or down as far as it takes to be inside."""
        by = max(within.top - self.top, 0) + min(within.bottom - self.bottom, 0)
        return self._replace(top=self.top + by, bottom=self.bottom + by)


@dataclass
class Place:
    """Where a face is drawn: its box, its label, and its panel of bars if there is room."""

    face: Face
    box: Area
    tag: Area = field(init=False)
    panel: Area | None = None


class Overlay:
    """Draws the faces of successive frames; a panel of bars stays on its face's side while it can.

    A face whose panel would cover another face, or has no room in the frame, gets its box and label alone:
    small faces in a crowd stay readable.
    """

    def __init__(self) -> None:
        self._sides: dict[int, int] = {}

    def draw(self, frame: NDArray[np.uint8], faces: Sequence[Face]) -> NDArray[np.uint8]:
        """A copy of ``frame`` (uint8, H x W x 3, RGB) with its faces drawn over it.

        Raises:
            DataError: the frame is of another type or shape.
            MissingError: Pillow is not installed.
        """
        check_crop(frame)
        require_pillow("to draw")
        from PIL import Image, ImageDraw

        picture = Image.fromarray(frame)
        draw = ImageDraw.Draw(picture, "RGBA")
        height, width = frame.shape[:2]
        text = min(max(round(height / LINES_A_FRAME), SMALLEST_TEXT), LARGEST_TEXT)
        for place in self.place(faces, Area(0, 0, width, height), text):
            _draw_box(draw, place, text)
            _draw_tag(draw, place, text)
            if place.panel:
                _draw_panel(draw, place.face, place.panel, text)
        return np.asarray(picture)

    def place(self, faces: Sequence[Face], within: Area, text: int) -> list[Place]:
        """Where all of it goes in a frame, the largest faces first; ``text`` is its height in pixels."""
        places = [
            Place(face, Area(*map(float, face.box)))
            for face in sorted(faces, key=lambda face: float(face.box[0] - face.box[2]))
        ]
        taken = [place.box for place in places]
        for place in places:
            place.tag = _place_tag(place, taken, within, text)
            taken.append(place.tag)
        for place in places:
            place.panel = self._place_panel(place, taken, within, text)
            if place.panel:
                taken.append(place.panel)
        seen = {face.track for face in faces}
        self._sides = {track: side for track, side in self._sides.items() if track in seen}
        return places

    def _place_panel(self, place: Place, taken: Sequence[Area], within: Area, text: int) -> Area | None:
        """Where a face's panel goes: where it was, else to the right, left, below or above; or nowhere."""
        face, box = place.face, place.box
        width, height = _panel_size(face.classes, text)
        gap = text * 0.5
        middle = (box.left + box.right - width) / 2
        places = (
            Area.at(box.right + gap, box.top, width, height).slid_down(within),
            Area.at(box.left - gap - width, box.top, width, height).slid_down(within),
            Area.at(middle, box.bottom + gap, width, height).slid_across(within),
            Area.at(middle, box.top - 2 * gap - TAG * text - height, width, height).slid_across(within),
        )
        before = None if face.track is None else self._sides.get(face.track)
        for side in sorted(range(len(places)), key=lambda side: side != before):
            if places[side].inside(within) and not any(map(places[side].meets, taken)):
                if face.track is not None:
                    self._sides[face.track] = side
                return places[side]
        return None


def color_of(label: str, classes: Sequence[str]) -> Color:
    """The colour that stands for a class."""
    return COLORS.get(label) or list(COLORS.values())[classes.index(label) % len(COLORS)]


def _place_tag(place: Place, taken: Sequence[Area], within: Area, text: int) -> Area:
    """Where a face's label goes: above its box, else higher, else below it, where it covers nothing."""
    box = place.box
    width, height = sum(_tag_widths(place.face, text)), TAG * text
    above = Area.at(box.left, box.top - height - 2, width, height).slid_across(within)
    below = above._replace(top=box.bottom + 2, bottom=box.bottom + 2 + height)
    rows = [
        first._replace(top=first.top + row * height * way, bottom=first.bottom + row * height * way)
        for first, way in ((above, -1.1), (below, 1.1))
        for row in range(TAG_ROWS)
    ]
    others = [area for area in taken if area is not box]
    free = (row for row in rows if row.inside(within) and not any(map(row.meets, others)))
    return next(free, above.slid_down(within))


def _draw_box(draw: Any, place: Place, text: int) -> None:
    """In its label's colour, with a dark rim that shows on light grounds."""
    face, box = place.face, place.box
    line = max(2, round(text / 6))
    radius = min(text * 0.6, (box.right - box.left) / 4)
    rim = (box.left - 1, box.top - 1, box.right + 1, box.bottom + 1)
    draw.rounded_rectangle(rim, radius, outline=INK, width=line + 2)
    draw.rounded_rectangle(box, radius, outline=color_of(face.label, face.classes), width=line)


def _draw_tag(draw: Any, place: Place, text: int) -> None:
    face, tag = place.face, place.tag
    wide, _ = _tag_widths(face, text)
    font, middle = _font(text), (tag.top + tag.bottom) / 2
    draw.rounded_rectangle(tag, text * 0.35, fill=INK)
    colored = tag._replace(right=tag.left + wide)
    draw.rounded_rectangle(colored, text * 0.35, fill=color_of(face.label, face.classes))
    draw.text((tag.left + text * 0.45, middle), _name(face), INK, font, anchor="lm")
    if face.track is not None:
        draw.text((tag.left + wide + text * 0.35, middle), str(face.track), PLAIN, font, anchor="lm")


def _name(face: Face) -> str:
    return f"{face.label} {face.confidence:.0%}"


def _tag_widths(face: Face, text: int) -> tuple[float, float]:
    """Of the label, and of the track's number beside it."""
    font = _font(text)
    aside = 0.0 if face.track is None else font.getlength(str(face.track)) + text * 0.7
    return font.getlength(_name(face)) + text * 0.9, aside


def _draw_panel(draw: Any, face: Face, panel: Area, text: int) -> None:
    font, small = _font(text), text * 0.5
    draw.rectangle(panel, fill=SHADE)
    names = _names_width(face.classes, text)
    for row, (name, probability) in enumerate(zip(face.classes, face.probabilities, strict=True)):
        middle = panel.top + small + (row + 0.5) * text * ROW
        color = color_of(name, face.classes)
        ink = color if name == face.label else PLAIN
        draw.text((panel.left + small + names, middle), name, ink, font, anchor="rm")
        bar = Area.at(panel.left + 2 * small + names, middle - text * 0.28, text * BAR, text * 0.56)
        draw.rectangle(bar, fill=TROUGH)
        if (length := text * BAR * float(probability)) >= 1:
            draw.rectangle(bar._replace(right=bar.left + length), fill=color)


def _panel_size(classes: tuple[str, ...], text: int) -> tuple[float, float]:
    return _names_width(classes, text) + text * (BAR + 1.5), len(classes) * text * ROW + text


@cache
def _names_width(classes: tuple[str, ...], text: int) -> float:
    return float(max(map(_font(text).getlength, classes)))


@cache
def _font(size: int) -> Any:
    from PIL import ImageFont

    font: Any = ImageFont.load_default(size)
    # Class names need no shaping, which takes several times as long.
    return font.font_variant(layout_engine=ImageFont.Layout.BASIC)
