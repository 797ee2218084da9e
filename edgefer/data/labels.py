"""Expressions by name, whatever a set calls them and in whatever order it counts them."""

from __future__ import annotations

from collections.abc import Collection, Mapping

EXPRESSIONS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
"""The seven classes in edgefer's own order; a checkpoint and a bundle carry theirs with them."""
EIGHT = (*EXPRESSIONS, "contempt")
"""The seven classes and contempt, which FERPlus, AffectNet and CK+ add."""

SYNONYMS: Mapping[str, str] = {
    **{name: name for name in EIGHT},
    "angry": "anger",
    "disgusted": "disgust",
    "afraid": "fear",
    "fearful": "fear",
    "happy": "happiness",
    "sad": "sadness",
    "surprised": "surprise",
    "contemptuous": "contempt",
}
"""What pictures' folders and lists call the expressions -> edgefer's names."""


def own_classes(words: Collection[str]) -> dict[str, str]:
    """The classes of a user's own set: each word -> class name, the classes in order.

    Where every word means an expression, the classes bear edgefer's names in edgefer's order, so that
    "angry" here and "anger" in a checkpoint are one class. Otherwise the words are the classes, sorted.
    """
    meant = {word: SYNONYMS.get(word.strip().lower(), "") for word in words}
    if all(meant.values()):
        return dict(sorted(meant.items(), key=lambda item: (EIGHT.index(item[1]), item[0])))
    return {word: word for word in sorted(words)}
