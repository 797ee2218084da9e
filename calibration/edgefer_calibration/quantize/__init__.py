"""INT8 for one target, from a float ONNX graph and a calibration set.

No single quantized file is fastest everywhere, nor even runs everywhere, so each target has its own recipe
in a file of its own: a function ``recipe(float_model) -> Recipe``.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgefer_calibration.quantize.qdq import Form, Recipe, write_qdq
from edgefer_calibration.ranges import METHODS, Ranges, collect_ranges
from edgefer_calibration.sets import CalibrationSet
from edgefer_runtime.errors import MissingError, UsageError
from edgefer_runtime.files import replacing

if TYPE_CHECKING:
    from onnx import ModelProto

__all__ = ["RECIPES", "Form", "Quantized", "Recipe", "quantize", "recipe_for"]

RECIPES = {
    "onnxruntime": "onnxruntime",
    "openvino": "openvino",
    "tensorrt": "tensorrt",
    "tensorrt-rtx": "tensorrt",
}
"""Target -> the module beside this one that has its recipe."""


@dataclass(frozen=True, slots=True)
class Quantized:
    """A quantized ONNX graph with the float graph's inputs and outputs.

    Attributes:
        path: the file.
        recipe: how it was made, as JSON: method, types, islands, library versions, calibration set.
    """

    path: Path
    recipe: dict[str, Any]


def quantize(
    target: str,
    float_onnx: Path,
    calibration: CalibrationSet,
    out: Path,
    *,
    float_modules: Collection[str] = (),
    method: str | None = None,
    ranges: Ranges | None = None,
) -> Quantized:
    """Quantize ``float_onnx`` for ``target`` and write it to ``out``.

    Args:
        target: one of :data:`RECIPES`.
        float_onnx: written by ``edgefer_export.export_onnx``, static batch 1 or dynamic.
        calibration: faces that are in no evaluation set; validated first.
        out: the file to write; it appears whole or not at all.
        float_modules: names of the network's modules that stay float with all that is below them, on top of
            the recipe's own islands.
        method: how ranges are chosen, one of :data:`edgefer_calibration.ranges.METHODS`; None for the
            recipe's own.
        ranges: of ``float_onnx`` on ``calibration``, from :func:`edgefer_calibration.ranges.collect_ranges`;
            None to collect them here. With them no face runs.

    Raises:
        UsageError: no recipe for ``target``, no such method, or no such module.
        MissingError: the target's quantizer is not installed.
        DataError: the calibration set is not usable.
    """
    if method not in (None, *METHODS):
        raise UsageError(f"calibration method {method!r}", expected=f"one of {', '.join(METHODS)}")
    try:
        import onnx

        model = onnx.load(float_onnx)
        recipe = recipe_for(target, model, float_modules)
        recipe = replace(recipe, method=method or recipe.method)
        ranges = ranges or collect_ranges(float_onnx, calibration)
        limits = ranges.limits(recipe.method, symmetric=recipe.form.symmetric)
        with replacing(out) as temporary:
            written = write_qdq(model, recipe, limits, temporary)
    except ModuleNotFoundError as error:
        raise MissingError(
            f"{error.name} is not installed",
            expected=f"the quantizer of target {target}",
            action=f'pip install "edgefer[{target}]"',
        ) from error
    return Quantized(out, {"target": target, **written, "calibration": calibration.summary()})


def recipe_for(target: str, model: ModelProto, float_modules: Collection[str] = ()) -> Recipe:
    """The recipe of ``target`` for the float graph ``model``, with the nodes of ``float_modules`` in float.

    Raises:
        UsageError: no recipe for ``target``, or no such module.
    """
    if target not in RECIPES:
        raise UsageError(f"no INT8 recipe for target {target!r}", expected=f"one of {', '.join(RECIPES)}")
    recipe: Recipe = import_module(f"edgefer_calibration.quantize.{RECIPES[target]}").recipe(model)
    islands = dict.fromkeys((*recipe.float_islands, *_nodes_of(model, float_modules)))
    return replace(recipe, float_islands=tuple(islands))


def _nodes_of(model: ModelProto, modules: Collection[str]) -> list[str]:
    """Names of the nodes of ``modules`` and of what lies below them."""
    nodes: list[str] = []
    for module in modules:
        own = [
            node.name
            for node in model.graph.node
            if f"{node.name.rpartition('/')[0]}.".startswith(f"{module}.")
        ]
        if not own:
            raise UsageError(f"no module {module!r} in the graph", expected="modules as its nodes name them")
        nodes += own
    return nodes
