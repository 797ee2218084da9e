"""What every test area shares."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
Edgefer = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """Let Ctrl-C reach what tests start: a shell's background jobs, and all their children, ignore it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def edgefer(tmp_path: Path) -> Edgefer:
    """Run the `edgefer` command as a user would, in an empty folder."""

    def run(*words: str, cwd: Path = tmp_path, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "edgefer.cli.main", *words],
            cwd=cwd,
            env={**os.environ, "COLUMNS": "160", **environment},
            capture_output=True,
            text=True,
            timeout=600,
        )

    return run


@pytest.fixture
def recorded_machine(tmp_path: Path) -> Callable[[str], Path]:
    """The root of a machine recorded in ``tests/runtime/recorded``; its programs print what is recorded."""

    def unfold(name: str) -> Path:
        root = tmp_path / name
        tree = json.loads((ROOT / f"tests/runtime/recorded/{name}.json").read_text())
        printing = {path: f"#!/bin/sh\ncat <<'END'\n{text}END\n" for path, text in tree["programs"].items()}
        for path, text in {**tree["files"], **printing}.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
            (root / path).chmod(0o755 if path in printing else 0o644)
        return root

    return unfold


@pytest.fixture(scope="session")
def colour_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An engine that tells which of red, green and blue there is most of."""
    import onnx
    from onnx import TensorProto, helper

    from edgefer_runtime.bundle import write_bundle
    from edgefer_runtime.contract import InputContract
    from edgefer_runtime.manifest import Manifest

    folder = tmp_path_factory.mktemp("engine")
    images = helper.make_tensor_value_info("images", TensorProto.UINT8, [1, "height", "width", 3])
    output = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [1, 3])
    nodes = [
        helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["floats", "pixels"], ["means"], keepdims=0),
        helper.make_node("Softmax", ["means"], ["probabilities"], axis=1),
    ]
    pixels = helper.make_tensor("pixels", TensorProto.INT64, [2], [1, 2])
    graph = helper.make_graph(nodes, "colour", [images], [output], [pixels])
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), folder / "m"
    )
    manifest = Manifest(
        model="colour",
        variant="plain",
        parameters=0,
        classes=("red", "green", "blue"),
        input=InputContract(32, 32, "RGB", mean=(0.0,) * 3, std=(255.0,) * 3),
        target="onnxruntime",
        precision="fp32",
        batch=1,
        entry="model.onnx",
    )
    return write_bundle(folder / "bundle", manifest, {"model.onnx": folder / "m"}, {"checks": []}).path
