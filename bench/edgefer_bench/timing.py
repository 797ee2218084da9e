"""Blocks of timings, and engines compared block by block."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgefer_bench.scoring import identity
from edgefer_bench.statistics import paired_ratio
from edgefer_runtime.bundle import Bundle


class Timed(Protocol):
    """Timed calls in order: a :class:`edgefer_runtime.measuring.Samples`, or a run's engine."""

    @property
    def latency_ns(self) -> NDArray[np.int64]:
        """One a call."""

    @property
    def block(self) -> NDArray[np.int64]:
        """The block each call belongs to."""


def blocks(samples: Timed) -> list[NDArray[np.int64]]:
    """A subject's latencies in ns, one array a block."""
    return np.split(samples.latency_ns, np.flatnonzero(np.diff(samples.block)) + 1)


def block_medians(samples: Timed) -> list[float]:
    """The median latency of each block, in ns."""
    return [float(np.median(part)) for part in blocks(samples)]


def speedups(bundles: Sequence[Bundle], runs: Sequence[Timed]) -> list[dict[str, Any]]:
    """How many times as fast each engine is as the fp32 engine of its own target (``float``), and as that
    of ONNX Runtime (``onnxruntime_fp32``), of the same model and variant; null where that was not measured.

    Args:
        bundles: the engines.
        runs: their samples, in the order of ``bundles``.
    """
    medians = [block_medians(run) for run in runs]
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
