"""Documents from elsewhere, spoiled at random: each is refused in our own words, or gives a right answer.

From our own trials: 2 of 482 edited manifests ended in a traceback. ``EDGEFER_FUZZ=10000`` tries that many.
"""

from __future__ import annotations

import hashlib
import io
import json
import random
import warnings
from pathlib import Path

import numpy as np
import pytest

from edgefer_bench.benchmark import make_records
from edgefer_bench.comparison import compare
from edgefer_bench.comparison_table import comparison_table
from edgefer_bench.further_table import further_table
from edgefer_bench.publishing import doubts
from edgefer_bench.records import read_record
from edgefer_bench.remote.answers import read_facts, read_look, read_progress, require_complete
from edgefer_bench.report.page import render_page
from edgefer_bench.report.sheets import render_csv, render_markdown
from edgefer_bench.tables import bench_table
from edgefer_export.evidence import Evidence
from edgefer_runtime.batching import batches_mix
from edgefer_runtime.bench_run import ARRAYS, RUN, BenchRun, EngineRun
from edgefer_runtime.board import identify
from edgefer_runtime.bundle import Bundle
from edgefer_runtime.classifier import Classifier
from edgefer_runtime.environment import installed_targets, probe
from edgefer_runtime.errors import EdgeferError
from edgefer_runtime.faces.crop import face_square
from edgefer_runtime.faces.detection import Detection
from edgefer_runtime.preprocess import preprocess

from .documents_kit import CLASSES, spoiled, tiny_bundle, try_all

CROP = np.full((20, 24, 3), (200, 20, 20), np.uint8)


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return tiny_bundle(tmp_path)


def test_manifests(bundle: Bundle) -> None:
    path = bundle.folder / "manifest.json"
    whole = json.loads(path.read_bytes())

    def attempt(dice: random.Random) -> bool:
        path.write_bytes(spoiled(dice, whole))
        try:
            with Bundle.open(bundle.folder) as opened:
                manifest = opened.manifest
                json.dumps(manifest.to_json(), allow_nan=False).encode()
                assert batches_mix(opened) is False or manifest.batch is None
                assert preprocess(CROP[None], manifest.input).dtype == np.float32
                face = Detection(np.array([2, 2, 12, 12], np.float32), None, 1.0)
                assert 0 < face_square(face, manifest.input.crop_scale).side < 1e4
                if manifest.target == "onnxruntime":
                    assert Classifier.open(opened, threads=1)(CROP).label == manifest.classes[0]
        except EdgeferError as error:
            assert error.found
            return False
        return True

    assert try_all(attempt, 1)


def test_certificates(bundle: Bundle) -> None:
    whole = {**bundle.certificate, "evidence": evidence().to_json()}
    manifest = json.loads((bundle.folder / "manifest.json").read_bytes())

    assert Evidence.from_json(whole["evidence"]).classes == CLASSES

    def attempt(dice: random.Random) -> bool:
        text = spoiled(dice, whole)
        sealed = {**manifest, "batch": None, "certificate_sha256": hashlib.sha256(text).hexdigest()}
        (bundle.folder / "certificate.json").write_bytes(text)
        (bundle.folder / "manifest.json").write_text(json.dumps(sealed))
        try:
            opened = Bundle.open(bundle.folder)
            batches_mix(opened)
            read = Evidence.from_json(opened.certificate.get("evidence"))
        except EdgeferError as error:
            assert error.found
            return False
        assert read.network.shape == read.engine.shape == (len(read.crops), len(read.classes))
        assert np.isfinite(read.network).all() and read.crops.dtype == np.uint8
        return True

    assert try_all(attempt, 2)


def evidence() -> Evidence:
    answers = np.full((2, 3), 1 / 3, np.float32)
    return Evidence(np.zeros((2, 8, 8, 3), np.uint8), CLASSES, answers, answers, ("select",), ())


def measured(bundle: Bundle, faces: int) -> BenchRun:
    """A run as a robot would measure it, small."""
    footprint = {
        **{
            "provider": "CPUExecutionProvider",
            "threads": 1,
            "verify_ns": 5,
            "load_ns": 6,
            "first_call_ns": 7,
        },
        **{"rss_before_bytes": None, "rss_after_bytes": 10**7, "peak_rss_bytes": 10**7},
    }
    nested = {"infer": [10**6] * 9, "pipeline": [2 * 10**6] * 9, "kernel": [9 * 10**5] * 9}
    camera = {"hz": 30, "arrived": 9, "dropped": 1, "missed": 1}
    facts = {
        "manifest": bundle.manifest.to_json(),
        "size_bytes": 1000,
        "footprint": footprint,
        "warmup_calls": 3,
        "stable": True,
        "position": [0] * 20,
        "times": {"latency_ns": nested, "detector": None},
        "scenarios": {
            "multi-stream": {"streams": 8, "latency_ns": [10**6] * 9},
            "offline": {"workers": 1, "images_per_s": 900.5},
            "camera": {**camera, "latency_ns": [10**6] * 8, "jitter_ns": [5] * 8},
        },
        "energy": {"gross_mj": None, "net_mj": None, "reason": "no meter"},
    }
    latency = np.random.default_rng(0).integers(10**6, 2 * 10**6, 200)
    probabilities = np.eye(3, dtype=np.float32)[np.arange(faces) % 3]
    trace = {"t_s": [0.0, 0.5], "temperature_c": {"cpu": [40.0, 41.5]}}
    shared = {
        "environment": {**json.loads(json.dumps(probe().to_json()))},
        "board": json.loads(json.dumps(identify().to_json())),
        "conditions": {"cores": [0], "pinned": True, "trace": trace, "throttled_by": []},
        "batch": 1,
        "settings": {"duration_s": 10.0},
    }
    return BenchRun(shared, (EngineRun(facts, latency, np.arange(200) // 10, probabilities),))


class Faces:
    """Labelled pictures, as bench asks for them."""

    name, notice, classes = "colours", "", CLASSES
    images = np.zeros((70, 16, 16, 3), np.uint8)
    labels = np.arange(70) % 3
    attributes = {"subject": np.arange(70) // 7, "yaw": np.where(np.arange(70) % 2, 45, -45)}  # noqa: RUF012

    def fingerprint(self) -> str:
        return "f" * 64


def rendered(*shown: object) -> str:
    from edgefer.cli.terminal import Console

    text = io.StringIO()
    Console(file=text, width=120).print(*shown)
    return text.getvalue()


def test_records(bundle: Bundle, tmp_path: Path) -> None:
    answers = np.full((70, 3), 1 / 3, np.float32)
    (whole,) = make_records(measured(bundle, 70), [bundle], Faces(), references=[answers])
    path = tmp_path / "a.bench.json"
    path.write_text(json.dumps(whole))
    sound = read_record(path)

    def attempt(dice: random.Random) -> bool:
        path.write_bytes(spoiled(dice, whole))
        try:
            record = read_record(path)
        except EdgeferError as error:
            assert error.found
            return False
        text = rendered(*bench_table([record]), further_table([record]))
        assert "\x1b" not in text and "\u202e" not in text
        render_page([record]), render_markdown([record]), render_csv([record]), doubts(record)
        try:
            compared = compare([sound], [record], limit=0.03)
        except EdgeferError:
            return True
        assert all(np.isfinite(each.ratio.value) for each in compared)
        rendered(*comparison_table(compared))
        return True

    assert try_all(attempt, 3)


def test_what_a_robot_prints(bundle: Bundle, tmp_path: Path) -> None:
    look = {"python": [3, 11, 2], "base": "/tmp", "folder": "/tmp/edgefer-abc", "free": 10**9}
    facts = {**probe().to_json(), "targets": installed_targets(), "board": identify().to_json()}
    progress = {"stage": "measure", "done": 3, "total": 100}
    faces = Faces()
    measured(bundle, 70).save(tmp_path)
    run, arrays = json.loads((tmp_path / RUN).read_text()), (tmp_path / ARRAYS).read_bytes()

    require_complete(BenchRun.load(tmp_path), [bundle], 70, "robot")

    def attempt(dice: random.Random) -> bool:
        kind = dice.randrange(4)
        try:
            if kind == 0:
                assert read_look(spoiled(dice, look), "robot")["folder"] != "/"
            elif kind == 1:
                read_facts(spoiled(dice, facts), "robot")["board"].name.encode()
            elif kind == 2:
                told = read_progress(spoiled(dice, progress).decode("utf-8", "replace"))
                assert told is None or told["done"] >= 0
            else:
                damaged = bytearray(arrays)
                if dice.random() < 0.5:
                    damaged[dice.randrange(len(damaged))] = dice.randrange(256)
                    (tmp_path / RUN).write_text(json.dumps(run))
                else:
                    (tmp_path / RUN).write_bytes(spoiled(dice, run))
                (tmp_path / ARRAYS).write_bytes(damaged)
                found = BenchRun.load(tmp_path)
                require_complete(found, [bundle], 70, "robot")
                (record,) = make_records(found, [bundle], faces, host="robot")
                rendered(*bench_table([record]), further_table([record]))
        except EdgeferError as error:
            assert error.found
            return False
        return True

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a manifest's classes or a dtype that is obsolete are no matter here
        assert try_all(attempt, 4)
