"""What the readers of bench records rely on, field by field; a record holds more, which is passed over.

Fields without which a table, a comparison or a report cannot be made are asked for; so are those that records
of the first day had. Times are positive, shares within their bounds, intervals of two ends.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias, TypedDict

from edgefer_runtime.errors import DataError
from edgefer_runtime.manifest import Name
from edgefer_runtime.tables import Filled, Within

LARGEST = 1e15
Count: TypeAlias = Annotated[int, Within(0, 1 << 53)]
Number: TypeAlias = Annotated[float, Within(-LARGEST, LARGEST)]
Time: TypeAlias = Annotated[float, Within(0, LARGEST, above=True)]
Percent: TypeAlias = Annotated[float, Within(0, 100)]
Points: TypeAlias = Annotated[float, Within(-1000, 1000)]
Interval: TypeAlias = tuple[Number, Number]
Spread: TypeAlias = tuple[Percent, Percent]
Nanoseconds: TypeAlias = Annotated[int, Within(1, 1 << 53)]


class Ratio(TypedDict):
    """How many times one thing is another."""

    value: Time
    interval: tuple[Time, Time] | None


class Faces(TypedDict):
    """The set that was measured on."""

    name: str
    images: Count
    fingerprint: str
    notice: str


class _Latency(TypedDict):
    samples: Count


class Latency(_Latency, total=False):
    """A summary of times."""

    p50_ms: Time | None
    p90_ms: Time | None
    p99_ms: Time | None
    p90_upper_ms: Time | None
    p99_upper_ms: Time | None


class _Evaluation(TypedDict):
    accuracy: Percent
    subject_interval: Spread | None


class Evaluation(_Evaluation, total=False):
    """Accuracy, taken apart."""

    subjects: Count | None


class YawRate(TypedDict):
    """A drop at one yaw."""

    value: Points
    interval: tuple[Points, Points]
    images: Count


class _Drop(TypedDict):
    against: str | None


class Drop(_Drop, total=False):
    """What was lost, and against what."""

    flips: Percent
    per_yaw: Mapping[str, YawRate]


class Speedup(TypedDict):
    """How many times as fast it was as others of its run."""

    float: Ratio | None
    onnxruntime_fp32: Ratio | None


class NullRatio(TypedDict):
    """An engine against itself."""

    interval: tuple[Time, Time] | None


class Stability(TypedDict):
    """Whether the times are to be trusted."""

    stable: bool
    reasons: tuple[str, ...]
    null_ratio: NullRatio


class _Environment(TypedDict):
    cpu: str | None
    architecture: str
    packages: Mapping[str, str]


class Environment(_Environment, total=False):
    """The machine and what is installed on it."""

    board: str | None
    cores: Count | None
    kernel: str | None
    python: str | None
    governor: str | None
    boost: bool | None
    os: str | None
    warnings: tuple[str, ...]


class Trace(TypedDict, total=False):
    """Readings while it ran, one each of ``t_s``."""

    t_s: tuple[Number, ...]
    temperature_c: Mapping[str, tuple[Number | None, ...]]
    power_w: Mapping[str, tuple[Number | None, ...]]
    frequency_mhz: Mapping[str, tuple[Number | None, ...]]


class Conditions(TypedDict, total=False):
    """What the machine went through."""

    cores: tuple[Count, ...] | None
    trace: Trace
    throttled_by: tuple[str, ...]


class Board(TypedDict, total=False):
    """What the board is."""

    model: str | None


class Energy(TypedDict, total=False):
    """Of one call."""

    net_mj: Number | None
    gross_mj: Number | None
    reason: str


class Scenario(TypedDict, total=False):
    """What a scenario measured."""

    latency: Latency
    jitter: Latency
    images_per_s: Number
    arrived: Annotated[int, Within(1, 1 << 53)]
    dropped: Count
    missed: Count


class Timed(TypedDict, total=False):
    """One of the nested times."""

    p50_ms: Time | None


class Settings(TypedDict):
    """How it was measured."""

    duration_s: Time


FILLED = Filled()


class _Samples(TypedDict):
    latency_ns: Annotated[tuple[Annotated[tuple[Nanoseconds, ...], FILLED], ...], FILLED]


class Samples(_Samples, total=False):
    """Every call, block by block, and which faces were right."""

    correct: str


class _Record(TypedDict):
    run: Name
    created: str
    command: str
    model: Name
    variant: Name
    target: Name
    precision: Name
    provider: str
    scenario: str
    threads: Count
    batch: Count
    p50_ms: Time
    p90_ms: Time | None
    p99_ms: Time | None
    load_ms: Number | None
    first_call_ms: Number | None
    peak_memory_mb: Number | None
    size_mb: Annotated[float, Within(0, LARGEST)]
    accuracy: Percent
    accuracy_interval: Spread
    accuracy_drop: Points | None
    accuracy_drop_ci: tuple[Points, Points] | None
    id: Number | None
    bundle: Mapping[str, Any]
    footprint: Mapping[str, Any]
    faces: Faces
    latency: Latency
    evaluation: Evaluation
    drop: Drop
    speedup: Speedup
    stability: Stability
    environment: Environment
    settings: Settings
    samples: Samples


class RecordShape(_Record, total=False):
    """A record. Times are in ms, sizes in MB (1e6 bytes), accuracy in percent, its drop in points, ``id`` in
    percent per million parameters; null where a number could not be had, the reason being in the object that
    belongs to it. What is optional, early records of this schema lack."""

    device: str | None
    host: str | None
    board: Board
    conditions: Conditions
    times: Mapping[str, Timed]
    scenarios: Mapping[str, Scenario]
    energy: Energy


def require_consistent(record: Mapping[str, Any], where: str) -> None:
    """Raise unless the parts of a record of this shape fit each other.

    Raises:
        DataError: they do not; ``where`` is what the message calls it.
    """
    images, correct = record["faces"]["images"], record["samples"].get("correct")
    if correct is not None and (len(correct) != images or {*correct} - {"0", "1"}):
        raise _unfit(where, "samples: correct", f"a 0 or 1 for each of {images} faces")
    trace = (record.get("conditions") or {}).get("trace") or {}
    readings = len(trace.get("t_s", ()))
    for group in TRACED:
        for name, line in trace.get(group, {}).items():
            if len(line) != readings:
                raise _unfit(where, f"conditions: trace: {group}.{name:.60}", f"{readings} readings")
    for name, needed in SCENARIOS.items():
        found = (record.get("scenarios") or {}).get(name)
        if found and (missing := [key for key in needed if key not in found]):
            raise _unfit(where, f"scenarios.{name}", f"{', '.join(missing)}")
    found = (record.get("scenarios") or {}).get("multi-stream")
    if found and "p90_ms" not in found["latency"]:
        raise _unfit(where, "scenarios.multi-stream: latency", "p90_ms")
    if record["drop"].get("per_yaw") and "flips" not in record["drop"]:
        raise _unfit(where, "drop: per_yaw", "flips beside it")
    if record["evaluation"]["subject_interval"] and "subjects" not in record["evaluation"]:
        raise _unfit(where, "evaluation: subject_interval", "subjects beside it")


TRACED = ("temperature_c", "power_w", "frequency_mhz")
SCENARIOS = {
    "multi-stream": ("latency",),
    "offline": ("images_per_s",),
    "camera": ("arrived", "dropped", "missed"),
}


def _unfit(where: str, field: str, expected: str) -> DataError:
    return DataError(f"{where}: {field} does not fit the rest", expected=expected)
