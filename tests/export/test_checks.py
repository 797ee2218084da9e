"""Every check passes on an honest export, and every planted fault is caught by the check that is for it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from edgefer_export import export_onnx
from edgefer_export.certificate import certificate, require
from edgefer_export.checks import Check, run_checks
from edgefer_export.checks.interface import axes_as_declared
from edgefer_export.sessions import onnxruntime_session
from edgefer_runtime.engines.tensorrt_build import installed
from edgefer_runtime.errors import CheckError, UsageError

from .conftest import CLASSES, CONTRACT, small

ENGINES = ("onnxruntime", "openvino")


def failures(network: nn.Module, graph: Path, faces: NDArray[np.uint8]) -> dict[str, Check]:
    checks = run_checks(network, graph, faces, contract=CONTRACT)
    return {check.name: check for check in checks if not check.passed}


def test_an_honest_export_passes(
    network: nn.Module, exported: Path, exported_dynamic: Path, faces: NDArray[np.uint8]
) -> None:
    static = run_checks(network, exported, faces, contract=CONTRACT)
    dynamic = run_checks(network, exported_dynamic, faces, contract=CONTRACT)
    require(static + dynamic)
    names = {check.name for check in static}
    per_engine = ("operators", "axes", "preprocessing", "parity", "top-1", "adversarial-parity")
    rows = {f"{row}/{engine}" for engine in ENGINES for row in per_engine}
    if installed("tensorrt-rtx"):
        rows.add("operators/tensorrt-rtx")
    assert names == {"operators", "batch-invariance/torch", "sum/attention", "sum/probabilities", *rows}
    batched = {f"{row}/{engine}" for engine in ENGINES for row in ("batch-invariance", "parity-in-batches")}
    assert {check.name for check in dynamic} - names == batched


def test_batch_attention_is_refused_and_named(tmp_path: Path, faces: NDArray[np.uint8]) -> None:
    network = small("batch")
    for batch in (1, None):
        path = tmp_path / f"batch-{batch}.onnx"
        export_onnx(network, contract=CONTRACT, classes=CLASSES, output="logits", path=path, batch=batch)
        failed = failures(network, path, faces)
        assert "module 'attention'" in failed["batch-invariance/torch"].detail
        # At batch 1 the graph itself is right: only the network tells.
        assert ("batch-invariance/onnxruntime" in failed) == (batch is None)
    with pytest.raises(CheckError) as caught:
        require(failed.values())
    message = str(caught.value)
    assert caught.value.exit_code == 4
    assert "batch-invariance/torch" in message and "1e-05" in message and "'attention'" in message


def test_attention_along_the_wrong_axis(tmp_path: Path, faces: NDArray[np.uint8]) -> None:
    network = small("columns")
    path = tmp_path / "columns.onnx"
    export_onnx(network, contract=CONTRACT, classes=CLASSES, output="logits", path=path)
    assert set(failures(network, path, faces)) == {"sum/attention"}


def altered(graph: Path, out: Path, change: Callable[[onnx.ModelProto], None]) -> Path:
    model = onnx.load(graph)
    change(model)
    onnx.save(model, out)
    return out


def swap_classes(model: onnx.ModelProto) -> None:
    for tensor in model.graph.initializer:
        if tensor.name.startswith("network.classify."):
            values = onnx.numpy_helper.to_array(tensor)[::-1]
            tensor.CopyFrom(onnx.numpy_helper.from_array(values.copy(), tensor.name))


def blue_first(model: onnx.ModelProto) -> None:
    for tensor in model.graph.initializer:
        if tensor.name == "network.trunk.0.weight":
            values = onnx.numpy_helper.to_array(tensor)[:, ::-1]
            tensor.CopyFrom(onnx.numpy_helper.from_array(values.copy(), tensor.name))


def resize_from_corners(model: onnx.ModelProto) -> None:
    (resize,) = [node for node in model.graph.node if node.op_type == "Resize"]
    for attribute in resize.attribute:
        if attribute.name == "coordinate_transformation_mode":
            attribute.s = b"align_corners"


def forget_the_mean(model: onnx.ModelProto) -> None:
    for node in model.graph.node:
        if node.name == "preprocess/Sub":
            node.op_type = "Add"


@pytest.mark.parametrize(
    ("change", "row"),
    [
        (swap_classes, "top-1"),
        (blue_first, "parity"),
        (resize_from_corners, "preprocessing"),
        (forget_the_mean, "preprocessing"),
    ],
)
def test_an_altered_graph(
    change: Callable[[onnx.ModelProto], None],
    row: str,
    network: nn.Module,
    exported: Path,
    faces: NDArray[np.uint8],
    tmp_path: Path,
) -> None:
    failed = failures(network, altered(exported, tmp_path / "altered.onnx", change), faces)
    assert {f"{row}/{engine}" for engine in ENGINES} <= set(failed)
    assert not {"operators", "batch-invariance/torch"} & set(failed)


def test_a_custom_operator(
    network: nn.Module, exported: Path, faces: NDArray[np.uint8], tmp_path: Path
) -> None:
    def customise(model: onnx.ModelProto) -> None:
        model.opset_import.append(onnx.helper.make_opsetid("com.microsoft", 1))
        (softmax,) = [node for node in model.graph.node if node.name == "attention/Softmax"]
        softmax.domain, softmax.op_type = "com.microsoft", "QuickGelu"
        del softmax.attribute[:]

    failed = failures(network, altered(exported, tmp_path / "custom.onnx", customise), faces)
    assert set(failed) == {"operators"}
    assert "attention/Softmax (com.microsoft.QuickGelu)" in failed["operators"].detail


def with_last_node(model: onnx.ModelProto, kind: str, parameter: list[int]) -> None:
    """Put one more node between the graph and its output."""
    graph = model.graph
    value = graph.node[-1].output[0]
    graph.node[-1].output[0] = "free"
    graph.initializer.append(onnx.numpy_helper.from_array(np.array(parameter), "parameter"))
    graph.node.append(onnx.helper.make_node(kind, ["free", "parameter"], [value], f"network/{kind}_9"))


@pytest.mark.parametrize(
    ("kind", "parameter", "fails", "passes"),
    [
        ("Reshape", [2, CLASSES], "7 x 64 x 64", "2 x 64 x 64"),  # the example's batch, baked in
        ("ReduceMean", [0], "7 x 64 x 64", "1 x 64 x 64"),  # one answer for the whole batch
    ],
)
def test_a_batch_axis_that_is_dynamic_in_name_only(
    kind: str,
    parameter: list[int],
    fails: str,
    passes: str,
    exported_dynamic: Path,
    faces: NDArray[np.uint8],
    tmp_path: Path,
) -> None:
    path = altered(
        exported_dynamic, tmp_path / "frozen.onnx", lambda model: with_last_node(model, kind, parameter)
    )
    check = axes_as_declared("onnxruntime", onnx.load(path), onnxruntime_session(path), faces)
    assert not check.passed
    assert fails in check.detail and passes not in check.detail


def test_weights_of_another_network(
    network: nn.Module, exported: Path, faces: NDArray[np.uint8], tmp_path: Path
) -> None:
    other = copy.deepcopy(network)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.mul_(1.05)
    assert {"parity/onnxruntime", "parity/openvino"} <= set(failures(other, exported, faces))


def test_too_few_faces(network: nn.Module, exported: Path, faces: NDArray[np.uint8]) -> None:
    with pytest.raises(UsageError):
        run_checks(network, exported, faces[:6], contract=CONTRACT)


def test_certificate_and_nan() -> None:
    passed = Check.at_most("a", 0.5, 1, "points", "how")
    unknown = Check.at_most("b", float("nan"), 1, "points", "how")
    assert passed.passed and not unknown.passed
    assert not Check.at_least("c", float("nan"), 0, "points", "how").passed
    assert certificate([passed]) == {
        "schema": "edgefer.certificate/1",
        "checks": [
            {"name": "a", "passed": True, "measured": 0.5, "limit": 1.0, "unit": "points", "detail": "how"}
        ],
    }
    require([passed])
