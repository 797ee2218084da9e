"""Both engines, for real: what they compute, refuse and report."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from edgefer_runtime.bundle import Bundle, write_bundle
from edgefer_runtime.classifier import Classifier
from edgefer_runtime.engines import open_engine
from edgefer_runtime.engines.tensorrt_build import load_library
from edgefer_runtime.environment import usable_cores
from edgefer_runtime.errors import DataError, DeviceError, MissingError, UsageError
from edgefer_runtime.footprint import resident_bytes

from .conftest import CONTRACT

Make = Callable[..., Bundle]
Expected = Callable[[np.ndarray], np.ndarray]

PROVIDERS = {"onnxruntime": "CPUExecutionProvider", "openvino": "CPU f32"}
targets = pytest.mark.parametrize("target", PROVIDERS)


@targets
@pytest.mark.parametrize("batch", [1, 3, None])
def test_computes_the_network(
    make_bundle: Make, expected: Expected, faces: np.ndarray, target: str, batch: int | None
) -> None:
    engine = open_engine(make_bundle(target, batch))
    images = faces[: batch or 5]
    probabilities = engine.run(images)
    assert (engine.target, engine.provider, engine.batch) == (target, PROVIDERS[target], batch)
    assert probabilities.dtype == np.float32
    assert np.abs(probabilities - expected(images)).max() < 1e-5


@targets
def test_takes_any_crop_size_and_memory_layout(make_bundle: Make, expected: Expected, target: str) -> None:
    engine = open_engine(make_bundle(target))
    frame = np.random.default_rng(1).integers(0, 256, (90, 80, 3), dtype=np.uint8)
    frame.flags.writeable = False
    for crop in (frame[:64, :48], frame[10:11, 3:9], frame[::-1, ::2], frame):
        assert np.abs(engine.run(crop[None]) - expected(crop[None])).max() < 1e-5


@targets
@pytest.mark.parametrize("batch", [1, 3, None])
@pytest.mark.parametrize("size", [(32, 32), (20, 27)], ids=["the network's own", "another"])
def test_opened_for_one_size_it_takes_that_one(
    make_bundle: Make, expected: Expected, target: str, batch: int | None, size: tuple[int, int]
) -> None:
    engine = open_engine(make_bundle(target, batch), size=size)
    crops = np.random.default_rng(2).integers(0, 256, (batch or 2, *size, 3), dtype=np.uint8)
    assert engine.size == size
    assert np.abs(engine.run(crops) - expected(crops)).max() < 1e-5
    with pytest.raises(DataError, match=f"{size[0] - 1} x {size[1]} pixels"):
        engine.run(crops[:, 1:])


@targets
def test_an_answer_is_the_callers_to_keep(make_bundle: Make, faces: np.ndarray, target: str) -> None:
    engine = open_engine(make_bundle(target))
    first = engine.run(faces[:1])
    before = first.copy()
    engine.run(faces[1:2])
    assert np.array_equal(first, before)


@targets
def test_static_batch_refuses_another(make_bundle: Make, faces: np.ndarray, target: str) -> None:
    engine = open_engine(make_bundle(target, 1))
    with pytest.raises(DataError, match=r"2 images.*\n.*built for this batch size\n.*Classifier\.predict"):
        engine.run(faces[:2])


@targets
@pytest.mark.parametrize(
    "images",
    [
        np.zeros((8, 8, 3), np.uint8),
        np.zeros((1, 8, 8, 3), np.float32),
        np.zeros((1, 8, 8, 1), np.uint8),
        np.zeros((1, 0, 8, 3), np.uint8),
    ],
)
def test_refuses_other_arrays(make_bundle: Make, target: str, images: np.ndarray) -> None:
    with pytest.raises(DataError, match="expected: a uint8 array, N x H x W x 3"):
        open_engine(make_bundle(target)).run(images)


@targets
def test_threads_at_once_get_their_own_answers(
    make_bundle: Make, expected: Expected, faces: np.ndarray, target: str
) -> None:
    engine = open_engine(make_bundle(target), threads=1)
    wanted = expected(faces)

    def work(turn: int) -> bool:
        row = turn % len(faces)
        return bool(np.abs(engine.run(faces[row : row + 1])[0] - wanted[row]).max() < 1e-5)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(2000)))


@targets
@pytest.mark.skipif(usable_cores() < 2, reason="one core is all there is to be bound to")
def test_a_call_binds_no_thread_to_a_core(make_bundle: Make, target: str) -> None:
    """Two engines of one process, each bound to the first core, would share it."""
    engine = open_engine(make_bundle(target), threads=1)
    frame, done = np.zeros((1, 800, 800, 3), np.uint8), threading.Event()

    def call() -> None:
        while not done.is_set():
            engine.run(frame)

    seen = set()
    with ThreadPoolExecutor(1) as pool:
        calling = pool.submit(call)
        for _ in range(300):
            for task in Path("/proc/self/task").iterdir():
                with suppress(ProcessLookupError):  # it ended meanwhile
                    seen.add(frozenset(os.sched_getaffinity(int(task.name))))
        done.set()
        calling.result()
    assert seen == {frozenset(os.sched_getaffinity(0))}


@targets
def test_memory_stays_with_ever_new_crop_sizes(make_bundle: Make, target: str) -> None:
    engine = open_engine(make_bundle(target), threads=1)
    frame = np.zeros((1, 120, 120, 3), np.uint8)
    sizes = [(height, width) for height in range(20, 120) for width in range(20, 120)]
    for height, width in sizes[:2000]:
        engine.run(frame[:, :height, :width])
    settled = resident_bytes()
    for height, width in sizes[2000:]:
        engine.run(frame[:, :height, :width])
    assert settled is not None and resident_bytes() - settled < 20e6


@targets
def test_the_callers_arithmetic_keeps_its_denormals(
    make_bundle: Make, faces: np.ndarray, target: str
) -> None:
    open_engine(make_bundle(target), threads=2).run(faces[:1])
    assert np.float32(1e-30) * np.array([1e-10], np.float32) > 0


@pytest.mark.parametrize("target", ["onnxruntime", "openvino", "tensorrt-rtx"])
def test_an_interrupted_import_is_no_missing_library(
    target: str, make_bundle: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rtx = target == "tensorrt-rtx"
    module = "tensorrt_rtx_bindings" if rtx else target
    load = partial(load_library, target) if rtx else partial(open_engine, make_bundle(target))
    (tmp_path / f"{module}.py").write_text(
        "raise ImportError('initialization failed') from KeyboardInterrupt()\n"  # pybind11's words
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, module, raising=False)
    with pytest.raises(KeyboardInterrupt):
        load()


@targets
def test_missing_library_names_the_pip_command(
    make_bundle: Make, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    bundle = make_bundle(target)
    monkeypatch.setitem(sys.modules, target, None)
    with pytest.raises(MissingError, match=rf'pip install "edgefer-runtime\[{target}\]"'):
        open_engine(bundle)


@pytest.mark.parametrize(
    ("target", "device", "provider"),
    [
        ("onnxruntime", "CUDA", "CPUExecutionProvider"),
        ("onnxruntime", "tensorrt", "CPUExecutionProvider"),
        ("onnxruntime", "AzureExecutionProvider", "CPUExecutionProvider"),  # is there, and takes no node
        ("openvino", "GPU", "CPU f32"),
        ("openvino", "NPU", "CPU f32"),
    ],
)
def test_a_fallback_is_an_error_unless_allowed(
    make_bundle: Make, target: str, device: str, provider: str
) -> None:
    asked_by_hand = make_bundle(target)
    with pytest.raises(DeviceError, match=f"(?i){device}.*\n.*\n.*allow the fallback"):
        open_engine(asked_by_hand, device=device)
    assert open_engine(asked_by_hand, device=device, allow_fallback=True).provider == provider
    options = {"DEVICE" if target == "openvino" else "provider": device}
    asked_by_manifest = make_bundle(target, options={**asked_by_hand.manifest.options, **options})
    with pytest.raises(DeviceError, match=f"(?i){device}"):
        open_engine(asked_by_manifest)
    assert open_engine(asked_by_manifest, device="CPU").provider == provider


def test_a_device_that_no_onnxruntime_has_is_a_usage_error(bundle: Bundle) -> None:
    with pytest.raises(UsageError, match=r"no device abacus\n.*CUDA.*CPU"):
        open_engine(bundle, device="abacus")


def test_openvino_keeps_what_it_compiled_where_the_caller_says(
    make_bundle: Make, expected: Expected, faces: np.ndarray, tmp_path: Path
) -> None:
    bundle = make_bundle("openvino")
    for _ in range(2):
        engine = open_engine(bundle, cache=tmp_path / "cache")
        assert np.abs(engine.run(faces[:1]) - expected(faces[:1])).max() < 1e-5
        assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [".blob"]


@pytest.mark.parametrize("batch", [1, 3, None])
def test_a_device_of_fixed_sizes_takes_any_crop_all_the_same(
    make_bundle: Make,
    expected: Expected,
    faces: np.ndarray,
    batch: int | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("edgefer_runtime.engines.openvino.STATIC_DEVICES", ("CPU",))
    as_it_is = replace(CONTRACT, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))  # the network's own normalisation
    classifier = Classifier.open(make_bundle("openvino", batch, input=as_it_is))
    assert classifier.engine.batch == (batch or 1)
    for crops in (faces[:7], faces[:7, :9, 2:]):
        assert np.abs(classifier.predict(crops) - expected(crops)).max() < 1e-5


def test_openvino_reads_onnx_too(
    make_bundle: Make, expected: Expected, faces: np.ndarray, tmp_path: Path
) -> None:
    source = make_bundle("onnxruntime")
    bundle = make_bundle("openvino")
    manifest = type(bundle.manifest)(
        **{**vars(bundle.manifest), "entry": "model.onnx", "files": (), "certificate_sha256": ""}
    )
    copy = write_bundle(tmp_path / "onnx", manifest, {"model.onnx": source.entry}, {})
    assert np.abs(open_engine(copy).run(faces[:1]) - expected(faces[:1])).max() < 1e-5


def test_openvino_reports_the_precision_it_chose(make_bundle: Make) -> None:
    asked = open_engine(make_bundle("openvino", options={"INFERENCE_PRECISION_HINT": "bf16"}))
    assert asked.provider in ("CPU bf16", "CPU f32")  # bf16 where the processor has it
    assert open_engine(make_bundle("openvino")).provider == "CPU f32"


def test_openvino_options_cannot_make_files(make_bundle: Make, tmp_path: Path) -> None:
    bundle = make_bundle("openvino", options={"CACHE_DIR": str(tmp_path / "cache")})
    with pytest.raises(DataError, match="CACHE_DIR"):
        open_engine(bundle)


@targets
def test_an_intact_file_the_library_refuses_is_a_data_error(
    make_bundle: Make, tmp_path: Path, target: str
) -> None:
    manifest = make_bundle(target).manifest
    nonsense = tmp_path / "nonsense"
    nonsense.write_bytes(b"no model")
    bundle = write_bundle(tmp_path / "refused", manifest, {manifest.entry: nonsense}, {})
    with pytest.raises(DataError, match=rf"{target} \d.* cannot open {manifest.entry}"):
        open_engine(bundle)


@targets
def test_another_graph_than_an_engines_is_a_data_error(make_bundle: Make, target: str) -> None:
    with pytest.raises(DataError, match="scores"):
        open_engine(make_bundle(target, output="scores"))
    with pytest.raises(DataError, match="3 probabilities for 2 classes"):
        open_engine(make_bundle(target, classes=("happiness", "sadness")))


def test_unknown_targets_and_threads_are_usage_errors(make_bundle: Make, bundle: Bundle) -> None:
    with pytest.raises(UsageError, match="coreml"):
        open_engine(write_changed(bundle, "coreml"))
    with pytest.raises(UsageError, match="0 threads"):
        open_engine(bundle, threads=0)
    with pytest.raises(UsageError, match="0 x 32 pixels"):
        open_engine(bundle, size=(0, 32))


def write_changed(bundle: Bundle, target: str) -> Bundle:
    changed = type(bundle.manifest)(**{**vars(bundle.manifest), "target": target})
    return Bundle(bundle.path, bundle.folder, changed, bundle.certificate)
