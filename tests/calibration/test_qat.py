"""Quantization-aware training: the graph in torch, its rounding, and what a few epochs win back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import numpy_helper

from edgefer_calibration import CalibrationSet, Ranges, collect_ranges, quantize
from edgefer_calibration.qat import fine_tuning
from edgefer_calibration.qat.fine_tuning import Teacher, fine_tune
from edgefer_calibration.qat.graph import FakeQuantized, rounded
from edgefer_calibration.qat.operators import OPERATORS
from edgefer_calibration.session import open_session
from edgefer_runtime.errors import UsageError

CASES = [
    "y = Add(x, x)",
    "y = AveragePool<kernel_shape=[3,3], pads=[1,1,1,1], strides=[2,2], count_include_pad=1>(x)",
    "y = AveragePool<kernel_shape=[2,2], strides=[2,2], ceil_mode=1, count_include_pad=1>(x)",
    "y = BatchNormalization<epsilon=0.001>(x, six, six, six, six)",
    "y = Clip(x, low, high)",
    "y = Concat<axis=1>(x, x)",
    "y = Conv<kernel_shape=[3,3], pads=[0,0,1,1], strides=[2,2], group=2>(x, grouped, six)",
    "y = Conv<kernel_shape=[3,3], dilations=[2,2]>(x, square)",
    "y = ConvTranspose<kernel_shape=[3,3], strides=[2,2], pads=[1,1,1,1], output_padding=[1,1]>"
    "(x, square, six)",
    "y = Div(x, high)",
    "y = Gather<axis=1>(x, order)",
    "y = Gather<axis=2>(x, one)",
    "z = ReduceMean<keepdims=0>(x, map) y = Gemm<transB=1>(z, matrix, six)",
    "z = ReduceMean<keepdims=0>(x, map) y = Gemm(z, matrix, six)",
    "y = MatMul(x, x)",
    "z = Transpose<perm=[0,1,3,2]>(x) y = Max(x, z)",
    "z = Transpose<perm=[0,1,3,2]>(x) y = Min(x, z)",
    "y = MaxPool<kernel_shape=[3,3], pads=[1,1,1,1], strides=[2,2], ceil_mode=1>(x)",
    "y = Mul(x, x)",
    "y = ReduceMax<keepdims=1>(x, map)",
    "y = ReduceSum<keepdims=0>(x, map)",
    "y = Relu(x)",
    "y = Reshape<allowzero=1>(x, flat)",
    "y = Resize<mode='nearest', coordinate_transformation_mode='asymmetric', nearest_mode='floor'>"
    "(x, , , up)",
    "y = Sigmoid(x)",
    "y = Softmax<axis=1>(x)",
    "y, z = Split<axis=1, num_outputs=2>(x)",
    "y = Unsqueeze(x, one)",
]
CONSTANTS = """
    float[6] six = {0.1, 0.2, 0.3, 0.4, 0.5, 0.6}, float low = {-0.5}, float high = {0.7},
    int64[6] order = {0, 3, 1, 4, 2, 5}, int64[1] one = {1}, int64[2] map = {2, 3},
    int64[3] flat = {1, 6, -1}, int64[4] up = {1, 6, 12, 10}
"""


@pytest.mark.parametrize("nodes", CASES)
def test_torch_computes_what_the_operator_says(nodes: str) -> None:
    text = f"g (float[1,6,7,7] x) => (float y) <{CONSTANTS}> {{ {nodes} }}".replace("'", '"')
    model = onnx.parser.parse_model(f'<ir_version: 9, opset_import: ["": 18]> {text}')
    model.graph.output[0].type.tensor_type.ClearField("shape")
    generator = np.random.default_rng(0)
    for name, shape in {"grouped": (6, 3, 3, 3), "square": (6, 6, 3, 3), "matrix": (6, 6)}.items():
        values = generator.normal(size=shape).astype(np.float32)
        model.graph.initializer.append(numpy_helper.from_array(values, name))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    faces = generator.normal(size=(3, 6, 7, 7)).astype(np.float32)
    expected = np.concatenate([session.run(["y"], {"x": face[None]})[0] for face in faces])
    found = FakeQuantized(model, onnx.ModelProto())(torch.from_numpy(faces))
    assert found.shape == expected.shape
    assert np.allclose(found.detach(), expected, atol=1e-5)


def test_every_operator_has_a_case() -> None:
    assert {operator for operator in OPERATORS if any(f" {operator}" in case for case in CASES)} == {
        *OPERATORS
    }


def test_the_gradient_passes_through_rounding() -> None:
    x = torch.tensor([-1.4, 0.5, 1.5, 2.6], requires_grad=True)
    y = rounded(x)
    torch.autograd.backward(y.sum())
    assert y.tolist() == [-1, 0, 2, 3] and x.grad is not None and x.grad.tolist() == [1, 1, 1, 1]


NETWORK = """
    [preprocess__Transpose] t = Transpose<perm=[0,3,1,2]>(images)
    [preprocess__Cast] c = Cast<to=1>(t)
    [preprocess__Sub] s = Sub(c, grey)
    [preprocess__Div] x = Div(s, grey)
    [first__Conv] a1 = Conv<kernel_shape=[3,3], strides=[2,2]>(x, w1, b1)
    [first__Relu] a2 = Relu(a1)
    [second__Conv] a3 = Conv<kernel_shape=[3,3], strides=[2,2]>(a2, w2, b2)
    [second__Relu] a4 = Relu(a3)
    [third__Conv] a5 = Conv<kernel_shape=[3,3], strides=[2,2]>(a4, w3, b3)
    [third__Relu] a6 = Relu(a5)
    [flatten__Reshape] a7 = Reshape<allowzero=1>(a6, flat)
    [classify__Gemm] a8 = Gemm<transB=1>(a7, w4, b4)
    [probabilities__Softmax] probabilities = Softmax<axis=1>(a8)
"""
SHAPES = {"w1": (8, 3, 3, 3), "w2": (12, 8, 3, 3), "w3": (12, 12, 3, 3), "w4": (4, 300)}
OUTLIER = 60


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network whose first two layers have one channel that is sixty times as large as the others."""
    generator = np.random.default_rng(0)
    weights = {name: generator.normal(0, np.prod(shape[1:]) ** -0.5, shape) for name, shape in SHAPES.items()}
    weights["w4"] *= 30
    weights |= {name.replace("w", "b"): generator.normal(0, 0.1, len(weights[name])) for name in SHAPES}
    for layer, following in (("1", "w2"), ("2", "w3")):
        weights[f"w{layer}"][0] *= OUTLIER
        weights[f"b{layer}"][0] = OUTLIER
        weights[following][:, 0] /= OUTLIER
    model = onnx.parser.parse_model(
        f"""<ir_version: 9, opset_import: ["": 18]>
        g (uint8[1,48,48,3] images) => (float[1,4] probabilities)
        <float grey = {{127.5}}, int64[2] flat = {{1, -1}}> {{ {NETWORK} }}"""
    )
    for node in model.graph.node:
        node.name = node.name.replace("__", "/")
    model.graph.initializer.extend(
        numpy_helper.from_array(values.astype(np.float32), name) for name, values in weights.items()
    )
    path = tmp_path_factory.mktemp("broken") / "broken.onnx"
    onnx.save(model, path)
    return path


@pytest.fixture(scope="module")
def calibration() -> CalibrationSet:
    """A hundred and twenty waves of random direction, length and colour."""
    generator = np.random.default_rng(0)
    across, down = np.meshgrid(np.linspace(0, 1, 48), np.linspace(0, 1, 48))
    images = []
    for _ in range(120):
        right, below, phase = generator.uniform(-12, 12, 3)
        wave = 0.5 + 0.5 * np.sin(right * across + below * down + phase)
        images.append(wave[..., None] * generator.uniform(60, 255, 3))
    return CalibrationSet(np.stack(images).astype(np.uint8), "waves", np.arange(120))


@pytest.fixture(scope="module")
def ranges(broken: Path, calibration: CalibrationSet) -> Ranges:
    return collect_ranges(broken, calibration)


@pytest.mark.parametrize("target", ["openvino", "tensorrt"])
def test_rounding_stands_where_the_quantized_graph_has_it(
    target: str, broken: Path, ranges: Ranges, calibration: CalibrationSet, tmp_path: Path
) -> None:
    made = quantize(target, broken, calibration, tmp_path / "int8.onnx", ranges=ranges)
    model, written = onnx.load(broken), onnx.load(made.path)
    student = FakeQuantized(model, written)
    teacher = Teacher(model, student.start)
    inputs, probabilities = teacher(np.asarray(calibration.images[:8]))
    rounded_answers = student(inputs).detach()
    # Node by node: kernels without VNNI add pairs of products in 16 bits, which is not what the graph says.
    session = open_session(made.path, rearranged=False)
    expected = np.concatenate(
        [session.run(None, {"images": face[None]})[0] for face in calibration.images[:8]]
    )
    assert np.abs(rounded_answers.numpy() - expected).max() < 0.03
    assert float((rounded_answers - probabilities).abs().max()) > 0.1, "this network does not round well"
    scales = {tensor.name: numpy_helper.to_array(tensor) for tensor in written.graph.initializer}
    for name, pair in student.pairs.items():
        low, high = pair.limits()
        assert np.isclose(high - low, scales[f"{name}_scale"] * (pair.high - pair.low), rtol=1e-5)


@pytest.mark.parametrize("target", ["openvino", "tensorrt"])
def test_training_wins_back_what_calibration_loses(
    target: str,
    broken: Path,
    ranges: Ranges,
    calibration: CalibrationSet,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fine_tuning, "LEARNING_RATE", 1e-2)
    calibrated = quantize(target, broken, calibration, tmp_path / "calibrated.onnx", ranges=ranges)
    steps: list[tuple[int, int]] = []
    trained = fine_tune(
        target,
        broken,
        calibration,
        tmp_path / "trained.onnx",
        epochs=15,
        ranges=ranges,
        on_progress=lambda done, total: steps.append((done, total)),
    )
    report = trained.recipe["qat"]
    assert report["kept"] == "trained"
    assert report["divergence_after"] < 0.75 * report["divergence_before"]
    assert steps == [(step, 90) for step in range(1, 91)]
    forms = [
        [(node.op_type, node.name, list(node.input)) for node in onnx.load(made.path).graph.node]
        for made in (calibrated, trained)
    ]
    assert forms[0] == forms[1]


@pytest.mark.parametrize("method", [None, "minmax"])
def test_training_that_does_not_help_is_thrown_away(
    method: str | None,
    broken: Path,
    ranges: Ranges,
    calibration: CalibrationSet,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fine_tuning, "LEARNING_RATE", 0.3)
    given, more = ("openvino", broken, calibration), {"method": method, "ranges": ranges}
    calibrated = quantize(*given, tmp_path / "calibrated.onnx", **more)
    trained = fine_tune(*given, tmp_path / "out.onnx", epochs=1, **more)
    assert (trained.recipe["qat"]["kept"], trained.recipe["ranges"]) == ("calibrated", method or "mse")
    assert trained.path.read_bytes() == calibrated.path.read_bytes()


def test_what_cannot_be_trained_is_refused(
    broken: Path, ranges: Ranges, calibration: CalibrationSet, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="at least one"):
        fine_tune("openvino", broken, calibration, tmp_path / "out.onnx", epochs=0, ranges=ranges)
    model = onnx.load(broken)
    next(node for node in model.graph.node if node.op_type == "Softmax").op_type = "Hardmax"
    with pytest.raises(UsageError, match="Hardmax"):
        FakeQuantized(model, onnx.ModelProto())
