"""Pictures of an evaluation; that they say what they should was looked at, this holds them to their data."""

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("matplotlib")

from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from edgefer_bench import pictures
from edgefer_bench.metrics import evaluate


@pytest.fixture
def drawn(monkeypatch):
    """The figures that were made."""
    figures = []

    def remember(size_inches):
        figures.append(Figure(figsize=size_inches, layout="constrained"))
        return figures[-1]

    monkeypatch.setattr(pictures, "_figure", remember)
    return figures


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
def test_a_confusion_matrix_has_its_counts_in_their_places(tmp_path, drawn, suffix):
    labels, predicted = np.array([0, 0, 0, 1, 1, 2]), np.array([0, 0, 1, 1, 1, 0])
    found = evaluate(np.eye(3)[predicted], labels, classes=("anger", "fear", "joy")).to_json()
    path = tmp_path / f"matrix.{suffix}"
    pictures.draw_confusion({**found, "subject": "pattlite", "data": "synthfer:test"}, path)
    axes = drawn[0].axes[0]
    assert {(*text.get_position(), text.get_text()) for text in axes.texts} == {
        (0, 0, "2"),
        (1, 0, "1"),
        (1, 1, "2"),
        (0, 2, "1"),
    }
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["anger", "fear", "joy"]
    assert "pattlite on synthfer:test\n6 faces, accuracy 66.7 %" in axes.get_title()
    np.testing.assert_allclose(axes.images[0].get_array()[0], [200 / 3, 100 / 3, 0])
    assert Image.open(path).size[0] > 300


def test_a_map_shows_every_face_where_it_lies_and_wrong_ones_hollow(tmp_path, drawn):
    points = np.arange(24, dtype=np.float32).reshape(12, 2)
    labels, predicted = np.arange(12) % 3, np.where(np.arange(12) < 3, 2, np.arange(12) % 3)
    pictures.draw_embedding("a title", points, labels, predicted, ("a", "b", "c"), tmp_path / "map.png")
    axes = drawn[0].axes[0]
    *marks, _legend_entry = axes.collections
    shown = np.vstack([mark.get_offsets() for mark in marks])
    assert {tuple(point) for point in shown} == {tuple(point) for point in points}
    hollow = np.vstack([mark.get_offsets() for mark in marks if not len(mark.get_facecolors())])
    np.testing.assert_array_equal(hollow, points[:2])
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["a", "b", "c", "hollow: wrong"]
    assert axes.get_title() == "a title"


def test_colours_and_shapes_tell_twenty_classes_apart(tmp_path, drawn):
    labels = np.arange(20)
    points = np.stack([labels, labels], 1)
    pictures.draw_embedding("", points, labels, labels, [f"{k}" for k in labels], tmp_path / "map.png")
    looks = {
        (tuple(mark.get_facecolors()[0]), mark.get_paths()[0].vertices.tobytes())
        for mark in drawn[0].axes[0].collections[:-1]
        if len(mark.get_offsets())
    }
    assert len(looks) == 20
    assert to_rgba(pictures.COLOURS[0]) in {colour for colour, _ in looks}
