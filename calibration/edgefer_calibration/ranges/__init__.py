"""Ranges: what each tensor of a float graph held while calibration faces ran through it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgefer_calibration.ranges.histogram import Histogram
from edgefer_calibration.ranges.methods import METHODS, Limits
from edgefer_calibration.session import open_session
from edgefer_calibration.validation import validate
from edgefer_runtime.contract import PREPROCESSING
from edgefer_runtime.errors import DataError, UsageError

if TYPE_CHECKING:
    from onnx import ModelProto

    from edgefer_calibration.sets import CalibrationSet

__all__ = ["METHODS", "Histogram", "Limits", "Ranges", "collect_on_the_way", "collect_ranges"]

COUNTED = 1 << 15
"""Values of a tensor that a face adds to its histogram at most, evenly spaced; its range takes in all."""


@dataclass(frozen=True)
class Ranges:
    """What was seen, apart from any choice of a target or method: one pass serves them all.

    Attributes:
        histograms: tensor -> what it held.
        faces: faces that ran.
    """

    histograms: Mapping[str, Histogram]
    faces: int
    _limits: dict[tuple[str, bool], dict[str, Limits]] = field(default_factory=dict, repr=False)

    def limits(self, method: str = "minmax", *, symmetric: bool = False) -> dict[str, Limits]:
        """Tensor -> the range that INT8 should cover.

        Args:
            method: one of :data:`METHODS`.
            symmetric: the integers will be signed, with zero point 0.

        Raises:
            UsageError: no such method.
        """
        if method not in METHODS:
            raise UsageError(f"calibration method {method!r}", expected=f"one of {', '.join(METHODS)}")
        key = (method, symmetric)
        if key not in self._limits:
            choose = METHODS[method]
            self._limits[key] = {
                name: choose(histogram, symmetric) for name, histogram in self.histograms.items()
            }
        return self._limits[key]


def collect_ranges(float_onnx: Path, calibration: CalibrationSet) -> Ranges:
    """Run the calibration faces through ``float_onnx`` and look at every activation.

    Faces run one at a time, and of each only its values' counts are kept: memory does not grow with the set.

    Args:
        float_onnx: written by ``edgefer_export.export_onnx``, static batch 1 or dynamic.
        calibration: validated first.

    Raises:
        DataError: the calibration set is not usable, or an activation is infinite or not a number.
    """
    (ranges,) = collect_on_the_way(float_onnx, calibration, [len(calibration)])
    return ranges


def collect_on_the_way(
    float_onnx: Path, calibration: CalibrationSet, counts: Sequence[int]
) -> Iterator[Ranges]:
    """The ranges of several beginnings of one set, from one pass: no face runs twice.

    Args:
        float_onnx, calibration: as :func:`collect_ranges`; the whole set is validated.
        counts: how many faces each beginning has, ascending.

    Yields:
        Of each beginning its ranges, as soon as its last face has run; no face runs before it is asked for.

    Raises:
        DataError: as :func:`collect_ranges`.
    """
    import onnx

    validate(calibration)
    model = onnx.shape_inference.infer_shapes(onnx.load(float_onnx))
    names = activations(model)
    del model.graph.output[:]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    session = open_session(model.SerializeToString(), rearranged=False)
    histograms = {name: Histogram() for name in names}
    argument = session.get_inputs()[0].name
    for begin, end in pairwise([0, *counts]):
        for turn in range(begin, end):
            face = np.ascontiguousarray(calibration.images[turn : turn + 1])
            for name, values in zip(names, session.run(names, {argument: face}), strict=True):
                if not np.isfinite(values).all():
                    raise DataError(
                        f"{calibration.name}: {name} is infinite or not a number on image "
                        f"{calibration.indices[turn]}",
                        expected="a float network that is finite on its calibration faces",
                        action="run `edgefer check` on the float graph",
                    )
                step = -(-values.size // COUNTED)
                histograms[name].add(values, slice(turn % step, None, step))
        yield Ranges(deepcopy(histograms), end)


def activations(model: ModelProto) -> list[str]:
    """Float tensors that are computed from the images, from the network's own input on."""
    import onnx

    floats = {
        value.name
        for value in (*model.graph.value_info, *model.graph.output)
        if value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    }
    network = [node for node in model.graph.node if not node.name.startswith(PREPROCESSING)]
    made = dict.fromkeys(value for node in model.graph.node for value in node.output)
    wanted = {value for node in network for value in (*node.input, *node.output)}
    return [name for name in made if name in floats and name in wanted]
