"""From what was measured, here or far away, to records: accuracy, drop, intervals and verdicts."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from edgefer_bench.groups import Floats
from edgefer_bench.metrics import evaluate
from edgefer_bench.records import SCHEMA, Record, new_run
from edgefer_bench.scoring import Faces, check_classes, drops, in_classes_of
from edgefer_bench.statistics import judge_stability, summarise_latency
from edgefer_bench.timing import block_medians, blocks, speedups
from edgefer_runtime.benching import BenchPlan, BenchRun, EngineRun, Report, run_bench
from edgefer_runtime.bundle import Bundle

SCENARIO = "single stream"


def bench(
    bundles: Sequence[Bundle],
    faces: Faces,
    *,
    plan: BenchPlan | None = None,
    ask: Callable[[], Sequence[Floats | None]] | None = None,
    device: str | None = None,
    notice: str = "",
    on_progress: Report = lambda stage, done, total: None,
) -> list[Record]:
    """Measure engines against each other on this machine: load, memory, latency, size, accuracy, drop.

    Args:
        bundles: the engines, opened and verified; all of one batch size.
        faces: what to time and score with, at least 64 different ones.
        plan: what to measure, and how long.
        ask: gives the references of :func:`edgefer_bench.scoring.drops`. It is called when all is measured,
            so that engines are not timed in a process in which torch was at work.
        device: the profile of this machine.
        notice: what readers must know of the faces, shown with every table.
        on_progress: told how far each stage is.

    Returns:
        A record a bundle, in the order of ``bundles`` (:mod:`edgefer_bench.records`).

    Raises:
        UsageError: no bundles, or batch sizes that differ.
        DataError: the faces are too few, or of other classes than an engine's.
        DeviceError, MissingError: an engine cannot be opened here.
        CheckError: an engine's probabilities are not finite numbers.
    """
    for bundle in bundles:
        check_classes(bundle.manifest.classes, bundle.path, faces)
    run = run_bench(bundles, faces.images, plan or BenchPlan(), on_progress)
    references = ask() if ask else None
    return make_records(run, bundles, faces, references=references, device=device, notice=notice)


def make_records(
    run: BenchRun,
    bundles: Sequence[Bundle],
    faces: Faces,
    *,
    references: Sequence[Floats | None] | None = None,
    device: str | None = None,
    host: str | None = None,
    notice: str = "",
) -> list[Record]:
    """The records of a run, wherever it was measured.

    Args:
        run: what was measured.
        bundles: the engines, in its order.
        faces: the set that it labelled.
        references: see :func:`edgefer_bench.scoring.drops`.
        device: the profile of the machine.
        host: where it was reached; None is this machine.
        notice: what readers must know of the faces.

    Raises:
        CheckError: an engine's probabilities are not finite numbers.
    """
    predictions = [
        in_classes_of(engine.probabilities, bundle.manifest.classes, faces.classes)
        for engine, bundle in zip(run.engines, bundles, strict=True)
    ]
    medians = [block_medians(engine) for engine in run.engines]
    ratios = speedups(bundles, run.engines)
    losses = drops(bundles, predictions, faces, references)
    shared = {
        "schema": SCHEMA,
        "run": new_run(),
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "device": device,
        "host": host,
        "scenario": SCENARIO,
        "batch": run.facts["batch"],
        "faces": {
            "name": faces.name,
            "images": len(faces.images),
            "fingerprint": faces.fingerprint(),
            "notice": notice,
        },
        **{name: run.facts[name] for name in ("environment", "board", "conditions", "settings")},
    }
    records = []
    for bundle, engine, times, probabilities, loss, speedup in zip(
        bundles, run.engines, medians, predictions, losses, ratios, strict=True
    ):
        timed, scored = _timed(engine, times), _scored(bundle, faces, probabilities, loss)
        samples = {
            "latency_ns": [block.tolist() for block in blocks(engine)],
            "position": engine.facts["position"],
            "times": engine.facts["times"]["latency_ns"],
            "scenarios": {name: _raw(found) for name, found in engine.facts["scenarios"].items()},
            "correct": "".join("01"[int(hit)] for hit in probabilities.argmax(axis=1) == faces.labels),
        }
        record = {
            **shared,
            **_described(bundle, engine),
            **timed,
            **scored,
            "speedup": speedup,
            "samples": samples,
        }
        records.append(dict(json.loads(json.dumps(record))))  # as it would be read again: no tuples
    return records


def _described(bundle: Bundle, engine: EngineRun) -> dict[str, Any]:
    facts, footprint = engine.facts, engine.facts["footprint"]
    manifest, peak = facts["manifest"], footprint["peak_rss_bytes"]
    return {
        **{name: manifest[name] for name in ("model", "variant", "target", "precision")},
        "provider": footprint["provider"],
        "threads": footprint["threads"],
        "load_ms": footprint["load_ns"] / 1e6,
        "first_call_ms": footprint["first_call_ns"] / 1e6,
        "peak_memory_mb": None if peak is None else peak / 1e6,
        "size_mb": facts["size_bytes"] / 1e6,
        "bundle": {"path": str(bundle.path), "manifest": manifest},
        "footprint": footprint,
    }


def _timed(engine: EngineRun, medians: Sequence[float]) -> dict[str, Any]:
    latency = summarise_latency(engine.latency_ns)
    times = engine.facts["times"]
    nested = {name: _summary(values) for name, values in times["latency_ns"].items()}
    if "kernel" not in nested:
        nested["kernel"] = {"p50_ms": None, "reason": "only a device's own events tell its time"}
    if times["detector"] is None:
        nested["pipeline"]["without"] = "face detector"
    else:
        nested["pipeline"]["detector"] = times["detector"]
    return {
        **{key: latency[key] for key in ("p50_ms", "p90_ms", "p99_ms")},
        "latency": {**latency, "warmup_calls": engine.facts["warmup_calls"]},
        "stability": judge_stability(medians, warm=engine.facts["stable"]).to_json(),
        "times": nested,
        "scenarios": {name: _scenario(found) for name, found in engine.facts["scenarios"].items()},
        "energy": engine.facts["energy"],
    }


def _scenario(found: Mapping[str, Any]) -> dict[str, Any]:
    """What a scenario measured, its samples summed up."""
    told = {name: value for name, value in found.items() if not name.endswith("_ns")}
    for name in ("latency", "jitter"):
        if found.get(f"{name}_ns"):
            told[name] = _summary(found[f"{name}_ns"])
    return told


def _raw(found: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if name.endswith("_ns")}


def _summary(latency_ns: Sequence[int]) -> dict[str, Any]:
    return dict(summarise_latency(np.array(latency_ns, dtype=np.int64)))


def _scored(bundle: Bundle, faces: Faces, probabilities: Floats, loss: dict[str, Any]) -> dict[str, Any]:
    evaluation = evaluate(
        probabilities,
        faces.labels,
        classes=faces.classes,
        attributes=faces.attributes,
        parameters=bundle.manifest.parameters or None,
    )
    return {
        "accuracy": evaluation.accuracy,
        "accuracy_interval": evaluation.interval,
        "accuracy_drop": loss["points"],
        "accuracy_drop_ci": loss["interval"],
        "id": evaluation.information_density,
        "evaluation": evaluation.to_json(),
        "drop": loss,
    }
