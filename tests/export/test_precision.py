"""float16 in the graph: what becomes narrow, what stays wide and why, and that the answers stay."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper
from torch import nn

from edgefer_export import export_onnx
from edgefer_export.certificate import require
from edgefer_export.checks import check_engine, reference
from edgefer_export.passes import resize_as_gather
from edgefer_export.passes.reading import axes
from edgefer_export.precision import write_fp16
from edgefer_export.targets import get
from edgefer_export.targets.openvino import has_bfloat16
from edgefer_runtime.errors import CheckError

from .conftest import CLASSES, CONTRACT, small

TARGETS = ("onnxruntime", "openvino")


@pytest.fixture(scope="module")
def expected(network: nn.Module, faces: NDArray[np.uint8]) -> NDArray[np.float32]:
    return reference(network, faces, CONTRACT, "logits")


@pytest.fixture(scope="module")
def half(exported: Path, faces: NDArray[np.uint8], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("half") / "half.onnx"
    write_fp16(exported, faces, path)
    return path


def scaled(factor: float, layers: tuple[int, ...], folder: Path) -> Path:
    """The small network with the weights of some of its layers times ``factor``."""
    network = small()
    with torch.no_grad():
        for layer in layers:
            network.trunk[layer].weight *= factor
    return export_onnx(
        network, contract=CONTRACT, classes=CLASSES, output="logits", path=folder / f"{factor}.onnx"
    )


def kinds(path: Path) -> Iterator[tuple[str, str, int]]:
    """Name, operator and type of what each node of the graph makes."""
    model = onnx.shape_inference.infer_shapes(onnx.load(path), strict_mode=True)
    types = {value.name: value.type.tensor_type.elem_type for value in model.graph.value_info}
    for node in model.graph.node:
        if node.output[0] in types:
            yield node.name, node.op_type, types[node.output[0]]


@pytest.mark.parametrize("name", TARGETS)
def test_fp16_engine(
    name: str,
    half: Path,
    exported: Path,
    faces: NDArray[np.uint8],
    expected: NDArray[np.float32],
    tmp_path: Path,
) -> None:
    target = get(name)
    engine, twin = (
        target.build(graph, precision, tmp_path / precision)
        for graph, precision in ((half, "fp16"), (exported, "fp32"))
    )
    checks = check_engine(target, engine, "fp16", faces, expected)
    require(checks)
    assert [check.name for check in checks] == [
        f"{row}/{name}-fp16" for row in ("precision", "parity", "agreement")
    ]
    assert checks[1].measured > 0, "rounded weights answer a little differently"
    assert stored_weights(engine.path) < 0.6 * stored_weights(twin.path)


def stored_weights(entry: Path) -> int:
    """Bytes that the engine keeps its weights in."""
    if entry.suffix == ".xml":
        return entry.with_suffix(".bin").stat().st_size
    return sum(numpy_helper.to_array(tensor).nbytes for tensor in onnx.load(entry).graph.initializer)


def test_input_and_output_stay_and_layers_become_narrow(half: Path) -> None:
    graph = onnx.load(half).graph
    assert graph.input[0].type.tensor_type.elem_type == TensorProto.UINT8
    assert graph.output[0].type.tensor_type.elem_type == TensorProto.FLOAT
    assert axes(graph.input[0]) == [1, "height", "width", 3]
    made = {name: kind for name, _, kind in kinds(half)}
    assert {kind for name, kind in made.items() if name.startswith("trunk.")} == {TensorProto.FLOAT16}
    assert made["classify/Gemm"] == TensorProto.FLOAT16
    assert {kind for name, kind in made.items() if name.startswith("preprocess/")} <= {
        TensorProto.FLOAT,
        TensorProto.UINT8,
    }


def test_sums_and_softmax_stay_in_float32(half: Path) -> None:
    wide = [kind for _, operator, kind in kinds(half) if operator in ("Softmax", "ReduceMean")]
    assert wide and set(wide) == {TensorProto.FLOAT}


def test_a_value_is_cast_once_however_many_read_it(half: Path) -> None:
    casts = [node for node in onnx.load(half).graph.node if "/Cast_" in node.name]
    assert len({node.name for node in casts}) == len(casts)
    assert len({node.input[0] for node in casts}) == len(casts)


@pytest.mark.parametrize(
    ("factor", "reason"), [(3e4, "float16 ends at 65504"), (1e-7, "so small")], ids=["overflow", "underflow"]
)
def test_a_layer_that_leaves_the_range_stays_in_float32(
    factor: float, reason: str, faces: NDArray[np.uint8], tmp_path: Path
) -> None:
    graph = scaled(factor, (0,), tmp_path)
    recipe = write_fp16(graph, faces, tmp_path / "half.onnx")
    assert reason in recipe["float_islands"]["trunk.0/Conv"]
    made = {name: kind for name, _, kind in kinds(tmp_path / "half.onnx")}
    assert made["trunk.0/Conv"] == TensorProto.FLOAT
    target = get("onnxruntime")
    run, wide = (
        target.session(target.build(path, "fp16", tmp_path / "e")) for path in (tmp_path / "half.onnx", graph)
    )
    assert np.abs(run(faces) - wide(faces)).max() < 0.02


def test_weights_that_overflow_are_refused_and_named(faces: NDArray[np.uint8], tmp_path: Path) -> None:
    graph = scaled(1e6, (0, 3, 5, 7, 9), tmp_path)
    with pytest.raises(CheckError, match=r"trunk\.7 reaches") as caught:
        write_fp16(graph, faces, tmp_path / "half.onnx")
    assert caught.value.exit_code == 4
    assert not (tmp_path / "half.onnx").exists()


def test_bfloat16_engine(
    exported: Path, faces: NDArray[np.uint8], expected: NDArray[np.float32], tmp_path: Path
) -> None:
    import openvino

    if "BF16" not in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        pytest.skip("this CPU has no bfloat16")
    target = get("openvino")
    engine = target.build(exported, "bf16", tmp_path)
    assert engine.options == {"INFERENCE_PRECISION_HINT": "bf16"}
    checks = check_engine(target, engine, "bf16", faces, expected)
    require(checks)
    assert [check.name for check in checks] == [
        f"{row}/openvino-bf16" for row in ("precision", "parity", "agreement")
    ]
    assert np.abs(target.session(engine)(faces) - expected).max() > 1e-4, "float32 would be nearer"
    float_twin = target.build(exported, "fp32", tmp_path / "float")
    assert not check_engine(target, float_twin, "bf16", faces, expected)[0].passed


def test_pixels_that_bfloat16_misplaces_are_caught(
    exported: Path,
    network: nn.Module,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Which pixels a resize takes was once computed in bfloat16, and the engine passed as healthy."""
    if not has_bfloat16():
        pytest.skip("this CPU has no bfloat16")

    def in_floats(images: Any, axis: int, target: int) -> Any:
        from openvino import opset13 as op

        size = op.convert(op.gather(op.shape_of(images), np.int32([axis]), np.int32(0)), "f32")
        steps = op.multiply(np.arange(target, dtype=np.float32) + 0.5, op.divide(size, np.float32(target)))
        position = op.maximum(op.subtract(steps, np.float32(0.5)), np.float32(0))
        low = op.floor(position)
        high = op.minimum(op.add(low, np.float32(1)), op.subtract(size, np.float32(1)))
        taps = op.convert(low, "i32"), op.convert(high, "i32"), op.subtract(position, low)
        return resize_as_gather.Taps(*taps)

    # Of noise every pixel counts, in whatever network.
    crops = np.random.default_rng(0).integers(0, 256, (16, 168, 168, 3), dtype=np.uint8)
    expected, target = reference(network, crops, CONTRACT, "logits"), get("openvino")
    healthy = target.build(exported, "bf16", tmp_path / "healthy")
    _, parity, _ = check_engine(target, healthy, "bf16", crops, expected)
    monkeypatch.setattr(resize_as_gather, "_taps", in_floats)
    faulty = target.build(exported, "bf16", tmp_path / "faulty")
    _, planted, _ = check_engine(target, faulty, "bf16", crops, expected)
    assert parity.passed and not planted.passed
    assert 5 * parity.measured < parity.limit and 2 * planted.limit < planted.measured


def test_bfloat16_is_not_passed_off_as_fp16(
    half: Path, faces: NDArray[np.uint8], expected: NDArray[np.float32], tmp_path: Path
) -> None:
    """Asked for f16, a CPU that has bfloat16 and no float16 takes that."""
    import openvino

    capabilities = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    target = get("openvino")
    engine = target.build(half, "fp16", tmp_path)
    engine = replace(engine, options={"INFERENCE_PRECISION_HINT": "f16"})
    executed, *_ = check_engine(target, engine, "fp16", faces, expected)
    assert executed.passed != ("BF16" in capabilities and "FP16" not in capabilities)
