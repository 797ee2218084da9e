"""Measures bundles side by side on this machine and writes down everything needed to judge the numbers."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from edgefer_bench.groups import Floats
from edgefer_bench.metrics import evaluate
from edgefer_bench.records import SCHEMA, Record, new_run
from edgefer_bench.scoring import Faces, check_classes, drops, predict
from edgefer_bench.statistics import judge_stability, summarise_latency
from edgefer_bench.timing import Report, block_medians, blocks, speedups, time_engines
from edgefer_runtime.bundle import Bundle
from edgefer_runtime.classifier import Classifier
from edgefer_runtime.environment import probe
from edgefer_runtime.errors import DataError, UsageError
from edgefer_runtime.footprint import Footprint, footprint_in_subprocess
from edgefer_runtime.measuring import Measurement, MeasureSettings

SCENARIO = "single stream"


def bench(
    bundles: Sequence[Bundle],
    faces: Faces,
    *,
    reference: Floats | None = None,
    threads: int | None = None,
    duration_s: float = 10.0,
    max_warmup_s: float = 60.0,
    notice: str = "",
    on_progress: Report = lambda stage, done, total: None,
) -> list[Record]:
    """Measure engines against each other: load, memory, latency, size, accuracy, drop.

    Each engine is first opened in a fresh process, for its load time and peak memory. Then all are open at
    once and timed in turns, on real faces, until each has had ``duration_s``; last they label every face.

    Args:
        bundles: the engines, opened and verified; all of one batch size.
        faces: what to time and score with, at least 64 different ones.
        reference: probabilities (N x K, columns as ``faces.classes``) of the float network; None compares
            each engine with the fp32 engine of its own target among ``bundles``.
        threads: threads a call may use; by default the cores this process may use.
        duration_s: timed seconds an engine.
        max_warmup_s: when warm-up ends although the latencies are not level yet; the record then says so.
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
    batch = _common_batch(bundles)
    for bundle in bundles:
        check_classes(bundle.manifest.classes, bundle.path, faces)
    if len(faces.images) < MeasureSettings.min_inputs * batch:
        raise DataError(
            f"{faces.name} has {len(faces.images)} faces",
            expected=f"at least {MeasureSettings.min_inputs * batch} to measure on",
            action="choose a larger set or split",
        )
    environment = probe()  # before there is any load of our own
    footprints: list[Footprint] = []
    for bundle in bundles:
        on_progress("open engines", len(footprints), len(bundles))
        footprints.append(footprint_in_subprocess(bundle.path, threads=threads))
    on_progress("open engines", len(footprints), len(bundles))
    classifiers = [Classifier.open(bundle, threads=threads) for bundle in bundles]
    measurement = time_engines(
        classifiers,
        faces,
        batch=batch,
        duration_s=duration_s,
        max_warmup_s=max_warmup_s,
        on_progress=on_progress,
    )

    done, total = 0, len(bundles) * len(faces.images)

    def advance(count: int) -> None:
        nonlocal done
        done += count
        on_progress("accuracy", done, total)

    predictions = [predict(classifier, faces, advance) for classifier in classifiers]
    given = None if reference is None else ("the float network", reference)
    shared = {
        "schema": SCHEMA,
        "run": new_run(),
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "scenario": SCENARIO,
        "batch": batch,
        "faces": {
            "name": faces.name,
            "images": len(faces.images),
            "fingerprint": faces.fingerprint(),
            "notice": notice,
        },
        "environment": environment.to_json(),
        "settings": {
            **asdict(measurement.settings),
            "warmup_s": measurement.warmup_s,
            "measured_s": measurement.duration_s,
            "inputs": measurement.inputs,
        },
    }
    ratios = speedups(bundles, measurement)
    losses = drops(bundles, predictions, faces, given)
    return [
        _as_json(
            {
                **shared,
                **_described(bundle, footprint),
                **_timed(measurement, name),
                **_scored(bundle, faces, probabilities, loss),
                "speedup": speedup,
            }
        )
        for name, bundle, footprint, probabilities, loss, speedup in zip(
            measurement.samples, bundles, footprints, predictions, losses, ratios, strict=True
        )
    ]


def _common_batch(bundles: Sequence[Bundle]) -> int:
    batches = {bundle.manifest.batch or 1 for bundle in bundles}
    if len(batches) != 1:
        raise UsageError(
            f"bundles of batch size {', '.join(map(str, sorted(batches)))}"
            if batches
            else "no bundles to measure",
            expected="bundles of one batch size",
            action="name bundles that can be compared",
        )
    return batches.pop()


def _described(bundle: Bundle, footprint: Footprint) -> dict[str, Any]:
    manifest = bundle.manifest
    return {
        "model": manifest.model,
        "variant": manifest.variant,
        "target": manifest.target,
        "precision": manifest.precision,
        "provider": footprint.provider,
        "threads": footprint.threads,
        "load_ms": footprint.load_ns / 1e6,
        "first_call_ms": footprint.first_call_ns / 1e6,
        "peak_memory_mb": None if footprint.peak_rss_bytes is None else footprint.peak_rss_bytes / 1e6,
        "size_mb": bundle.size_bytes / 1e6,
        "bundle": {"path": str(bundle.path), "manifest": manifest.to_json()},
        "footprint": footprint.to_json(),
    }


def _timed(measurement: Measurement, name: str) -> dict[str, Any]:
    samples = measurement.samples[name]
    latency = summarise_latency(samples.latency_ns)
    return {
        **{key: latency[key] for key in ("p50_ms", "p90_ms", "p99_ms")},
        "latency": {**latency, "warmup_calls": samples.warmup_calls},
        "stability": judge_stability(block_medians(samples), warm=samples.stable).to_json(),
        "samples": {
            "latency_ns": [block.tolist() for block in blocks(samples)],
            "position": [order.index(name) for order in measurement.order],
        },
    }


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


def _as_json(record: dict[str, Any]) -> Record:
    """The record as it would be read again: tuples become lists."""
    return dict(json.loads(json.dumps(record)))
