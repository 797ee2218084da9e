"""What is drawn over a frame: readable, in its place, and never over another face."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgefer_runtime import Face
from edgefer_runtime.errors import DataError, MissingError
from edgefer_runtime.overlay import COLORS, INK, TROUGH, Area, Overlay, Place, color_of

CLASSES = tuple(COLORS)[:7]
WHITE, BLACK = 255, 0


def face(
    left: float, top: float, side: float = 60, label: str = "happiness", track: int | None = None
) -> Face:
    probabilities = np.full(7, 0.05, np.float32)
    probabilities[CLASSES.index(label)] = 0.7
    box = np.array([left, top, left + side, top + side], np.float32)
    return Face(box, None, 0.9, label, probabilities, CLASSES, track)


def frame(shade: int = 120) -> np.ndarray:
    return np.full((480, 640, 3), shade, np.uint8)


def drawn_at(picture: np.ndarray, color: tuple[int, ...]) -> np.ndarray:
    return (picture == color).all(-1)


def panel(picture: np.ndarray) -> tuple[int, int]:
    """Where the bars' troughs begin: left, top."""
    rows, columns = np.nonzero(drawn_at(picture, TROUGH))
    return int(columns.min()), int(rows.min())


@pytest.mark.parametrize("shade", [WHITE, BLACK, 120])
def test_box_label_and_bars_are_there_on_every_ground(shade: int) -> None:
    ground = frame(shade)
    picture = Overlay().draw(ground, [face(100, 200)])
    assert (ground == shade).all() and picture.shape == ground.shape and picture.dtype == np.uint8
    color = COLORS["happiness"]
    for row, column in ((200, 130), (259, 130), (230, 100), (230, 159)):
        assert drawn_at(picture, color)[row - 1 : row + 2, column - 1 : column + 2].any()
    label = picture[183:196, 105:170]
    assert drawn_at(label, color).mean() > 0.5 and (label.max(-1) < 90).mean() > 0.05, (
        "dark letters on colour"
    )
    left, top = panel(picture)
    assert left > 160 and abs(top - 200) < 20, "to the right of the face"


def test_bars_are_as_long_as_probabilities_are_high() -> None:
    shown = face(100, 200)
    shown.probabilities[:] = [0.1, 0, 0.05, 0.5, 0.25, 0.1, 0]
    picture = Overlay().draw(frame(), [shown])
    left, _ = panel(picture)
    bars = picture[:, left:, :]
    length = {
        name: drawn_at(bars, COLORS[name]).sum(1).max(initial=0)
        for name in ("happiness", "sadness", "neutral")
    }
    # The box of the label's colour is to the left of the panel.
    assert length["happiness"] == pytest.approx(2 * length["sadness"], abs=2) and length["sadness"] > 10
    assert length["neutral"] == 0


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(0, 11), unique=True, min_size=1, max_size=12), st.integers(20, 90))
def test_no_label_and_no_panel_covers_a_face(cells: list[int], side: int) -> None:
    ground = np.random.default_rng(0).integers(0, 256, (480, 640, 3), dtype=np.uint8)
    faces = [face(20 + 160 * (cell % 4), 40 + 150 * (cell // 4), side, track=cell) for cell in cells]
    picture = Overlay().draw(ground, faces)
    for each in faces:
        left, top, right, bottom = each.box.astype(int)
        inside = np.s_[top + 8 : bottom - 8, left + 8 : right - 8]
        assert np.array_equal(picture[inside], ground[inside])


@settings(deadline=None, max_examples=40)
@given(
    st.lists(
        st.tuples(st.integers(-20, 620), st.integers(-20, 460), st.integers(10, 160)), min_size=1, max_size=12
    )
)
def test_nothing_lies_over_anything_else_where_there_is_room(squares: list[tuple[int, int, int]]) -> None:
    within = Area(0, 0, 640, 480)
    faces = [face(left, top, side, track=number) for number, (left, top, side) in enumerate(squares)]
    places = Overlay().place(faces, within, 11)
    assert [place.face.track for place in sorted(places, key=lambda place: place.face.track or 0)] == [
        *range(len(faces))
    ]
    tags, boxes = [place.tag for place in places], [place.box for place in places]
    for number, place in enumerate(places):
        if place.panel:
            panels = [other.panel for other in places if other.panel and other is not place]
            assert place.panel.inside(within)
            assert not any(map(place.panel.meets, [*tags, *boxes, *panels]))
        others = [*boxes[:number], *boxes[number + 1 :], *tags[:number]]
        assert not any(map(place.tag.meets, others)) or not within_reach_is_free(place, others, within)


def within_reach_is_free(place: Place, others: list[Area], within: Area) -> bool:
    """Whether a label would have had room right above or below its box."""
    height = place.tag.bottom - place.tag.top
    for top in (place.box.top - height - 2, place.box.bottom + 2):
        spot = place.tag._replace(top=top, bottom=top + height)
        if spot.inside(within) and not any(map(spot.meets, others)):
            return True
    return False


def test_a_crowd_gets_labels_alone() -> None:
    crowd = [face(70 * column, 60 + 70 * row, 40) for column in range(9) for row in range(6)]
    picture = Overlay().draw(frame(), crowd)
    assert not drawn_at(picture, TROUGH).any()
    assert drawn_at(picture, COLORS["happiness"]).sum() > 54 * 300


def test_a_panel_stays_on_its_side_while_it_can() -> None:
    overlay = Overlay()
    squeezed = overlay.draw(frame(), [face(100, 200, track=1), face(180, 200, track=2)])
    assert drawn_at(squeezed[265:, :200], TROUGH).any(), "no room to the right, nor to the left: below"
    left, top = panel(overlay.draw(frame(), [face(100, 200, track=1)]))
    assert left < 160 and top > 260, "it does not jump to the side that is free now"
    assert panel(overlay.draw(frame(), [face(104, 202, track=1)])) == (left + 4, top + 2)
    overlay.draw(frame(), [])
    left, top = panel(overlay.draw(frame(), [face(100, 200, track=1)]))
    assert left > 160 and top < 260, "a face that was gone begins anew"


def test_faces_at_and_over_the_border() -> None:
    faces = [face(-30, -30), face(610, 450), face(-200, 100, 60), face(300, 300, 2), face(-50, -50, 700)]
    for each in [*([one] for one in faces), faces]:
        assert Overlay().draw(frame(), each).shape == (480, 640, 3)
    assert drawn_at(Overlay().draw(frame(), [faces[0]])[30:60, :120], COLORS["happiness"]).sum() > 200


def test_tiny_frames_and_none_at_all() -> None:
    assert np.array_equal(Overlay().draw(frame(), []), frame())
    tiny = np.zeros((8, 8, 3), np.uint8)
    assert Overlay().draw(tiny, [face(1, 1, 5)]).shape == (8, 8, 3)
    with pytest.raises(DataError):
        Overlay().draw(np.zeros((8, 8), np.uint8), [])


def test_every_class_has_a_colour_that_dark_letters_show_on() -> None:
    strangers = ("boredom", "awe", "happiness")
    colors = [color_of(name, strangers) for name in strangers]
    assert colors[2] == COLORS["happiness"] and len({*colors}) == 3
    for color in (*COLORS.values(), *colors):
        linear = [(part / 255) ** 2.2 for part in (*color, *INK)]
        luma = [np.dot(linear[at : at + 3], (0.2126, 0.7152, 0.0722)) for at in (0, 3)]
        assert (luma[0] + 0.05) / (luma[1] + 0.05) > 6.5, "WCAG asks for 4.5"


def test_without_pillow_the_message_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "PIL", None)
    with pytest.raises(MissingError, match="Pillow is not installed"):
        Overlay().draw(frame(), [])
