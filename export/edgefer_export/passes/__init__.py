"""Small rewrites of an ONNX graph, one file each, all in place.

Every pass states what it needs to find, changes nothing where it does not find it, and returns how many
places it changed. A pass leaves the function that the graph computes as it is, to float rounding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgefer_export.passes.fold_linear import fold_linear
from edgefer_export.passes.merge_pointwise import merge_pointwise
from edgefer_export.passes.name_nodes import name_nodes
from edgefer_export.passes.sum_first import sum_first

if TYPE_CHECKING:
    from onnx import ModelProto

__all__ = ["finish", "fold_linear", "merge_pointwise", "name_nodes", "sum_first"]


def finish(model: ModelProto) -> None:
    """What every exported graph goes through."""
    name_nodes(model)
    fold_linear(model)
    sum_first(model)
    merge_pointwise(model)
