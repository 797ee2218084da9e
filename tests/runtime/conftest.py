"""Tiny engines that really run: resize -> mean colour -> linear -> softmax over three classes."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgefer_runtime.bundle import Bundle, write_bundle
from edgefer_runtime.contract import InputContract
from edgefer_runtime.engines.libraries import import_openvino
from edgefer_runtime.manifest import Manifest
from edgefer_runtime.preprocess import preprocess

CLASSES = ("happiness", "sadness", "surprise")
WEIGHTS = np.array([[4, 0, 0], [0, 4, 0], [0, 0, 4]], dtype=np.float32) / 255
CONTRACT = InputContract(
    height=32, width=32, color="RGB", mean=(127.5, 127.5, 127.5), std=(127.5, 127.5, 127.5)
)
CERTIFICATE = {"schema": "edgefer.certificate/1", "checks": []}


def tiny_onnx(path: Path, batch: int | None, output: str) -> None:
    rows = batch if batch is not None else "batch"
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["images"], ["pixels"], to=TensorProto.FLOAT),
            helper.make_node("Transpose", ["pixels"], ["planes"], perm=[0, 3, 1, 2]),
            helper.make_node("Resize", ["planes", "", "", "size"], ["resized"], axes=[2, 3], mode="linear"),
            helper.make_node("ReduceMean", ["resized", "axes"], ["colour"], keepdims=0),
            helper.make_node("Gemm", ["colour", "weights"], ["logits"]),
            helper.make_node("Softmax", ["logits"], [output], axis=1),
        ],
        "tiny",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, [rows, "height", "width", 3])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, [rows, 3])],
        [
            helper.make_tensor("axes", TensorProto.INT64, [2], [2, 3]),
            helper.make_tensor("size", TensorProto.INT64, [2], [CONTRACT.height, CONTRACT.width]),
            numpy_helper.from_array(WEIGHTS, "weights"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def tiny_manifest(target: str, entry: str, batch: int | None, **changes: object) -> Manifest:
    options = {"INFERENCE_PRECISION_HINT": "f32"} if target == "openvino" else {}
    fields = {
        "model": "tiny",
        "variant": "head",
        "parameters": 9,
        "classes": CLASSES,
        "input": CONTRACT,
        "target": target,
        "precision": "fp32",
        "batch": batch,
        "entry": entry,
        "options": options,
        "tools": {"onnx": onnx.__version__},
        "licence": "CC0-1.0",
    }
    return Manifest(**{**fields, **changes})  # type: ignore[arg-type]


@pytest.fixture
def make_bundle(tmp_path: Path) -> Callable[..., Bundle]:
    """Build a real bundle: ``make_bundle(target, batch, output, **manifest fields)``."""

    def make(
        target: str = "onnxruntime", batch: int | None = 1, output: str = "probabilities", **changes: object
    ) -> Bundle:
        name = f"{target}-{batch}"
        source = tmp_path / "build" / name
        source.mkdir(parents=True, exist_ok=True)
        tiny_onnx(source / "model.onnx", batch, output)
        files = {"model.onnx": source / "model.onnx"}
        if target == "openvino":
            openvino = import_openvino()
            model = openvino.Core().read_model(source / "model.onnx")
            openvino.save_model(model, source / "model.xml", compress_to_fp16=False)
            files = {name: source / name for name in ("model.xml", "model.bin")}
        manifest = tiny_manifest(target, next(iter(files)), batch, **changes)
        return write_bundle(tmp_path / name, manifest, files, CERTIFICATE)

    return make


@pytest.fixture
def bundle(make_bundle: Callable[..., Bundle]) -> Bundle:
    return make_bundle()


@pytest.fixture
def faces() -> np.ndarray:
    """Seventy different uint8 crops, 70 x 24 x 20 x 3."""
    return np.random.default_rng(0).integers(0, 256, (70, 24, 20, 3), dtype=np.uint8)


@pytest.fixture
def expected() -> Callable[[np.ndarray], np.ndarray]:
    """What the tiny engine computes: red makes happiness, green sadness, blue surprise."""

    def probabilities(images: np.ndarray) -> np.ndarray:
        pixels = np.array(CONTRACT.std)[:, None, None] * preprocess(images, CONTRACT) + 127.5
        odds = np.exp(pixels.mean(axis=(2, 3)) @ WEIGHTS)
        return odds / odds.sum(axis=1, keepdims=True)

    return probabilities


def find_free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def free_port() -> Callable[[], int]:
    """A port of loopback that nobody listens on."""
    return find_free_port


class Broker:
    """A mosquitto of our own on loopback, that can be killed and started again."""

    def __init__(self, folder: Path, *settings: str) -> None:
        self.port = find_free_port()
        lines = ["user root", f"listener {self.port} 127.0.0.1", *(settings or ["allow_anonymous true"])]
        self._file = folder / "mosquitto.conf"
        self._file.write_text("\n".join(lines) + "\n")
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(["mosquitto", "-c", self._file], stderr=subprocess.DEVNULL)
        for _ in range(300):
            with closing(socket.socket()) as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise AssertionError("mosquitto does not answer")

    def kill(self) -> None:
        assert self._process
        self._process.kill()
        self._process.wait()


@pytest.fixture
def start_broker(tmp_path: Path) -> Iterator[Callable[..., Broker]]:
    brokers: list[Broker] = []

    def start(*settings: str) -> Broker:
        brokers.append(Broker(tmp_path, *settings))
        return brokers[-1]

    yield start
    for broker in brokers:
        broker.kill()
