"""Times opened engines in turns on real faces, and compares them block by block."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgefer_bench.scoring import Faces, identity
from edgefer_bench.statistics import paired_ratio
from edgefer_runtime.bundle import Bundle
from edgefer_runtime.classifier import Classifier
from edgefer_runtime.measuring import Measurement, MeasureSettings, Samples, measure

INPUTS = 256  # crops to rotate over
BLOCK_S, BLOCKS = 0.2, 20  # a block's length at most, and how many blocks there are about at least
FEWEST_CALLS, MOST_CALLS = 5, 50  # in a block
PILOT_CALLS = 5

Report = Callable[[str, int, int], None]
"""Called as ``report(stage, done, total)`` while work goes on."""


def time_engines(
    classifiers: Sequence[Classifier],
    faces: Faces,
    *,
    batch: int,
    duration_s: float,
    max_warmup_s: float,
    on_progress: Report,
) -> Measurement:
    """Time the engines' ``run`` in turns, on faces spread over the whole set.

    Returns:
        The samples of each engine, in the order of ``classifiers``.

    Raises:
        DataError: fewer than 64 different faces.
    """
    starts = np.linspace(0, len(faces.images) - batch, min(INPUTS, len(faces.images) // batch)).astype(
        np.int64
    )
    inputs = [faces.images[start : start + batch] for start in starts]
    subjects = {
        f"{position} {' '.join(identity(classifier.bundle))}": classifier.engine.run
        for position, classifier in enumerate(classifiers)
    }
    settings = MeasureSettings(
        duration_s=duration_s,
        block_calls=_block_calls(classifiers, inputs[:PILOT_CALLS], duration_s),
        min_warmup_s=min(MeasureSettings.min_warmup_s, max_warmup_s),
        max_warmup_s=max_warmup_s,
    )
    return measure(subjects, inputs, settings, lambda phase, part: on_progress(phase, round(100 * part), 100))


def blocks(samples: Samples) -> list[NDArray[np.int64]]:
    """A subject's latencies in ns, one array a block."""
    return np.split(samples.latency_ns, np.flatnonzero(np.diff(samples.block)) + 1)


def block_medians(samples: Samples) -> list[float]:
    """The median latency of each block, in ns."""
    return [float(np.median(block)) for block in blocks(samples)]


def speedups(bundles: Sequence[Bundle], measurement: Measurement) -> list[dict[str, Any]]:
    """How many times as fast each engine is as the fp32 engine of its own target (``float``), and as that
    of ONNX Runtime (``onnxruntime_fp32``), of the same model and variant; null where that was not measured.
    """
    medians = [block_medians(samples) for samples in measurement.samples.values()]
    by_identity = {identity(bundle): times for bundle, times in zip(bundles, medians, strict=True)}
    found = []
    for bundle, times in zip(bundles, medians, strict=True):
        model, variant, target, _ = identity(bundle)
        baselines = {
            "float": by_identity.get((model, variant, target, "fp32")),
            "onnxruntime_fp32": by_identity.get((model, variant, "onnxruntime", "fp32")),
        }
        found.append(
            {
                name: None if baseline is None else paired_ratio(baseline, times).to_json()
                for name, baseline in baselines.items()
            }
        )
    return found


def _block_calls(
    classifiers: Sequence[Classifier], inputs: Sequence[NDArray[np.uint8]], duration_s: float
) -> int:
    """Calls a block, so that even the slowest engine's blocks are short and many."""
    slowest_s = 0.0
    for classifier in classifiers:
        took_s = []
        for image in inputs:
            begin = time.perf_counter()
            classifier.engine.run(image)
            took_s.append(time.perf_counter() - begin)
        slowest_s = max(slowest_s, float(np.median(took_s)))
    return int(np.clip(min(BLOCK_S, duration_s / BLOCKS) / slowest_s, FEWEST_CALLS, MOST_CALLS))
