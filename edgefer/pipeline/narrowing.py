"""A float graph made narrower: FP16 by casts, INT8 by Q/DQ pairs, what targets have in common only once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from edgefer_calibration import CalibrationSet, Quantized, Ranges
    from edgefer_export.checks import Check


class Quantizer(Protocol):
    """What is called as :func:`edgefer_calibration.quantize` is."""

    def __call__(
        self, target: str, float_onnx: Path, calibration: CalibrationSet, out: Path, *, ranges: Ranges
    ) -> Quantized:
        """Quantize ``float_onnx`` for ``target`` into ``out``."""


RANGE_FACES = 32
"""Faces that FP16's ranges are measured on, and as many that they are checked on: of each face every
activation is looked at."""


@dataclass(frozen=True)
class Narrowed:
    """The graph that an engine is built from.

    Attributes:
        path: the ONNX file.
        recipe: how it was made, as a manifest tells it; None for the float graph itself.
        checks: what making it narrower did to the values inside.
    """

    path: Path
    recipe: Mapping[str, Any] | None = None
    checks: Sequence[Check] = ()


@dataclass(frozen=True)
class Narrowing:
    """Narrows float graphs of one network.

    FP16 is one file for all targets that take the same float graph. INT8 is a file a target, made from
    ranges that are measured once a graph.

    Attributes:
        calibration: faces that ranges are read from; None when nothing is to be narrowed.
        faces: other faces, for the checks, uint8 N x H x W x 3.
        selections: names of the modules that select features by point.
        folder: where graphs are written.
        quantizer: makes INT8 graphs; None for :func:`edgefer_calibration.quantize` itself.
    """

    calibration: CalibrationSet | None
    faces: NDArray[np.uint8]
    selections: Sequence[str]
    folder: Path
    quantizer: Quantizer | None = None
    _halves: dict[Path, Narrowed] = field(default_factory=dict)
    _ranges: dict[Path, Ranges] = field(default_factory=dict)

    def narrow(self, float_onnx: Path, target: str, precision: str) -> Narrowed:
        """``float_onnx``, a file that stays as it is, in ``precision`` for ``target``."""
        if precision not in ("fp16", "int8"):
            return Narrowed(float_onnx)
        assert self.calibration is not None, "fp16 and int8 are asked for together with a calibration set"
        if precision == "int8":
            return self._int8(float_onnx, target, self.calibration)
        if float_onnx not in self._halves:
            self._halves[float_onnx] = self._half(float_onnx, self.calibration)
        return self._halves[float_onnx]

    def _half(self, float_onnx: Path, calibration: CalibrationSet) -> Narrowed:
        import onnx

        from edgefer_export.checks import half_precision
        from edgefer_export.precision import write_fp16

        path = self.folder / f"fp16-{len(self._halves)}.onnx"
        recipe = write_fp16(float_onnx, calibration.images[:RANGE_FACES], path)
        kept = {node.split("/")[0] for node in recipe["float_islands"]}
        checks = half_precision(onnx.load(float_onnx), self.faces[:RANGE_FACES], kept)
        return Narrowed(path, recipe, checks)

    def _int8(self, float_onnx: Path, target: str, calibration: CalibrationSet) -> Narrowed:
        import onnx

        from edgefer_calibration import collect_ranges, quantize
        from edgefer_export.checks import selection_int8

        if float_onnx not in self._ranges:
            self._ranges[float_onnx] = collect_ranges(float_onnx, calibration)
        ranges = self._ranges[float_onnx]
        make: Quantizer = self.quantizer or quantize
        made = make(target, float_onnx, calibration, self.folder / f"{target}-int8.onnx", ranges=ranges)
        checks = selection_int8(onnx.load(float_onnx), onnx.load(made.path), self.selections, self.faces)
        return Narrowed(made.path, made.recipe, checks)
