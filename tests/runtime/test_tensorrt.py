"""TensorRT on the robot: plans built from a bundle, refused where they cannot run, stood in for."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgefer_runtime.__main__ import main
from edgefer_runtime.building import build_bundle
from edgefer_runtime.bundle import Bundle, pack_zip, write_bundle
from edgefer_runtime.classifier import Classifier
from edgefer_runtime.engines import cuda, tensorrt_build
from edgefer_runtime.engines.tensorrt_build import installed
from edgefer_runtime.engines.tensorrt_plan import PlanFacts
from edgefer_runtime.errors import DataError, DeviceError, EdgeferError, MissingError, UsageError

from .conftest import CERTIFICATE, CONTRACT, WEIGHTS, tiny_manifest

Expected = Callable[[np.ndarray], np.ndarray]

rtx = pytest.mark.skipif(not installed("tensorrt-rtx"), reason="tensorrt-rtx is not installed")
FACTS = PlanFacts(
    library="tensorrt",
    version="10.3.0",
    machine=platform.machine(),
    compute_capability="8.7",
    plan_sha256="0" * 64,
    onnx_sha256="0" * 64,
)


@pytest.fixture(params=[1, None], ids=["static", "dynamic"])
def batch(request: pytest.FixtureRequest) -> int | None:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def unbuilt(tmp_path: Path, batch: int | None) -> Callable[[str], Bundle]:
    """A bundle of the conftest's network behind its preprocessing, with no plan yet."""

    def make(target: str) -> Bundle:
        rows = batch if batch is not None else "batch"
        shape = [rows, 3, CONTRACT.height, CONTRACT.width]
        graph = helper.make_graph(
            [
                helper.make_node("ReduceMean", ["images", "axes"], ["mean"], "pool/ReduceMean", keepdims=0),
                helper.make_node("Gemm", ["mean", "weights"], ["logits"], "classify/Gemm"),
                helper.make_node("Softmax", ["logits"], ["probabilities"], "network/Softmax", axis=1),
            ],
            "tiny",
            [helper.make_tensor_value_info("images", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [rows, 3])],
            [
                helper.make_tensor("axes", TensorProto.INT64, [2], [2, 3]),
                numpy_helper.from_array(WEIGHTS * np.float32(127.5), "weights"),
            ],
        )
        onnx.save(
            helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9),
            tmp_path / "model.onnx",
        )
        (tmp_path / "build.json").write_text(json.dumps({"target": target, "onnx": "model.onnx"}))
        files = {name: tmp_path / name for name in ("build.json", "model.onnx")}
        options = {"preprocessing": "runtime"}
        if target == "tensorrt-rtx":
            options["compute_capability"] = "8.6"
        manifest = tiny_manifest(target, "build.json", batch, options=options)
        return write_bundle(tmp_path / target, manifest, files, CERTIFICATE)

    return make


def test_the_onnx_stands_in_only_when_allowed(
    unbuilt: Callable[[str], Bundle], expected: Expected, faces: np.ndarray
) -> None:
    bundle = unbuilt("tensorrt")
    with pytest.raises(DeviceError, match=r"no plan yet\n.*\n.*edgefer_runtime build .*tensorrt"):
        Classifier.open(bundle)
    with pytest.raises(UsageError, match="tensorrt engine on GPU"):
        Classifier.open(bundle, device="GPU", allow_fallback=True)
    stand_in = Classifier.open(bundle, allow_fallback=True)
    assert stand_in.engine.provider == "CPUExecutionProvider in place of tensorrt"
    assert np.abs(stand_in.predict(faces[:5]) - expected(faces[:5])).max() < 1e-5


@rtx
def test_a_plan_is_built_from_the_bundle_alone(
    unbuilt: Callable[[str], Bundle],
    batch: int | None,
    expected: Expected,
    faces: np.ndarray,
    capsys: pytest.CaptureFixture[str],
) -> None:
    bundle = unbuilt("tensorrt-rtx")
    assert main(["build", str(bundle.path), "--json", "--batch", "2"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["compute_capability"] == "8.6" and facts["machine"] == platform.machine()
    assert facts["profile"] == ([1, 2, 2] if batch is None else None)
    built = Bundle.open(bundle.path)
    assert built.manifest.entry == "model.engine"
    assert built.manifest.tools["tensorrt-rtx"] == facts["version"]
    files = {file.path: file.sha256 for file in built.manifest.files}
    assert sorted(files) == ["model.engine", "model.engine.json", "model.onnx"]
    assert (files["model.engine"], files["model.onnx"]) == (facts["plan_sha256"], facts["onnx_sha256"])
    stand_in = Classifier.open(built, allow_fallback=True)
    assert np.abs(stand_in.predict(faces[:3]) - expected(faces[:3])).max() < 1e-5
    assert main(["build", str(bundle.path)]) == 0, "built again, from what it holds"


@rtx
def test_a_plan_built_from_a_signed_bundle_is_not_signed(
    unbuilt: Callable[[str], Bundle], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = unbuilt("tensorrt-rtx")
    files = {file.path: source.folder / file.path for file in source.manifest.files}
    signed = write_bundle(tmp_path / "signed", source.manifest, files, source.certificate, lambda _: {})
    assert signed.signed
    assert main(["build", str(signed.path)]) == 0 and "not signed" in capsys.readouterr().out
    built = Bundle.open(signed.path)
    assert not built.signed and built.manifest.provenance["built_from_signed"] is True
    assert main(["build", str(source.path)]) == 0 and "not signed" not in capsys.readouterr().out


@rtx
def test_a_zip_is_built_into_a_folder(unbuilt: Callable[[str], Bundle], tmp_path: Path) -> None:
    packed = pack_zip(unbuilt("tensorrt-rtx"), tmp_path / "tiny.edgefer")
    assert main(["build", str(packed)]) == 2
    assert main(["build", str(packed), "-o", str(tmp_path / "built")]) == 0
    assert Bundle.open(tmp_path / "built").manifest.entry == "model.engine"


def test_a_robot_without_tensorrt_or_gpu_is_told_so(
    unbuilt: Callable[[str], Bundle], capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = unbuilt("tensorrt")
    if not installed("tensorrt"):
        assert main(["build", str(bundle.path)]) == MissingError.exit_code
        assert "python3-libnvinfer" in capsys.readouterr().err
    elif not has_gpu():
        assert main(["build", str(bundle.path)]) == DeviceError.exit_code
    assert Bundle.open(bundle.path).manifest.entry == "build.json"


def test_other_bundles_have_nothing_to_build(bundle: Bundle, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build", str(bundle.path)]) == 2
    assert "nothing to build" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"version": "10.16.2"}, "10.16.2"),
        ({"machine": "sparc"}, "sparc"),
        ({"compute_capability": "8.6"}, "compute capability 8.6"),
    ],
)
def test_a_plan_for_another_machine_is_explained(changes: dict[str, str], found: str) -> None:
    FACTS.require_match("10.3.0", "8.7")
    replace(FACTS, compute_capability=None).require_match("10.3.0", "12.0")
    with pytest.raises(DeviceError, match=rf"{found}.*\n.*tensorrt 10\.3\.0.*\n.*edgefer_runtime build"):
        replace(FACTS, **changes).require_match("10.3.0", "8.7")


def test_facts_survive_their_file(tmp_path: Path) -> None:
    FACTS.write(tmp_path / "facts.json")
    assert PlanFacts.read(tmp_path / "facts.json") == FACTS
    (tmp_path / "facts.json").write_text('{"library": "tensorrt"}')
    with pytest.raises(DataError, match="facts of a plan"):
        PlanFacts.read(tmp_path / "facts.json")


def test_a_manifest_that_wants_preprocessing_in_the_plan_is_refused(
    unbuilt: Callable[[str], Bundle],
) -> None:
    bundle = unbuilt("tensorrt")
    manifest = replace(bundle.manifest, options={"preprocessing": "graph"})
    with pytest.raises(DataError, match="takes prepared faces"):
        Classifier.open(Bundle(bundle.path, bundle.folder, manifest, bundle.certificate), allow_fallback=True)


def has_gpu() -> bool:
    try:
        cuda.require()
    except EdgeferError:
        return False
    return True


@pytest.mark.parametrize(
    ("types", "flags", "held"),
    [
        ({"conv": ("CONVOLUTION", "half"), "softmax": ("SOFTMAX", "float")}, ["FP16"], ["softmax"]),
        ({"pair": ("QUANTIZE", "int8"), "softmax": ("SOFTMAX", "float")}, ["INT8"], []),
        ({"conv": ("CONVOLUTION", "float"), "weights": ("CONSTANT", "float")}, [], []),
    ],
)
def test_tensorrt_8_is_told_the_graphs_types(
    types: dict[str, tuple[str, str]], flags: list[str], held: list[str]
) -> None:
    """What is asked of its API, which no machine at hand has: the types it may use, and where it may not."""
    kinds = {kind: SimpleNamespace(name=kind) for kind, _ in types.values()}
    layers = [
        SimpleNamespace(name=name, type=kinds[kind], get_output_type=lambda index, made=made: made)
        for name, (kind, made) in types.items()
    ]
    network = SimpleNamespace(num_layers=len(layers), get_layer=layers.__getitem__)
    names = ("TF32", "INT8", "FP16", "PREFER_PRECISION_CONSTRAINTS")
    library = SimpleNamespace(
        BuilderFlag=SimpleNamespace(__members__={name: name for name in names}, **{n: n for n in names}),
        NetworkDefinitionCreationFlag=SimpleNamespace(EXPLICIT_BATCH=0),
        LayerType=SimpleNamespace(QUANTIZE=kinds.get("QUANTIZE")),
        float16="half",
        float32="float",
    )
    chosen = {"TF32"}
    config = SimpleNamespace(
        clear_flag=chosen.discard, set_flag=chosen.add, get_flag=lambda name: name in chosen
    )
    constraints = ["PREFER_PRECISION_CONSTRAINTS"] if held else []
    assert tensorrt_build._set_flags(library, config, network) == (*flags, *constraints)
    assert [layer.name for layer in layers if hasattr(layer, "precision")] == held
    library.NetworkDefinitionCreationFlag.STRONGLY_TYPED = 1
    chosen.clear()
    assert tensorrt_build._set_flags(library, config, network) == (), "from 10 on the graph says it all"


@rtx
def test_a_build_tells_how_far_it_is(unbuilt: Callable[[str], Bundle]) -> None:
    told: list[tuple[str, int, int]] = []
    build_bundle(unbuilt("tensorrt-rtx").path, on_progress=lambda *step: told.append(step))
    phase, _, steps = told[0]
    assert told == [(phase, done, steps) for done in range(steps + 1)] and steps > 2
