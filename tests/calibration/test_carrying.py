"""What is only moved is quantized once, with one range for all that a move connects."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgefer_calibration.quantize.openvino import FORM, recipe
from edgefer_calibration.quantize.qdq import Recipe, write_qdq
from edgefer_calibration.session import open_session

CHANNELS, SIDE = 4, 6
FACES = np.random.default_rng(1).normal(size=(20, 1, CHANNELS, SIDE, SIDE)).astype(np.float32)


def conv(name: str, taken: str, weights: dict[str, Any], channels: int = CHANNELS) -> onnx.NodeProto:
    generator = np.random.default_rng(len(weights))
    kernel = generator.normal(size=(CHANNELS, channels, 1, 1)) / np.sqrt(channels)
    weights[f"{name}.weight"] = kernel.astype(np.float32)
    weights[f"{name}.bias"] = generator.normal(size=CHANNELS).astype(np.float32)
    return helper.make_node("Conv", [taken, f"{name}.weight", f"{name}.bias"], [name], name)


def model(nodes: list[onnx.NodeProto], weights: Mapping[str, Any]) -> onnx.ModelProto:
    """A graph from ``x`` to ``y``."""
    values = {
        name: helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, CHANNELS, None, None])
        for name in ("x", "y")
    }
    graph = helper.make_graph(
        nodes,
        "tiny",
        [values["x"]],
        [values["y"]],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def branches(*activations: str) -> onnx.ModelProto:
    """A convolution and an activation for each, joined, and a convolution of what was joined."""
    weights: dict[str, Any] = {}
    nodes, joined = [], []
    for number, activation in enumerate(activations):
        nodes.append(conv(f"conv{number}", "x", weights))
        joined.append(f"conv{number}")
        if activation == "Clip":
            weights |= {"zero": np.float32(0), "six": np.float32(0.5)}
            nodes.append(helper.make_node("Clip", [joined[-1], "zero", "six"], [f"active{number}"]))
        elif activation:
            nodes.append(helper.make_node(activation, [joined[-1]], [f"active{number}"]))
        joined[-1] = nodes[-1].output[0]
    nodes.append(helper.make_node("Concat", joined, ["joined"], "concat", axis=1))
    nodes.append(conv("y", "joined", weights, CHANNELS * len(activations)))
    return model(nodes, weights)


def answers(graph: onnx.ModelProto, *values: str, exact: bool = False) -> list[np.ndarray[Any, Any]]:
    """Each of ``values`` for all :data:`FACES`: by the kernels at hand, or node by node as the graph says."""
    told = onnx.ModelProto.FromString(graph.SerializeToString())
    del told.graph.output[:]
    told.graph.output.extend(helper.make_empty_tensor_value_info(value) for value in values)
    session = open_session(told.SerializeToString(), rearranged=not exact)
    runs = [session.run(None, {"x": face}) for face in FACES]
    return [np.stack(each) for each in zip(*runs, strict=True)]


def quantized(graph: onnx.ModelProto, path: Path, **ranges: tuple[float, float]) -> onnx.ModelProto:
    """``graph`` as written for OpenVINO; what ``ranges`` does not name has twice the range that it takes.

    The upper half of its codes stays unused. Where two products of a u8 and an s8 are added in 16 bits, as
    they are by x86 processors without VNNI, 128 * (127 + 127) fits and 255 * (127 + 127) does not: every
    processor computes the same.
    """
    inner = ["x", *(value for node in graph.graph.node for value in node.output)]
    seen = dict(zip(inner, answers(graph, *inner), strict=True))
    lowest = {name: min(0.0, float(v.min())) for name, v in seen.items()}
    limits = {name: (low, low + 2 * (float(seen[name].max()) - low)) for name, low in lowest.items()}
    write_qdq(graph, Recipe(FORM, (), "minmax"), limits | ranges, path)
    return onnx.load(path)


def quantizes(graph: onnx.ModelProto) -> dict[str, tuple[float, int]]:
    """Tensor -> scale and zero point of the pair on it."""
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.graph.initializer}
    return {
        node.input[0]: (float(values[node.input[1]]), int(values[node.input[2]]))
        for node in graph.graph.node
        if node.op_type == "QuantizeLinear"
    }


def assert_same(graph: onnx.ModelProto, found: onnx.ModelProto) -> None:
    onnx.checker.check_model(found, full_check=True)
    (expected,) = answers(graph, "y")
    for exact in (True, False):
        (answer,) = answers(found, "y", exact=exact)
        assert np.abs(answer - expected).max() < 0.04 * np.abs(expected).max(), f"exact: {exact}"


def test_what_is_joined_has_one_range(tmp_path: Path) -> None:
    graph = branches("Relu", "Relu")
    found = quantized(graph, tmp_path / "q.onnx", active0=(0.0, 2.0), joined=(0.0, 3.0), active1=(0.0, 3.5))
    pairs = quantizes(found)
    assert "joined" not in pairs
    assert pairs["active0"] == pairs["active1"] == (pytest.approx(3.5 / 255), 0)
    assert_same(graph, quantized(graph, tmp_path / "q.onnx"))


def test_what_is_moved_again_and_again_is_quantized_before_all(tmp_path: Path) -> None:
    weights: dict[str, Any] = {"0": np.arange(CHANNELS // 2), "1": np.arange(CHANNELS // 2, CHANNELS)}
    nodes = [
        conv("wide", "x", weights),
        helper.make_node("MaxPool", ["wide"], ["pooled"], "pool", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Transpose", ["pooled"], ["turned"], "turn", perm=[0, 1, 3, 2]),
        helper.make_node("Gather", ["turned", "0"], ["first"], "gather0", axis=1),
        helper.make_node("Gather", ["turned", "1"], ["second"], "gather1", axis=1),
        conv("left", "first", weights, CHANNELS // 2),
        conv("right", "second", weights, CHANNELS // 2),
        helper.make_node("Add", ["left", "right"], ["y"], "add"),
    ]
    graph = model(nodes, weights)
    found = quantized(graph, tmp_path / "q.onnx")
    assert quantizes(found).keys() & {"wide", "pooled", "turned", "first", "second"} == {"wide"}
    assert_same(graph, found)


def test_an_input_without_a_pair_gets_one_if_nothing_else_reads_it(tmp_path: Path) -> None:
    def averaged(reader: str) -> onnx.ModelProto:
        weights: dict[str, Any] = {"half": np.array([CHANNELS // 2] * 2)}
        nodes = [
            helper.make_node("AveragePool", ["x"], ["mean"], "pool", kernel_shape=[3, 3]),
            helper.make_node("Split", ["mean", "half"], ["first", "second"], "split", axis=1),
            conv("left", "first", weights, CHANNELS // 2),
            conv("right", "second", weights, CHANNELS // 2),
            helper.make_node("Tanh", [reader], ["gate"], "gate"),
            helper.make_node("Mul", ["left", "gate"], ["gated"], "mul"),
            helper.make_node("Add", ["gated", "right"], ["y"], "add"),
        ]
        return model(nodes, weights)

    def split(graph: onnx.ModelProto) -> set[str]:
        found = quantized(graph, tmp_path / "q.onnx")
        assert_same(graph, found)
        return quantizes(found).keys() & {"mean", "first", "second"}

    assert split(averaged("right")) == {"mean"}
    assert split(averaged("mean")) == {"first", "second"}


@pytest.mark.parametrize(
    ("activations", "ranges"),
    [
        (("Relu", "Relu"), {"active0": (0.0, 1.5)}),
        (("Relu", ""), {}),
        (("Clip", "Relu"), {"active0": (0.0, 0.5), "active1": (0.0, 0.8), "joined": (0.0, 0.8)}),
    ],
    ids=["too wide for one", "a ReLU's range would fall below zero", "a Clip's range would grow"],
)
def test_a_range_that_must_not_grow_is_left_alone(
    activations: tuple[str, ...], ranges: dict[str, tuple[float, float]], tmp_path: Path
) -> None:
    graph = branches(*activations)
    found = quantized(graph, tmp_path / "q.onnx", **ranges)
    assert "joined" in quantizes(found)
    if not ranges:
        assert_same(graph, found)


def test_only_large_linear_layers_are_quantized() -> None:
    sizes = {"small": (127, 128), "large": (128, 128)}
    weights = {name: np.zeros(size, np.float32) for name, size in sizes.items()}
    nodes = [helper.make_node("Gemm", ["x", name], [f"{name}.y"], name, transB=1) for name in sizes]
    assert recipe(model(nodes, weights)).float_islands == ["small"]
