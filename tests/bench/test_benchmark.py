"""Real engines, really timed; nothing is asserted of a time but what no machine can turn round."""

import json
from dataclasses import replace

import numpy as np
import pytest

from edgefer_bench import bench
from edgefer_bench.records import read_records, write_records
from edgefer_bench.scoring import predict
from edgefer_bench.tables import bench_markdown
from edgefer_runtime.benching import BenchPlan, BenchRun, run_bench
from edgefer_runtime.classifier import Classifier
from edgefer_runtime.errors import DataError, UsageError

QUICK = {"plan": BenchPlan(threads=1, duration_s=0.4, max_warmup_s=0.3)}


@pytest.fixture(scope="module")
def fast_and_slow(make_bundle):
    """An int8 engine with a tenth of the work of its float twin, blind to one channel in three."""
    return [make_bundle("fp32", work=20), make_bundle("int8", work=2, gains=(1, 1, 0))]


@pytest.fixture(scope="module")
def measured(fast_and_slow, faces):
    stages = []
    records = bench(
        fast_and_slow,
        faces,
        **QUICK,
        device="cpu",
        notice="squares, not faces",
        on_progress=lambda *at: stages.append(at),
    )
    return records, stages


def test_a_record_a_bundle_that_can_be_stored_as_it_is(measured, tmp_path):
    records, _ = measured
    write_records(records, tmp_path)
    assert read_records(tmp_path) == records
    assert [(record["target"], record["precision"]) for record in records] == [
        ("onnxruntime", "fp32"),
        ("onnxruntime", "int8"),
    ]
    assert len({record["run"] for record in records}) == 1


def test_accuracy_drop_and_density_are_those_of_the_engines(measured):
    # The engine without gain on blue never says blue: a third of the faces is lost.
    (fp32, int8), blue = measured[0], 23
    assert (fp32["accuracy"], int8["accuracy"]) == (100, pytest.approx(100 * (70 - blue) / 70))
    assert fp32["id"] == 50
    assert (fp32["accuracy_drop"], fp32["accuracy_drop_ci"]) == (0, [0, 0])
    assert int8["accuracy_drop"] == pytest.approx(100 * blue / 70)
    low, high = int8["accuracy_drop_ci"]
    assert 15 < low < int8["accuracy_drop"] < high < 60
    assert int8["drop"]["against"] == "onnxruntime fp32"
    assert int8["drop"]["per_class"]["blue"]["value"] == 100
    assert int8["evaluation"]["per_class"]["blue"]["value"] == 0
    assert int8["evaluation"]["subjects"] == 10


def test_an_engine_with_a_tenth_of_the_work_is_found_faster(measured):
    fp32, int8 = measured[0]
    assert fp32["speedup"]["float"]["value"] == fp32["speedup"]["onnxruntime_fp32"]["value"] == 1
    assert int8["speedup"]["float"]["interval"][0] > 1.5
    assert int8["p50_ms"] < fp32["p50_ms"]


def test_every_sample_is_kept_and_the_percentiles_are_theirs(measured):
    for record in measured[0]:
        blocks = record["samples"]["latency_ns"]
        latency_ns = np.concatenate(blocks)
        assert {len(block) for block in blocks} == {record["settings"]["block_calls"]}
        assert record["latency"]["samples"] == len(latency_ns)
        assert record["latency"]["max_ms"] == latency_ns.max() / 1e6
        assert record["p50_ms"] == np.percentile(latency_ns, 50, method="inverted_cdf") / 1e6


def test_engines_take_turns_in_the_order_a_b_b_a(measured):
    first, second = (np.array(record["samples"]["position"]) for record in measured[0])
    assert (first + second == 1).all()
    assert (np.abs(np.diff(first)) == 1).all()
    assert len(first) == len(measured[0][0]["samples"]["latency_ns"])
    assert len(first) % 2 == 0


def test_a_record_says_what_it_takes_to_judge_it(measured, fast_and_slow, faces):
    for record, bundle in zip(measured[0], fast_and_slow, strict=True):
        assert record["size_mb"] == bundle.size_bytes / 1e6
        assert record["load_ms"] > 0 and record["first_call_ms"] > 0
        assert record["peak_memory_mb"] is None or 10 < record["peak_memory_mb"] < 2000
        assert (record["threads"], record["batch"], record["scenario"]) == (1, 1, "single stream")
        assert record["provider"] == "CPUExecutionProvider"
        assert record["bundle"]["manifest"] == json.loads(json.dumps(bundle.manifest.to_json()))
        assert record["faces"] == {
            "name": "colours:test",
            "images": 70,
            "fingerprint": faces.fingerprint(),
            "notice": "squares, not faces",
        }
        assert "onnxruntime" in record["environment"]["packages"]
        assert record["settings"]["duration_s"] == QUICK["plan"].duration_s
        assert record["command"]
        assert isinstance(record["stability"]["stable"], bool)
        assert record["stability"]["stable"] == (not record["stability"]["reasons"])


def test_the_three_times_lie_within_each_other_and_are_named(measured):
    for record in measured[0]:
        times = record["times"]
        assert times["pipeline"]["without"] == "face detector"
        assert {*times} == {*record["samples"]["times"]} == {"kernel", "infer", "pipeline"}
        assert all(time["samples"] >= 5 for time in times.values())
        # Nearly equal here, so no machine's noise may turn them round by half.
        assert times["kernel"]["min_ms"] < 2 * times["infer"]["min_ms"] < 4 * times["pipeline"]["min_ms"]


def test_conditions_and_energy_are_told_or_the_reason(measured):
    for record in measured[0]:
        assert record["device"] == "cpu" and record["host"] is None
        conditions = record["conditions"]
        assert conditions["cores"] and not conditions["pinned"]
        assert conditions["throttled_by"] == [] or all(conditions["throttled_by"])
        assert record["energy"]["gross_mj"] is not None or record["energy"]["reason"]


def test_other_scenarios_stand_beside_the_single_stream(make_bundle, faces):
    plan = replace(QUICK["plan"], scenarios=("multi-stream", "offline", "camera"), frame_hz=60)
    (record,) = bench([make_bundle()], faces, plan=plan)
    streams, offline, camera = (record["scenarios"][name] for name in ("multi-stream", "offline", "camera"))
    assert streams["streams"] == 8 and streams["latency"]["p50_ms"] > 0
    assert offline["images_per_s"] == pytest.approx(offline["images"] / offline["seconds"])
    assert camera["hz"] == 60 and camera["arrived"] == int(0.4 * 60)
    assert camera["latency"]["samples"] + camera["dropped"] == camera["arrived"]
    raw = record["samples"]["scenarios"]["camera"]
    assert camera["missed"] == sum(latency > 1e9 / 60 for latency in raw["latency_ns"])
    # 24 frames have no 99th percentile, and no bound on the 90th.
    assert camera["latency"]["p99_ms"] is camera["latency"]["p90_upper_ms"] is None
    with pytest.raises(UsageError, match="'marathon'"):
        BenchPlan(scenarios=("marathon",))


def test_a_detector_must_find_what_it_is_timed_on(make_bundle, faces):
    with pytest.raises(DataError, match="the detector finds a face in 0 of 70 frames"):
        run_bench([make_bundle()], faces.images, replace(QUICK["plan"], detector="short-range"))


def test_a_run_comes_back_from_its_files_as_it_was(make_bundle, faces, tmp_path):
    run = run_bench([make_bundle()], faces.images, QUICK["plan"])
    run.save(tmp_path)
    again = BenchRun.load(tmp_path)
    assert again.facts == run.facts
    (before,), (after,) = run.engines, again.engines
    assert json.loads(json.dumps(before.facts)) == after.facts
    for name in ("latency_ns", "block", "probabilities"):
        assert np.array_equal(getattr(before, name), getattr(after, name))
    (tmp_path / "run.npz").write_bytes(b"cut")
    with pytest.raises(DataError, match="no whole run"):
        BenchRun.load(tmp_path)


def test_progress_goes_through_every_stage_to_its_end(measured):
    _, stages = measured
    names = list(dict.fromkeys(name for name, _, _ in stages))
    assert names == ["open engines", "warm-up", "measure", "scenarios", "accuracy"]
    for name in ("open engines", "accuracy"):
        done = [(done, total) for stage, done, total in stages if stage == name]
        assert done == sorted(done)
        assert done[-1][0] == done[-1][1]


def test_an_engine_against_itself_covers_one(make_bundle, faces):
    bundle = make_bundle(work=10)
    record, _ = bench([bundle, bundle], faces, plan=replace(QUICK["plan"], duration_s=1.0))
    low, high = record["speedup"]["float"]["interval"]
    # Wide, because a shared machine may favour one of two engines for a second; equal engines stay inside.
    assert low < 1.1 and high > 0.9


def test_without_a_float_twin_the_drop_is_null_and_says_why(make_bundle, faces):
    (record,) = bench([make_bundle("int8")], faces, **QUICK)
    assert record["accuracy_drop"] is record["accuracy_drop_ci"] is record["drop"]["against"] is None
    assert "no onnxruntime fp32 engine" in record["drop"]["reason"]
    assert record["speedup"] == {"float": None, "onnxruntime_fp32": None}
    assert "–" in bench_markdown([record])


def test_the_float_network_comes_before_the_twin(fast_and_slow, faces):
    network = np.eye(3)[(faces.labels + 1) % 3]  # wrong everywhere
    fp32, int8 = bench(fast_and_slow, faces, ask=lambda: [network, None], **QUICK)
    assert (fp32["drop"]["against"], fp32["accuracy_drop"]) == ("the float network", -100)
    assert (int8["drop"]["against"], int8["accuracy_drop"]) == (
        "onnxruntime fp32",
        pytest.approx(100 * 23 / 70),
    )
    assert "drop against the float network or onnxruntime fp32 paired" in bench_markdown([fp32, int8])


def test_classes_in_another_order_are_matched_by_name(make_bundle, faces):
    turned = replace(faces, classes=("blue", "red", "green"), labels=(faces.labels + 1) % 3)
    (record,) = bench([make_bundle()], turned, **QUICK)
    assert record["accuracy"] == 100


def test_what_cannot_be_compared_is_refused_before_anything_is_timed(make_bundle, faces):
    bundle = make_bundle()
    with pytest.raises(UsageError, match="no bundles"):
        bench([], faces)
    with pytest.raises(DataError, match="tells red, green, blue apart"):
        bench([bundle], replace(faces, classes=("red", "green", "teal")))
    few = replace(faces, images=faces.images[:63], labels=faces.labels[:63], attributes={})
    with pytest.raises(DataError, match="63 faces"):
        bench([bundle], few)


def test_labelling_a_set_of_other_classes_is_refused(make_bundle, faces):
    with pytest.raises(DataError, match="labelled"):
        predict(
            Classifier.open(make_bundle()),
            replace(faces, classes=("red", "green", "teal")),
            lambda count: None,
        )


def test_engines_of_two_targets_are_measured_together(make_bundle, faces):
    records = bench([make_bundle(), make_bundle(target="openvino")], faces, **QUICK)
    assert [record["target"] for record in records] == ["onnxruntime", "openvino"]
    assert [record["accuracy"] for record in records] == [100, 100]
    assert records[1]["provider"].startswith("CPU")
    assert records[1]["speedup"]["float"]["value"] == 1
    assert records[1]["speedup"]["onnxruntime_fp32"]["value"] not in (0, 1)
