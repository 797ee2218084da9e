import json
import re
from datetime import datetime, timezone

import pytest

from edgefer_bench.records import (
    LATER_FIELDS,
    new_run,
    read_record,
    read_records,
    without_samples,
    write_records,
)
from edgefer_runtime.errors import DataError

BLOCKS = [{"start_ns": 17, "latency_ns": [5_000_001, 4_999_999]}, {"start_ns": 2**53 + 1, "latency_ns": [7]}]


def whole_record():
    """A small record with all that readers rely on."""
    words = ("run", "created", "command", "model", "variant", "target", "precision", "provider", "scenario")
    ratio = {"value": 1.5, "interval": [1.25, 1.75], "pairs": 20}
    return {
        "schema": "edgefer.bench/1",
        **LATER_FIELDS,
        **dict.fromkeys(words, "word"),
        **dict.fromkeys(("threads", "batch"), 1),
        **{"p50_ms": 1, "p90_ms": 2.0, "p99_ms": 3.0, "load_ms": 20.5, "first_call_ms": 2},
        **{"peak_memory_mb": 50, "size_mb": 1.5, "accuracy": 50, "accuracy_interval": [0.25, 75]},
        **{"accuracy_drop": 0.5, "accuracy_drop_ci": [0.25, 0.75], "id": 30, "bundle": {}, "footprint": {}},
        "faces": {"name": "colours", "images": 4, "fingerprint": "f" * 64, "notice": ""},
        "latency": {"samples": 3, "p50_ms": 1, "p99_upper_ms": None},
        "evaluation": {"accuracy": 50, "subject_interval": None},
        "drop": {
            "against": "the float network",
            "flips": 2.5,
            "per_yaw": {"45": {"value": 1, "interval": [0, 2], "images": 2}},
        },
        "speedup": {"float": ratio, "onnxruntime_fp32": None},
        "stability": {"stable": True, "reasons": [], "null_ratio": ratio},
        "environment": {"cpu": "CPU", "architecture": "x86_64", "packages": {"numpy": "2"}, "cores": 2},
        "settings": {"duration_s": 10},
        "samples": {"latency_ns": [[5_000_001, 4_999_999], [7]], "correct": "0101", "blocks": BLOCKS},
    }


@pytest.fixture
def record():
    return {**whole_record(), "p99_ms": None}


def test_a_record_comes_back_as_it_was(record, tmp_path):
    paths = write_records([record, record], tmp_path / "runs" / "bench")
    assert len({*paths}) == 2
    assert read_record(paths[0]) == record
    assert read_records(tmp_path / "runs" / "bench") == [record, record]
    assert [path.name for path in paths[0].parent.iterdir() if path not in paths] == []


def test_an_early_record_is_read_with_what_it_lacks(record, tmp_path):
    early = {name: value for name, value in record.items() if name not in LATER_FIELDS}
    (path,) = write_records([early], tmp_path)
    assert read_record(path) == record
    with pytest.raises(DataError, match="holds no records"):
        read_records(tmp_path / "..")


def test_a_store_only_grows(record, tmp_path):
    (path,) = write_records([record], tmp_path)
    before = path.read_bytes()
    with pytest.raises(DataError, match="exists"):
        write_records([{**record, "p50_ms": 2.0}], tmp_path)
    assert path.read_bytes() == before
    write_records([{**record, "run": new_run()}], tmp_path)
    assert len(read_records(tmp_path)) == 2


def test_runs_sort_by_time_and_do_not_collide():
    early, late = (new_run(datetime(2026, month, 1, tzinfo=timezone.utc)) for month in (1, 11))
    assert early < late
    assert re.fullmatch(r"20260101T000000Z-[0-9a-f]{8}", early)
    assert new_run() != new_run()


def test_samples_are_whole_in_the_file_and_absent_for_people(record, tmp_path):
    (path,) = write_records([record], tmp_path)
    assert json.loads(path.read_text())["samples"]["blocks"] == BLOCKS
    assert path.read_text().splitlines()[-2].startswith('  "samples": {')
    assert "samples" not in without_samples(record)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda record: {**record, "schema": "edgefer.bench/2"}, "edgefer.bench/2"),
        (lambda record: {**record, "p50_ms": "fast"}, "p50_ms = 'fast'"),
        (lambda record: {**record, "size_mb": None}, "size_mb = None"),
        (lambda record: {**record, "threads": True}, "threads = True"),
        (
            lambda record: {name: value for name, value in record.items() if name != "accuracy_drop"},
            "no accuracy_drop",
        ),
        (lambda record: [record], "edgefer.bench/1"),
        (lambda record: {**record, "p50_ms": 0}, "p50_ms = 0"),
        (lambda record: {**record, "model": "../outside"}, "model"),
        (lambda record: {**record, "accuracy_interval": [1, 2, 3]}, "accuracy_interval"),
        (lambda record: {**record, "faces": {}}, "faces: no fingerprint"),
        (lambda record: {**record, "samples": {"latency_ns": [[1], []]}}, r"latency_ns\[1\]"),
        (lambda record: {**record, "samples": {**record["samples"], "correct": "01"}}, "correct"),
        (lambda record: {**record, "drop": {"against": None, "per_yaw": {"45": {}}}}, r"per_yaw\.45"),
        (lambda record: {**record, "scenarios": {"camera": {"arrived": 3}}}, r"scenarios\.camera"),
        (
            lambda record: {**record, "conditions": {"trace": {"t_s": [1], "power_w": {"cpu": [1, 2]}}}},
            r"power_w\.cpu",
        ),
    ],
)
def test_what_is_no_record_is_refused(record, tmp_path, spoil, reason):
    path = tmp_path / "other.bench.json"
    path.write_text(json.dumps(spoil(record)))
    with pytest.raises(DataError, match=reason) as caught:
        read_record(path)
    assert str(path) in caught.value.found


@pytest.mark.parametrize("text", ["", "not json", '{"schema": "edgefer.bench/1"', "[" * 100_000])
def test_a_file_that_is_no_json_is_refused(tmp_path, text):
    path = tmp_path / "other.bench.json"
    path.write_text(text)
    with pytest.raises(DataError, match="is no JSON"):
        read_record(path)
    with pytest.raises(DataError, match="is missing"):
        read_record(tmp_path / "absent")


def test_a_record_that_is_not_whole_is_never_written(record, tmp_path):
    del record["id"]
    with pytest.raises(ValueError, match="no id"):
        write_records([record], tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_is_not_finite_is_never_written(record, tmp_path, value):
    for latency in ({"p50_ms": value}, {"unread": value}):
        with pytest.raises(ValueError, match=r"JSON|p50_ms"):
            write_records([{**record, "latency": {**record["latency"], **latency}}], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_nothing_half_written(record, tmp_path):
    resource = pytest.importorskip("resource")
    long = {**record, "samples": {"latency_ns": [[10**6] * 10_000]}}
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, unlimited[1]))
    try:
        with pytest.raises(DataError, match="cannot be written"):
            write_records([long], tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    assert list(tmp_path.iterdir()) == []
