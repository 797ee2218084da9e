"""The report's pictures: fast and accurate, how latencies spread, where INT8 hurts, how warm it got."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from itertools import pairwise
from typing import Any

import numpy as np

from edgefer_bench.rendering import number
from edgefer_bench.report.selection import PRECISIONS, engine, pareto
from edgefer_bench.svg import BOTTOM, LEFT, RIGHT, SERIES, TOP, WIDTH, Plot, Point, Scale

Record = Mapping[str, Any]

ROW, BINS = 46, 72
LABELS = 3  # of the front, the most accurate
LABEL_HEIGHT = 13
LINES = 5  # temperature zones or rails in one picture, the highest first


def legend(names: Sequence[str]) -> str:
    """Names beside their colours, in the order of the series."""
    colours = (f"var(--c{place % SERIES})" for place in range(len(names)))
    keys = (
        f'<li style="--c: {colour}">{escape(name)}</li>' for colour, name in zip(colours, names, strict=True)
    )
    return f'<ul class="legend">{"".join(keys)}</ul>'


def accuracy_against_latency(records: Sequence[Record]) -> str:
    """Every engine of a machine: colour is the model, shape the precision, hollow all but ONNX Runtime."""
    models = list(dict.fromkeys(record["model"] for record in records))
    bounds = [bound for record in records for bound in record["accuracy_interval"]]
    plot = Plot(
        "accuracy against median latency, with the Pareto front",
        Scale.around([record["p50_ms"] for record in records], log=True),
        Scale.around(bounds),
        x_title="median latency, ms",
        y_title="accuracy, %",
        height=300,
    )

    def at(record: Record) -> Point:
        return plot.at_x(record["p50_ms"]), plot.at_y(record["accuracy"])

    front = pareto(records)
    steps: list[Point] = []
    for before, after in pairwise(front):
        steps += [at(before), (at(after)[0], at(before)[1])]
    plot.line([*steps, at(front[-1])], "front")
    for record in records:
        x, low, high = at(record)[0], *map(plot.at_y, record["accuracy_interval"])
        plot.line([(x, low), (x, high)], "whisker", models.index(record["model"]))
    for record in records:
        name = f"{record['model']} {engine(record)}"
        told = f"{name}: {number(record['p50_ms'])} ms, {number(record['accuracy'])} %"
        shape = PRECISIONS.index(record["precision"]) if record["precision"] in PRECISIONS else 0
        hollow = record["target"] != "onnxruntime"
        plot.mark(at(record), shape, models.index(record["model"]), hollow=hollow, title=told)
    y = float("inf")
    for record in front[-LABELS:]:
        x, own = at(record)
        y = min(own - 7, y - LABEL_HEIGHT)  # the front rises, so each name stands clear of the one before
        right = x > (LEFT + WIDTH) / 2
        name = f"{record['model']} {engine(record)}"
        plot.text((x - 8 if right else x + 8, y), name, anchor="end" if right else "start", kind="name")
    shapes = "circle fp32, square fp16, diamond bf16, triangle int8; filled ONNX Runtime, hollow others"
    return f'{plot.done()}{legend(models)}<p class="small">{shapes}; bars are 95 % intervals</p>'


def latency_distributions(records: Sequence[Record]) -> str:
    """All calls of each engine of a model, on a logarithmic axis; nothing is cut off."""
    samples = [np.concatenate(record["samples"]["latency_ns"]) / 1e6 for record in records]
    scale = Scale.around([bound for each in samples for bound in (each.min(), each.max())], log=True)
    height = TOP + ROW * len(records) + BOTTOM
    plot = Plot("latency distributions", scale, None, x_title="latency, ms", height=height, left=RIGHT)
    edges = np.geomspace(scale.low, scale.high, BINS + 1)
    for row, (record, latency_ms) in enumerate(zip(records, samples, strict=True)):
        counts = np.histogram(latency_ms, edges)[0]
        floor, tall = TOP + ROW * (row + 1), ROW - 16
        outline = [(plot.at_x(edges[0]), float(floor))]
        for place, count in enumerate(counts):
            top = floor - tall * count / counts.max()
            outline += [(plot.at_x(edges[place]), top), (plot.at_x(edges[place + 1]), top)]
        series = PRECISIONS.index(record["precision"]) if record["precision"] in PRECISIONS else 5
        told = f"{engine(record)}: p50 {number(record['p50_ms'])} ms, p99 {number(record['p99_ms'])} ms"
        plot.area([*outline, (plot.at_x(edges[-1]), float(floor))], series, told)
        for key, kind in (("p50_ms", "median"), ("p99_ms", "tail")):
            if record[key] is not None:
                x = plot.at_x(record[key])
                plot.line([(x, floor), (x, floor - tall)], kind, title=f"{key[:3]} {number(record[key])} ms")
        plot.text((RIGHT, floor - tall - 3), engine(record), kind="name")
        plot.text((WIDTH - RIGHT, floor - tall - 3), f"{number(record['p50_ms'])} ms", anchor="end")
    return f'{plot.done()}<p class="small">lines: median, and 99th percentile where the calls suffice</p>'


def drop_by_yaw(records: Sequence[Record]) -> str:
    """Points that engines of a model lost, by how far the face is turned; empty without yaws.

    Those that call every face as the float network does are left out.
    """
    shown = [record for record in records if record["drop"].get("per_yaw") and record["drop"]["flips"]]
    if not shown:
        return ""
    yaws = list(dict.fromkeys(yaw for record in shown for yaw in record["drop"]["per_yaw"]))
    rates = [rate for record in shown for rate in record["drop"]["per_yaw"].values()]
    y = Scale.around([bound for rate in rates for bound in rate["interval"]], zero=True)
    plot = Plot("accuracy drop by yaw", None, y, y_title="drop, points")
    room = (WIDTH - RIGHT - LEFT) / len(yaws)
    plot.line([(LEFT, plot.at_y(0)), (WIDTH - RIGHT, plot.at_y(0))], "zero")
    for place, yaw in enumerate(yaws):
        x = LEFT + room * (place + 0.5)
        plot.text((x, plot.floor + 14), f"{yaw}°", anchor="middle")
    for series, record in enumerate(shown):
        for place, yaw in enumerate(yaws):
            if (rate := record["drop"]["per_yaw"].get(yaw)) is None:
                continue
            x = LEFT + room * (place + 0.5 + 0.7 * ((series + 0.5) / len(shown) - 0.5))
            low, high = (plot.at_y(bound) for bound in rate["interval"])
            plot.line([(x, low), (x, high)], "whisker", series)
            told = f"{engine(record)} at {yaw}°: {number(rate['value'], 1)} points, {rate['images']} images"
            plot.mark((x, plot.at_y(rate["value"])), 0, series, title=told)
    plot.text(((LEFT + WIDTH - RIGHT) / 2, plot.height - 6), "yaw of the face", anchor="middle")
    return plot.done() + legend([engine(record) for record in shown])


def over_time(trace: Mapping[str, Any], group: str, title: str) -> str:
    """Temperature, clock or power while it ran; empty where nothing was read."""
    lines = {name: values for name, values in trace.get(group, {}).items() if None not in values and values}
    if not lines or len(trace["t_s"]) < 2:
        return ""
    chosen = sorted(lines, key=lambda name: -max(lines[name]))[:LINES]
    values = [value for name in chosen for value in lines[name]]
    plot = Plot(
        title, Scale(0, max(trace["t_s"])), Scale.around(values), x_title="seconds", y_title=title, height=220
    )
    for series, name in enumerate(chosen):
        points = [
            (plot.at_x(at), plot.at_y(value)) for at, value in zip(trace["t_s"], lines[name], strict=True)
        ]
        plot.line(points, "trace", series, title=name)
    return plot.done() + legend(chosen)
