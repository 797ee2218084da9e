"""Pictures of an evaluation, drawn with matplotlib: what is taken for what, and maps of features.

Colours are Okabe and Ito's, which colour-blind readers tell apart, and every class has a shape as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7", "#000000")
SHAPES = "os^DvPX*"
EDGE = "#00000060"
"""Keeps light colours visible on white."""

DPI = 120


def draw_confusion(evaluation: Mapping[str, Any], path: Path) -> None:
    """Write the confusion matrix: faces in each cell, shaded by the share of its row.

    Args:
        evaluation: its JSON form, with ``subject`` and ``data``.
        path: where to; the suffix chooses the format.
    """
    names = evaluation["classes"]
    counts = np.array(evaluation["confusion"])
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = 2.6 + 0.62 * len(names)
    figure = _figure((side + 0.6, side))
    axes = figure.subplots()
    image = axes.imshow(100 * shares, cmap="Blues", vmin=0, vmax=100)
    for row, column in np.ndindex(*counts.shape):
        if counts[row, column]:
            colour = "white" if shares[row, column] > 0.55 else "black"
            axes.text(column, row, f"{counts[row, column]:,}", ha="center", va="center", color=colour)
    axes.set_xticks(range(len(names)), names, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="predicted", ylabel="true class")
    low, high = evaluation["interval"]
    axes.set_title(
        f"{evaluation['subject']} on {evaluation['data']}\n{evaluation['images']:,} faces, "
        f"accuracy {evaluation['accuracy']:.1f} % [{low:.1f}, {high:.1f}]",
        fontsize="medium",
    )
    figure.colorbar(image, label="% of the true class", shrink=0.8)
    figure.savefig(path, dpi=DPI)


def draw_embedding(
    title: str,
    points: NDArray[np.floating[Any]],
    labels: NDArray[np.integer],
    predicted: NDArray[np.integer],
    classes: Sequence[str],
    path: Path,
) -> None:
    """Write a map of features: a mark a face, filled where the answer was right, hollow where it was wrong.

    Args:
        title: what the map shows.
        points: N x 2.
        labels: N, which colour and shape stand for.
        predicted: N.
        classes: K class names.
        path: where to; the suffix chooses the format.
    """
    figure = _figure((7.6, 5.6))
    axes = figure.subplots()
    for k, name in enumerate(classes):
        colour, shape = COLOURS[k % len(COLOURS)], SHAPES[(k + k // len(COLOURS)) % len(SHAPES)]
        right, wrong = (points[(labels == k) & each] for each in (predicted == k, predicted != k))
        mark = partial(axes.scatter, s=22, marker=shape)
        mark(right[:, 0], right[:, 1], facecolors=colour, edgecolors=EDGE, linewidths=0.7, label=name)
        mark(wrong[:, 0], wrong[:, 1], facecolors="none", edgecolors=colour, linewidths=1.2)
    axes.scatter([], [], marker="o", facecolors="none", edgecolors="grey", label="hollow: wrong")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_title(title, fontsize="medium")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    figure.savefig(path, dpi=DPI)


def _figure(size_inches: tuple[float, float]) -> Figure:
    """An empty figure that belongs to no window and no global state."""
    from matplotlib.figure import Figure

    return Figure(figsize=size_inches, layout="constrained")
