"""Casts to float16 in the graph itself; its input and output stay what they are.

Nothing is left to an engine's own choice: TensorRT from version 11 on computes in the types it reads, and
so does ONNX Runtime. Float32 remain

- preprocessing, where a pixel would move by up to a sixteenth of a grey level;
- what lies behind the last layer with weights: softmax, and the mean of two branches' probabilities;
- softmaxes elsewhere, and sums over whole maps, which may overflow before they are divided;
- modules that were measured to leave float16's range on the calibration faces.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgefer_export.checks.ranges import LARGEST, ROUNDING_LIMIT, half_ranges
from edgefer_export.probe import module_of
from edgefer_runtime.contract import PREPROCESSING
from edgefer_runtime.errors import CheckError
from edgefer_runtime.files import write_whole

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

LAYERS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
SUMS = ("Softmax", "ReduceMean", "ReduceSum", "GlobalAveragePool")
FLOAT32_ARGUMENTS = {"Resize": (1, 2)}
"""Positions of arguments that ONNX wants in float32 whatever the data are."""

HEADROOM = 4.0
"""Faces to come may excite a unit more than those measured, and one infinite value spoils the answer."""

HALF_SHARE_LIMIT = 0.75
"""Of the weights. With more of them left in float32 the engine would be float16 in name only."""


def write_fp16(float_onnx: Path, faces: NDArray[np.uint8], out: Path) -> dict[str, Any]:
    """Write ``float_onnx`` with float16 weights and arithmetic to ``out``.

    Args:
        float_onnx: written by :func:`edgefer_export.export_onnx`.
        faces: uint8 N x H x W x 3 that ranges are measured on; none that the engine is evaluated on.
        out: the file to write; it appears whole or not at all.

    Returns:
        The recipe: ``method``, ``range_faces``, ``float_islands`` (node -> why it stays in float32) and
        ``half_share``, the share of the weights that is stored in float16.

    Raises:
        CheckError: less than :data:`HALF_SHARE_LIMIT` of the weights fit; names the layers that do not.
    """
    import onnx

    model = onnx.load(float_onnx)
    floats = _float_values(model)
    unfit = unfit_modules(model, faces)
    islands = dict(_wide_by_nature(model, floats))
    for node in model.graph.node:
        if module_of(node) in unfit:
            islands.setdefault(node.name, unfit[module_of(node)])
    narrow(model, floats, islands)
    share = half_share(model)
    if share < HALF_SHARE_LIMIT:
        raise CheckError(
            f"{1 - share:.0%} of the weights do not fit float16: "
            + "; ".join(f"{module} {reason}" for module, reason in unfit.items()),
            expected=f"at most {1 - HALF_SHARE_LIMIT:.0%}",
            action="normalise the layers named, or export without --fp16",
        )
    onnx.checker.check_model(model, full_check=True)
    write_whole(out, model.SerializeToString())
    return {
        "method": "casts to float16 in the graph",
        "range_faces": len(faces),
        "float_islands": islands,
        "half_share": share,
    }


def unfit_modules(model: ModelProto, faces: NDArray[np.uint8]) -> dict[str, str]:
    """Modules whose weights or results on ``faces`` float16 cannot hold, with the reason."""
    reasons: dict[str, str] = {}
    for module, span in half_ranges(model, faces).items():
        if not span.largest * HEADROOM <= LARGEST:
            reasons[module] = f"reaches {span.largest:.3g}; float16 ends at {LARGEST:.0f}"
        elif span.rounding > ROUNDING_LIMIT:
            reasons[module] = f"holds numbers so small that float16 moves them by {span.rounding:.1%}"
    return reasons


def narrow(model: ModelProto, floats: Collection[str], islands: Collection[str]) -> None:
    """Give every node outside ``islands`` float16 weights and arguments, with casts at the borders.

    Args:
        model: changed in place.
        floats: names of its float32 values, weights included.
        islands: names of nodes that stay in float32.
    """
    from onnx import TensorProto, helper, numpy_helper

    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    half: set[str] = set()
    converted: dict[str, str] = {}
    casts: Counter[str] = Counter()
    nodes: list[NodeProto] = []

    def convert(value: str, to_half: bool, module: str) -> str:
        """The name of ``value`` in the type wanted; its cast or its narrow copy is made once."""
        if value not in floats or (value in half) == to_half:
            return value
        if value not in converted:
            name = converted[value] = f"{value}:{'half' if to_half else 'float'}"
            if value in weights:
                array = numpy_helper.to_array(weights[value]).astype(np.float16)
                model.graph.initializer.append(numpy_helper.from_array(array, name))
            else:
                kind = TensorProto.FLOAT16 if to_half else TensorProto.FLOAT
                casts[module] += 1
                title = f"{module}/Cast_{'half' if to_half else 'float'}_{casts[module]}"
                nodes.append(helper.make_node("Cast", [value], [name], title, to=kind))
        return converted[value]

    for node in model.graph.node:
        inside = node.name not in islands
        wide = FLOAT32_ARGUMENTS.get(node.op_type, ())
        node.input[:] = [
            convert(value, inside and position not in wide, module_of(node))
            for position, value in enumerate(node.input)
        ]
        if inside:
            half.update(node.output)
        nodes.append(node)
    used = {value for node in nodes for value in node.input}
    kept = [tensor for tensor in model.graph.initializer if tensor.name in used]
    del model.graph.node[:], model.graph.initializer[:], model.graph.value_info[:]
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(kept)


def half_share(model: ModelProto) -> float:
    """The share, by count, of the float weights that is stored in float16."""
    from onnx import TensorProto

    def stored_in(kind: int) -> int:
        return sum(
            int(np.prod(tensor.dims)) for tensor in model.graph.initializer if tensor.data_type == kind
        )

    half, single = stored_in(TensorProto.FLOAT16), stored_in(TensorProto.FLOAT)
    return half / max(1, half + single)


def _float_values(model: ModelProto) -> set[str]:
    """Names of the values, weights included, that are float32."""
    import onnx

    graph, kind = onnx.shape_inference.infer_shapes(model).graph, onnx.TensorProto.FLOAT
    values = (*graph.value_info, *graph.output)
    made = {value.name for value in values if value.type.tensor_type.elem_type == kind}
    return made | {tensor.name for tensor in graph.initializer if tensor.data_type == kind}


def _wide_by_nature(model: ModelProto, floats: set[str]) -> Iterator[tuple[str, str]]:
    """Nodes that stay in float32 whatever the faces, with the reason."""
    tail = _behind_the_last_layers(model)
    for node in model.graph.node:
        if node.name.startswith(PREPROCESSING):
            yield node.name, "preprocessing"
        elif node.name in tail:
            yield node.name, "behind the last layer"
        elif node.op_type in SUMS:
            yield node.name, "sums many values"
        elif node.op_type == "Cast" or not floats.issuperset(node.output):
            yield node.name, "makes no float32"


def _behind_the_last_layers(model: ModelProto) -> set[str]:
    """Names of the nodes from which no layer with weights is reached any more."""
    users: defaultdict[str, set[str]] = defaultdict(set)
    for node in model.graph.node:
        for value in node.input:
            users[value].add(node.name)
    tail: set[str] = set()
    for node in reversed(model.graph.node):
        if node.op_type not in LAYERS and all(users[value] <= tail for value in node.output):
            tail.add(node.name)
    return tail
