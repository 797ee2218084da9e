"""Where in a network the last maps of a face are computed, and where its features meet the classifier.

What Grad-CAM, maps of the features and the checks of an export need to know; each model's module says it
beside its network.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import nn


class Maps(NamedTuple):
    """Modules that compute the last maps of a face.

    Attributes:
        modules: one that returns N x C x H x W. Of a face in patches: one for each patch, row by row, or one
            for all of them, that returns each face's patches one after another, N * grid^2 x C x H x W.
        grid: patches a side.
    """

    modules: tuple[nn.Module, ...]
    grid: int = 1


class Anatomy(NamedTuple):
    """What a network bases its decision on.

    Attributes:
        maps: the last maps, of each branch that has its own.
        classifiers: the layers that decide; what they are given, N x D, is the feature.
        selections: modules that keep the mean of the two highest of three groups of channels (PWFS).
    """

    maps: tuple[Maps, ...]
    classifiers: tuple[nn.Module, ...]
    selections: tuple[nn.Module, ...] = ()
