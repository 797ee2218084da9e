"""Model repositories, read by the parser that Triton's own client brings and by the engines' libraries."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf import text_format
from numpy.typing import NDArray

from edgefer_export import export_onnx, targets
from edgefer_export.repositories import Repository, require_served, write_repository
from edgefer_runtime.bundle import Bundle, write_bundle
from edgefer_runtime.engines.libraries import import_openvino
from edgefer_runtime.errors import DataError, UsageError
from edgefer_runtime.manifest import Manifest

from .conftest import CLASSES, CONTRACT, small

NAMES = tuple(f"class {index}" for index in range(CLASSES))
PASSED = {"checks": [{"name": "batch-invariance/onnxruntime", "passed": True}]}
FAILED = {"checks": [{"name": "batch-invariance/onnxruntime", "passed": False}]}


def parse(path: Path) -> Any:
    """A ``config.pbtxt`` as Triton's ModelConfig; its module alone is loaded, gRPC is not needed for it."""
    client = importlib.util.find_spec("tritonclient")
    if client is None or not client.submodule_search_locations:
        pytest.skip("tritonclient is not installed")
    source = Path(client.submodule_search_locations[0]) / "grpc" / "model_config_pb2.py"
    spec = importlib.util.spec_from_file_location("model_config_pb2", source)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return text_format.Parse(path.read_text(), module.ModelConfig())


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int | None], Path]:
    """The conftest's network as float ONNX of a batch."""
    folder, network = tmp_path_factory.mktemp("graphs"), small()
    made: dict[int | None, Path] = {}

    def graph(batch: int | None) -> Path:
        if batch not in made:
            made[batch] = export_onnx(
                network,
                contract=CONTRACT,
                classes=CLASSES,
                output="logits",
                path=folder / f"{batch}.onnx",
                batch=batch,
            )
        return made[batch]

    return graph


@pytest.fixture
def bundled(graphs: Callable[[int | None], Path], tmp_path: Path) -> Callable[..., Bundle]:
    def make(target: str, batch: int | None, certificate: Any = PASSED, precision: str = "fp32") -> Bundle:
        work = tmp_path / f"{target}-{precision}"
        engine = targets.get(target).build(graphs(batch), "fp32", work / "engine")
        manifest = Manifest(
            model="small",
            variant="head",
            parameters=1,
            classes=NAMES,
            input=CONTRACT,
            target=target,
            precision=precision,
            batch=batch,
            entry=engine.entry,
            options=engine.options,
            licence="CC0-1.0",
        )
        return write_bundle(work / "bundle", manifest, engine.files, certificate)

    return make


def triton(bundle: Bundle, tmp_path: Path) -> tuple[Repository, Any]:
    written = write_repository("triton", [bundle], tmp_path / "triton")
    (name,) = written.models
    return written, parse(written.folder / name / "config.pbtxt")


@pytest.mark.parametrize("target", ["onnxruntime", "openvino"])
@pytest.mark.parametrize(
    ("batch", "certificate", "largest", "face", "answer"),
    [
        (1, PASSED, 0, [1, -1, -1, 3], [1, CLASSES]),
        (None, PASSED, 16, [-1, -1, 3], [CLASSES]),
        (None, FAILED, 0, [-1, -1, -1, 3], [-1, CLASSES]),
        (None, {"checks": []}, 0, [-1, -1, -1, 3], [-1, CLASSES]),
    ],
    ids=["static", "dynamic", "mixing", "unproven"],
)
def test_requests_share_a_batch_only_where_that_is_proven(
    target: str,
    batch: int | None,
    certificate: Any,
    largest: int,
    face: list[int],
    answer: list[int],
    bundled: Callable[..., Bundle],
    tmp_path: Path,
) -> None:
    _, config = triton(bundled(target, batch, certificate), tmp_path)
    assert config.backend == target and config.name == f"small-{target}-fp32"
    assert config.max_batch_size == largest and config.HasField("dynamic_batching") == (largest > 0)
    (taken,), (given,) = config.input, config.output
    kinds = type(taken).DESCRIPTOR.fields_by_name["data_type"].enum_type.values_by_number
    assert (taken.name, kinds[taken.data_type].name, [*taken.dims]) == ("images", "TYPE_UINT8", face)
    assert (given.name, kinds[given.data_type].name, [*given.dims]) == ("probabilities", "TYPE_FP32", answer)
    assert given.label_filename == "labels.txt"


def test_what_a_triton_model_s_folder_holds(bundled: Callable[..., Bundle], tmp_path: Path) -> None:
    bundle = bundled("onnxruntime", 1)
    written, _ = triton(bundle, tmp_path)
    folder = written.folder / "small-onnxruntime-fp32"
    assert (folder / "labels.txt").read_text().splitlines() == [*NAMES]
    assert (folder / "1/model.onnx").read_bytes() == bundle.entry.read_bytes()
    assert (folder / "manifest.json").read_bytes() == (bundle.folder / "manifest.json").read_bytes()
    assert json.loads((folder / "manifest.json").read_text())["licence"] == "CC0-1.0"
    assert (folder / "certificate.json").exists() and not (folder / "signature.json").exists()


def test_the_precision_that_triton_s_openvino_cannot_be_told(
    bundled: Callable[..., Bundle], tmp_path: Path
) -> None:
    written, config = triton(bundled("openvino", 1), tmp_path)
    assert any("bfloat16" in note for note in written.notes) and "HINT_BF16" not in config.parameters
    assert config.parameters["NUM_STREAMS"].string_value == "1"
    written, config = triton(bundled("openvino", 1, precision="bf16"), tmp_path)
    assert not written.notes and config.parameters["HINT_BF16"].string_value == "YES"


def test_a_repository_of_openvino_model_server_runs(
    bundled: Callable[..., Bundle], tmp_path: Path, faces: NDArray[np.uint8]
) -> None:
    bundles = [bundled("openvino", 1), bundled("onnxruntime", 1)]
    written = write_repository("ovms", bundles, tmp_path / "ovms")
    assert written.models == ("small-openvino-fp32",)
    assert any(note.startswith("small-onnxruntime-fp32 is left out") for note in written.notes)
    (entry,) = json.loads((written.folder / "config.json").read_text())["model_config_list"]
    config = entry["config"]
    # Exactly the keys that the server's schema knows: it refuses others.
    assert config.keys() == {"name", "base_path", "target_device", "plugin_config"}
    assert config["plugin_config"]["INFERENCE_PRECISION_HINT"] == "f32"
    openvino = import_openvino()
    core = openvino.Core()
    model = core.read_model(written.folder / config["base_path"] / "1" / "model.xml")
    compiled = core.compile_model(model, config["target_device"], config["plugin_config"])
    answer = compiled(faces[:1])[0]
    assert answer.shape == (1, CLASSES) and abs(answer.sum() - 1) < 1e-5


def test_a_plan_takes_prepared_faces_and_a_bundle_without_one_is_left_out(
    bundled: Callable[..., Bundle], tmp_path: Path
) -> None:
    onnx = bundled("onnxruntime", 1)
    (tmp_path / "plan").write_bytes(b"a plan")

    def tensorrt(entry: str, batch: int | None) -> Bundle:
        fields = {
            **{name: getattr(onnx.manifest, name) for name in ("model", "variant", "parameters", "classes")},
            "input": CONTRACT,
            "target": "tensorrt",
            "precision": "int8",
            "batch": batch,
            "entry": entry,
            "options": {"preprocessing": "runtime"},
        }
        files = {entry: tmp_path / "plan", "preprocess.onnx": tmp_path / "plan"}
        return write_bundle(tmp_path / "trt" / entry, Manifest(**fields), files, PASSED)

    written, config = triton(tensorrt("model.engine", None), tmp_path)
    kinds = type(config.instance_group[0]).DESCRIPTOR.enum_types_by_name["Kind"].values_by_number
    assert (config.backend, [*config.input[0].dims]) == ("tensorrt", [3, 40, 40])
    assert kinds[config.instance_group[0].kind].name == "KIND_GPU"
    version = written.folder / "small-tensorrt-int8" / "1"
    assert [path.name for path in version.iterdir()] == ["model.plan"]
    with pytest.raises(UsageError, match="no plan yet"):
        write_repository("triton", [tensorrt("build.json", 1)], tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_a_repository_is_replaced_whole_and_nothing_else_is(
    bundled: Callable[..., Bundle], tmp_path: Path
) -> None:
    first, second = bundled("onnxruntime", 1), bundled("openvino", 1)
    folder = tmp_path / "triton"
    write_repository("triton", [first, second], folder)
    write_repository("triton", [first], folder)
    assert [path.name for path in folder.iterdir()] == ["small-onnxruntime-fp32"]
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match=r"notes\.txt"):
        write_repository("triton", [first], folder)
    assert (folder / "notes.txt").read_text() == "mine"


def test_servers_and_the_targets_they_run() -> None:
    require_served("triton", ["onnxruntime"])
    for server, target in (("ovms", "onnxruntime"), ("triton", "tensorrt-rtx"), ("torchserve", "openvino")):
        with pytest.raises(UsageError):
            require_served(server, [target])
