"""Accuracy of opened engines on a face set, and what each lost against its float reference."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgefer_bench.drop import accuracy_drop
from edgefer_bench.groups import Floats
from edgefer_runtime.bundle import Bundle
from edgefer_runtime.classifier import Classifier
from edgefer_runtime.errors import DataError
from edgefer_runtime.images import Images

CHUNK = 128  # faces between two progress reports

FLOAT_NETWORK = "the float network"
"""What a drop is ``against`` where the network itself was asked."""

Identity = tuple[str, str, str, str]
"""Model, variant, target, precision."""


class Faces(Protocol):
    """Labelled face crops, as ``edgefer.data.faceset.FaceSet`` holds them."""

    @property
    def name(self) -> str:
        """The set and split."""

    @property
    def images(self) -> Images:
        """N x H x W x 3, RGB."""

    @property
    def labels(self) -> NDArray[np.int64]:
        """N, indices into ``classes``."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in order."""

    @property
    def attributes(self) -> Mapping[str, NDArray[np.generic]]:
        """Arrays of length N: ``subject``, ``yaw``, ``session``, ``occlusion``, as far as known."""

    def fingerprint(self) -> str:
        """sha256 over pixels, labels and class names."""


def identity(bundle: Bundle) -> Identity:
    """What a bundle is, as far as two can be compared by it."""
    manifest = bundle.manifest
    return manifest.model, manifest.variant, manifest.target, manifest.precision


class Labelled(Protocol):
    """What is labelled, by name and classes."""

    @property
    def name(self) -> str:
        """The set and split."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in order."""


def check_classes(classes: Sequence[str], path: Path, faces: Labelled) -> None:
    """Raise unless the network or engine at ``path`` has the classes of the set, in whatever order.

    Raises:
        DataError: it has others.
    """
    if {*classes} != {*faces.classes}:
        raise DataError(
            f"{path} tells {', '.join(classes)} apart, {faces.name} is labelled {', '.join(faces.classes)}",
            expected="the same classes, in any order",
            action="choose a set with the classes that the network was trained on; `edgefer eval` compares "
            "over those that both have with --shared-classes",
        )


def in_classes_of(
    probabilities: NDArray[np.float32], classes: Sequence[str], wanted: Sequence[str]
) -> NDArray[np.float32]:
    """Probabilities of the classes wanted, in that order.

    Where others are left out, what remains is divided by its sum: the probabilities of a network that knows
    that the face is one of these.

    Args:
        probabilities: N x K, columns in the order of ``classes``.
        classes: K class names.
        wanted: some or all of them.
    """
    chosen: NDArray[np.float32] = probabilities[:, [classes.index(name) for name in wanted]]
    if len(wanted) == len(classes):
        return chosen
    chosen /= np.maximum(chosen.sum(axis=1, keepdims=True), np.finfo(np.float32).tiny)
    return chosen


def predict(
    classifier: Classifier,
    faces: Faces,
    on_chunk: Callable[[int], None],
    *,
    restricted: bool = False,
) -> NDArray[np.float32]:
    """Probabilities of every face: float32, N x K, columns in the order of the set's classes.

    Args:
        classifier: the engine, open.
        faces: the set.
        on_chunk: told how many faces were done, each time.
        restricted: leave out classes of the engine that the set does not have (:func:`in_classes_of`).

    Raises:
        DataError: the engine and the set do not have the same classes, and it is not ``restricted``.
    """
    if not restricted:
        check_classes(classifier.classes, classifier.bundle.path, faces)
    chunks = []
    for start in range(0, len(faces.images), CHUNK):
        probabilities = classifier.predict(faces.images[start : start + CHUNK])
        chunks.append(in_classes_of(probabilities, classifier.classes, faces.classes))
        on_chunk(len(chunks[-1]))
    return np.concatenate(chunks)


def drops(
    bundles: Sequence[Bundle],
    predictions: Sequence[Floats],
    faces: Faces,
    references: Sequence[Floats | None] | None = None,
) -> list[dict[str, Any]]:
    """What each engine lost, as JSON objects.

    Args:
        bundles: the engines.
        predictions: their probabilities, in the same order.
        faces: what they were made on.
        references: of each, what its float network answers (N x K, columns as ``faces.classes``). Where that
            is not at hand, it is compared with the fp32 engine of its own model, variant and target.

    Returns:
        A bundle's :class:`edgefer_bench.drop.Drop`, with ``against`` naming the reference. An fp32 engine
        that is its own reference has 0 points exactly. Without any reference, ``points`` and ``interval``
        are null and ``reason`` says why.
    """
    by_identity = {identity(bundle): made for bundle, made in zip(bundles, predictions, strict=True)}
    found: list[dict[str, Any]] = []
    for bundle, made, network in zip(bundles, predictions, references or [None] * len(bundles), strict=True):
        model, variant, target, precision = identity(bundle)
        twin = f"{target} fp32"
        wanted = by_identity.get((model, variant, target, "fp32")) if network is None else network
        if wanted is None:
            reason = f"no {twin} engine of {model} {variant} was measured with it, nor its network asked"
            found.append({"against": None, "points": None, "interval": None, "reason": reason})
        elif network is None and precision == "fp32":
            found.append(
                {"against": twin, "points": 0.0, "interval": (0.0, 0.0), "reason": "is the reference"}
            )
        else:
            drop = accuracy_drop(
                wanted, made, faces.labels, classes=faces.classes, attributes=faces.attributes
            )
            found.append({"against": twin if network is None else FLOAT_NETWORK, **drop.to_json()})
    return found
