"""Real engines small enough to be made in a test: the class is the image's brightest colour channel."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import settings

from edgefer_runtime.bundle import write_bundle
from edgefer_runtime.contract import InputContract
from edgefer_runtime.manifest import Manifest

# Two shared cores: how long an example takes says nothing of the code.
settings.register_profile("shared machine", deadline=None)
settings.load_profile("shared machine")

CLASSES = ("red", "green", "blue")
CONTRACT = InputContract(height=16, width=16, color="RGB", mean=(0.0,) * 3, std=(255.0,) * 3)


def colour_network(path, *, work=1, gains=(1.0, 1.0, 1.0)):
    """An ONNX engine: softmax over the mean of each channel times its gain, after ``work`` idle products."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    side = 192
    constants = {
        "gains": np.array(gains, dtype=np.float32) / 8,
        "idle": np.eye(side, dtype=np.float32),
        "shape": np.array([side, side], dtype=np.int64),
        "pixels": np.array([1, 2], dtype=np.int64),
        "everything": np.array([0, 1], dtype=np.int64),
        "almost_zero": np.array(1e-30, dtype=np.float32),
    }
    nodes = [
        helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["floats", "pixels"], ["means"], keepdims=0),
        helper.make_node("ReduceMean", ["means", "everything"], ["one"], keepdims=1),
        helper.make_node("Expand", ["one", "shape"], ["idle_0"]),
        *(helper.make_node("MatMul", [f"idle_{k}", "idle"], [f"idle_{k + 1}"]) for k in range(work)),
        helper.make_node("ReduceMean", [f"idle_{work}", "everything"], ["idle_mean"], keepdims=0),
        helper.make_node("Mul", ["idle_mean", "almost_zero"], ["nothing"]),
        helper.make_node("Mul", ["means", "gains"], ["scaled"]),
        helper.make_node("Add", ["scaled", "nothing"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "colour",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, [1, "height", "width", 3])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [1, 3])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)
    return path


@pytest.fixture(scope="session")
def make_bundle(tmp_path_factory):
    def make(precision="fp32", *, target="onnxruntime", classes=CLASSES, named=None, **network):
        folder = tmp_path_factory.mktemp("bundle")
        manifest = Manifest(
            **{"model": "colour", "variant": "plain", "input": CONTRACT, **(named or {})},
            parameters=2_000_000,
            classes=classes,
            target=target,
            precision=precision,
            entry="model.onnx",
        )
        model = colour_network(folder / "made.onnx", **network)
        return write_bundle(folder / "bundle", manifest, {"model.onnx": model}, {"checks": []})

    return make


@dataclass(frozen=True)
class Faces:
    """What bench asks of a face set."""

    name: str
    images: np.ndarray
    labels: np.ndarray
    classes: tuple
    attributes: dict

    def fingerprint(self):
        return "f" * 64


@pytest.fixture(scope="session")
def faces():
    """70 squares of one bright channel each; ten subjects, two yaws."""
    generator = np.random.default_rng(0)
    labels = np.arange(70) % 3
    images = generator.integers(0, 90, size=(70, 16, 16, 3), dtype=np.uint8)
    images[np.arange(70), :, :, labels] += 100
    attributes = {"subject": np.arange(70) // 7, "yaw": np.where(np.arange(70) % 2, 45, -45)}
    return Faces("colours:test", images, labels.astype(np.int64), CLASSES, attributes)
