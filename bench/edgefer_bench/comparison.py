"""Slower than it was, or faster? Two records, or those of two stores, with an interval and a verdict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from edgefer_bench.intervals import Interval, tango
from edgefer_bench.records import Record
from edgefer_bench.statistics import Ratio, paired_ratio, unpaired_ratio
from edgefer_runtime.errors import CheckError, DataError, DeviceError

SEGMENTS = 10
"""Parts of a run, each of blocks in a row, whose medians stand for how it wandered."""

FEWEST_RUNS = 4
"""Runs of each side from which on runs are compared, and not parts of the newest."""

Key = tuple[Any, ...]
_KEY = ("model", "variant", "target", "precision", "scenario", "batch", "threads")
_SYSTEM = ("kernel", "python", "governor", "boost")
_MACHINE = ("cpu", "board", "architecture", "cores")


@dataclass(frozen=True)
class Comparison:
    """One engine, before and after.

    Attributes:
        engine: what both are.
        before_ms, after_ms: medians of the newest runs.
        ratio: after over before: 1.1 is a tenth slower.
        how: ``paired blocks of one run``, ``parts of two runs`` or ``runs``; the first is the surest.
        verdict: ``slower`` when the whole interval lies beyond the limit; ``faster`` when all of it lies
            below 1; ``not slower`` when none of it lies beyond the limit; otherwise ``undecided``.
        limit: how much slower is too slow: 0.03 for 3 %.
        accuracy: points after minus before on the same faces; None when those differ or are not known.
        accuracy_interval: its 95 % interval (Tango).
        differences: what else is not as it was.
    """

    engine: str
    before_ms: float
    after_ms: float
    ratio: Ratio
    how: str
    verdict: str
    limit: float
    accuracy: float | None
    accuracy_interval: Interval | None
    differences: tuple[str, ...]

    @property
    def change_percent(self) -> float:
        """Change of latency in percent: below zero is faster."""
        return 100 * (self.ratio.value - 1)

    @property
    def change_interval(self) -> Interval | None:
        """Its 95 % interval; None where too little was measured for one."""
        if self.ratio.interval is None:
            return None
        low, high = self.ratio.interval
        return 100 * (low - 1), 100 * (high - 1)

    @property
    def sentence(self) -> str:
        """The verdict in words, with its interval."""
        if self.change_interval is None:
            return f"{self.engine}: undecided, too little was measured for an interval"
        low, high = self.change_interval
        times = f"{self.before_ms:.3g} ms before, {self.after_ms:.3g} ms after"
        if self.verdict == "faster":
            return (
                f"{self.engine} is {-self.change_percent:.1f} % faster (95 % interval {-high:.1f} to "
                f"{-low:.1f}): {times}"
            )
        if self.verdict == "slower":
            return (
                f"{self.engine} is {self.change_percent:.1f} % slower (95 % interval {low:.1f} to "
                f"{high:.1f}): {times}"
            )
        changed = (
            f"its latency changed by {self.change_percent:+.1f} % (95 % interval {low:.1f} to {high:.1f})"
        )
        if self.verdict == "not slower":
            return f"{self.engine} is not slower by more than {100 * self.limit:g} %: {changed}"
        return f"{self.engine}: undecided whether it is slower: {changed}"

    def to_json(self) -> dict[str, Any]:
        """The comparison as a JSON object."""
        return {
            **asdict(self),
            "change_percent": self.change_percent,
            "change_interval": self.change_interval,
            "sentence": self.sentence,
        }


def compare(
    before: Sequence[Record], after: Sequence[Record], *, limit: float, across_machines: bool = False
) -> list[Comparison]:
    """Compare each engine that both sides measured; of one record each, those two whatever they are.

    Args:
        before, after: records, oldest first (:func:`edgefer_bench.records.read_records`).
        limit: how much slower is too slow: 0.03 for 3 %.
        across_machines: allow records of two machines.

    Raises:
        DataError: no engine was measured on both sides.
        DeviceError: two machines, and not ``across_machines``.
    """
    sides = _by_engine(before), _by_engine(after)
    pairs = [(sides[0][key], sides[1][key]) for key in sides[0] if key in sides[1]]
    if len(before) == len(after) == 1:
        pairs = [(list(before), list(after))]
    if not pairs:
        raise DataError(
            f"no engine is in both: {_list(sides[0])} before, {_list(sides[1])} after",
            expected="records of the same model, target, precision, batch and threads",
            action="measure the same bundles on both sides, or name two records",
        )
    if not across_machines:
        for old, new in pairs:
            _same_machine(old[-1], new[-1])
    return [_compare(old, new, limit) for old, new in pairs]


def require_not_slower(comparisons: Iterable[Comparison], limit: float) -> None:
    """Raise if an engine is slower beyond doubt.

    Raises:
        CheckError: the whole interval of one lies beyond the limit.
    """
    slower = [each for each in comparisons if each.verdict == "slower"]
    if slower:
        worst = max(slower, key=lambda each: each.ratio.value)
        low, high = (100 * (bound - 1) for bound in worst.ratio.interval or (1.0, 1.0))
        raise CheckError(
            f"{worst.engine} is {100 * (worst.ratio.value - 1):.1f} % slower, between {low:.1f} and "
            f"{high:.1f}" + (f", and {len(slower) - 1} more" if len(slower) > 1 else ""),
            expected=f"at most {100 * limit:g} %",
            action="look at the differences listed, and measure both in one run to be sure: "
            "edgefer bench BEFORE AFTER",
        )


def _by_engine(records: Sequence[Record]) -> dict[Key, list[Record]]:
    engines: dict[Key, list[Record]] = {}
    for record in records:
        engines.setdefault((*(record[name] for name in _KEY), record.get("host")), []).append(record)
    return engines


def _compare(old: Sequence[Record], new: Sequence[Record], limit: float) -> Comparison:
    before, after = old[-1], new[-1]
    runs = {record["run"] for record in old} & {record["run"] for record in new}
    if before["run"] == after["run"] and len(_medians(before)) == len(_medians(after)):
        how, ratio = "paired blocks of one run", paired_ratio(_medians(after), _medians(before))
    elif min(len(old), len(new)) >= FEWEST_RUNS and not runs:
        medians = [[float(np.median(_medians(record))) for record in side] for side in (new, old)]
        how, ratio = "runs", unpaired_ratio(*medians)
    else:
        how, ratio = "parts of two runs", unpaired_ratio(_segments(after), _segments(before))
    accuracy, interval = _accuracy(before, after)
    names = tuple(dict.fromkeys(_name(record) for record in (before, after)))
    return Comparison(
        engine=" against ".join(reversed(names)),
        before_ms=before["p50_ms"],
        after_ms=after["p50_ms"],
        ratio=ratio,
        how=how,
        verdict=_verdict(ratio.interval, 1 + limit),
        limit=limit,
        accuracy=accuracy,
        accuracy_interval=interval,
        differences=_differences(before, after),
    )


def _verdict(interval: Interval | None, limit: float) -> str:
    if interval is None or interval[0] <= limit < interval[1]:
        return "undecided"
    if interval[0] > limit:
        return "slower"
    return "faster" if interval[1] < 1 else "not slower"


def _medians(record: Record) -> list[float]:
    return [float(np.median(block)) for block in record["samples"]["latency_ns"]]


def _segments(record: Record) -> list[float]:
    medians = np.array(_medians(record))
    return [float(np.median(part)) for part in np.array_split(medians, min(SEGMENTS, len(medians)))]


def _accuracy(before: Record, after: Record) -> tuple[float | None, Interval | None]:
    """Points gained, and their interval, from which faces each had right."""
    hits = [record["samples"].get("correct") for record in (before, after)]
    if None in hits or before["faces"]["fingerprint"] != after["faces"]["fingerprint"]:
        return None, None
    was, now = (np.frombuffer(text.encode(), dtype=np.uint8) == ord("1") for text in hits)
    won, lost = int((now & ~was).sum()), int((was & ~now).sum())
    low, high = tango(won, lost, len(was))
    return 100 * (won - lost) / len(was), (100 * low, 100 * high)


def _differences(before: Record, after: Record) -> tuple[str, ...]:
    """What besides the engine could explain a difference, as ``name: old -> new``."""
    old, new = before["environment"], after["environment"]
    packages = sorted(old["packages"].keys() | new["packages"].keys())
    values = [
        *(
            (name, old.get(name), new.get(name))
            for name in (*_MACHINE, "kernel", "python", "governor", "boost")
        ),
        *((name, old["packages"].get(name), new["packages"].get(name)) for name in packages),
        ("device", before.get("device"), after.get("device")),
        ("host", before.get("host"), after.get("host")),
        ("threads", before["threads"], after["threads"]),
        ("cores", *((record.get("conditions") or {}).get("cores") for record in (before, after))),
        ("faces", before["faces"]["name"], after["faces"]["name"]),
    ]
    found = [f"{name}: {was} -> {now}" for name, was, now in values if was != now]
    unstable = [
        f"{when} was unstable: {'; '.join(record['stability']['reasons'])}"
        for when, record in (("before", before), ("after", after))
        if not record["stability"]["stable"]
    ]
    return (*found, *unstable)


def _same_machine(before: Record, after: Record) -> None:
    machines = [{name: record["environment"].get(name) for name in _MACHINE} for record in (before, after)]
    if machines[0] != machines[1]:
        names = [machine["board"] or machine["cpu"] or machine["architecture"] for machine in machines]
        raise DeviceError(
            f"records of two machines: {names[0]} before, {names[1]} after",
            expected="one machine, on which slower means that the engine is",
            action="measure both on one, or say --across-machines",
        )


def _name(record: Mapping[str, Any]) -> str:
    return f"{record['model']} {record['variant']} {record['target']} {record['precision']}"


def _list(engines: Mapping[Key, Sequence[Record]]) -> str:
    return ", ".join(_name(records[-1]) for records in engines.values()) or "nothing"
