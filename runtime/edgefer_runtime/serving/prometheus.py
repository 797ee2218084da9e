"""Statistics as text that Prometheus scrapes (exposition format 0.0.4)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import accumulate

from edgefer_runtime.serving.models import ServedModel
from edgefer_runtime.serving.statistics import BUCKETS_S

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Sample = tuple[str, Mapping[str, str], float]
"""Suffix of the metric's name, labels, value."""


def exposition(models: Iterable[ServedModel]) -> str:
    """Every metric of every model, as one text."""
    models = [*models]
    lines: list[str] = []
    for name, kind, text, sample in _METRICS:
        lines += [f"# HELP edgefer_{name} {text}", f"# TYPE edgefer_{name} {kind}"]
        for model in models:
            of_model = {"model": model.name, "version": model.version}
            for suffix, labels, value in sample(model):
                pairs = ",".join(f'{key}="{word}"' for key, word in {**of_model, **labels}.items())
                lines.append(f"edgefer_{name}{suffix}{{{pairs}}} {value:.17g}")
    return "\n".join(lines) + "\n"


def _requests(model: ServedModel) -> Iterator[Sample]:
    for status, count in sorted(model.statistics.statuses.items()):
        yield "", {"status": str(status)}, count


def _request_seconds(model: ServedModel) -> Iterator[Sample]:
    counted = model.statistics
    for end, count in zip((*BUCKETS_S, float("inf")), accumulate(counted.buckets), strict=True):
        yield "_bucket", {"le": "+Inf" if end == float("inf") else f"{end:g}"}, count
    yield "_sum", {}, (counted.success.ns + counted.fail.ns) / 1e9
    yield "_count", {}, counted.success.count + counted.fail.count


def _reloads(model: ServedModel) -> Iterator[Sample]:
    yield "", {"outcome": "done"}, model.statistics.reloads
    yield "", {"outcome": "refused"}, model.statistics.refused_reloads


_METRICS: tuple[tuple[str, str, str, Callable[[ServedModel], Iterable[Sample]]], ...] = (
    ("requests_total", "counter", "Requests by the status of their answer.", _requests),
    ("request_seconds", "histogram", "From a request's arrival to its answer.", _request_seconds),
    (
        "queue_seconds_total",
        "counter",
        "Time that requests waited for an engine.",
        lambda model: [("", {}, model.statistics.queue.ns / 1e9)],
    ),
    (
        "engine_seconds_total",
        "counter",
        "Time that engines were busy.",
        lambda model: [("", {}, sum(each.ns for each in model.statistics.calls.values()) / 1e9)],
    ),
    (
        "engine_calls_total",
        "counter",
        "Calls of engines, each on one face or more.",
        lambda model: [("", {}, model.statistics.executions)],
    ),
    ("faces_total", "counter", "Faces labelled.", lambda model: [("", {}, model.statistics.faces)]),
    (
        "waiting",
        "gauge",
        "Requests that wait for an engine.",
        lambda model: [("", {}, model.scheduler.waiting)],
    ),
    ("engines_busy", "gauge", "Engines at work.", lambda model: [("", {}, model.scheduler.busy)]),
    ("engines", "gauge", "Engines open.", lambda model: [("", {}, len(model.loaded.engines))]),
    ("reloads_total", "counter", "Bundles that were opened anew, and refused.", _reloads),
)
