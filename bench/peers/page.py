"""Writes docs/peers.md from what was measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgefer_bench.rendering import NOTHING, number, with_interval
from edgefer_bench.statistics import Ratio, paired_ratio
from edgefer_runtime.files import write_whole
from peers.entrants import OURS, PEERS
from peers.judging import GIVEN, OWN

Row = Mapping[str, Any]
Case = tuple[str, str]
"""Which size of crops, and how many threads."""

OWN_NAMES = {entrant.name for entrant in OURS}
MOST_LOST = 1.0
"""Points of drop: an engine that loses more is not taken for a fast one."""

INTRODUCTION = f"""# INT8 beside other tools

One float network, the same calibration faces and the same faces to judge on for every tool, each in an
environment of its own and used as its guide says. `make peers` measures all of this again and writes this
page.

*Time* is an engine's time over that of edgefer's fastest: above 1 is slower than edgefer. The first table
names the fastest other tool among those that lose at most {MOST_LOST:g} point, and calls edgefer level
with it where the interval of its time holds 1. Crops come at 128 x 128, and engines take any size. *Nothing
resized* compares at the network's own size, with every engine opened for that: the fastest other tool there
over edgefer's fastest there, the difference that quantizing alone makes.
"""

HOW = """## How it was measured

- All were given edgefer's float ONNX, {calibration[faces]} calibration faces ({calibration[name]}, sha256
  {calibration[sha256]:.12}), and, for a tool that looks at accuracy while it quantizes,
  {validation[faces]} more ({validation[name]}). They were judged on the faces named with each model, which
  none was given.
- Other tools quantized the network behind the preprocessing, which some of them cannot read and others
  would quantize; the float ONNX's preprocessing was then put before what they made. So all engines take the
  same uint8 crops. OpenVINO reads it with a resize of its own; edgefer's engines have it rewritten
  ([export.md](export.md#rewrites)). At the network's own size, at which `FaceAnalyzer` cuts faces out,
  edgefer's runtime takes the resize out of any engine, other tools' too.
- Each ran in the runtime it is meant for, all with the settings of edgefer's runtime. On a processor that
  has bfloat16 OpenVINO computes in it what is not INT8; edgefer has that computed in float32. Both are shown,
  as bf16 and fp32. What NNCF makes of ONNX is read by OpenVINO, where it is fast; its FCSDNet loses half its
  answers there (OpenVINO 2026.4.1) and none in ONNX Runtime.
- Batch 1, engines in turns A B B A in one process, all opened anew twelve times, because where an engine
  comes to lie in memory changes its speed by some percent. With one thread CPU time is compared, which other
  work on the machine disturbs less, with more threads latency: by the medians of the openings
  (Hodges-Lehmann, 95 %).
- *Drop*: accuracy of the float network minus the engine's on the same faces, in points, with a paired 95 %
  interval (Tango). *To make*: what quantizing took, the library's import included; a tool was given
  {limit_s:g} s. On a busy machine believe the CPU seconds.
- Not here: Model Optimizer for ONNX (needs a GPU build of ONNX Runtime and CuPy), Neural Compressor 3 (has
  no ONNX back-end; ONNX Neural Compressor is its successor), Model Compression Toolkit (quantizes torch and
  Keras networks, not ONNX).
"""


def write_page(records: Sequence[Row], path: Path) -> None:
    """Write the page of ``records``, as ``compare.py`` keeps them, a record a model."""
    sections = [INTRODUCTION, _summary(records)]
    sections += [part for record in records for part in _of_model(record)]
    sections += [HOW.format(**records[0]) + _machines(records), _versions(records)]
    write_whole(path, "\n".join(sections).encode())


def _summary(records: Sequence[Row]) -> str:
    head = ["model", "threads", "edgefer's fastest", "speed vs ORT fp32", "drop"]
    head += ["fastest other tool", "its time", "its drop", "edgefer is", "nothing resized"]
    lines = []
    for record in records:
        for threads in record["engines"][0]["times"][GIVEN]:
            case, own = (GIVEN, threads), (OWN, threads)
            ours, other = _fastest_of_ours(record, case), _fastest_other(record, case)
            line = [record["model"], threads, _engine(ours)]
            line += [_shown(_ratio(record["engines"][0], ours, case)), _drop(ours)]
            if other is None:
                line += [NOTHING] * 5
            else:
                ratio = _ratio(other, ours, case)
                line += [f"{other['title']}; {_engine(other)}", _shown(ratio), _drop(other), _verdict(ratio)]
                there = _fastest_other(record, own)
                assert there is not None, "the same engines run at either size"
                line += [_shown(_ratio(there, _fastest_of_ours(record, own), own))]
            lines.append(line)
    return _table(head, lines)


def _of_model(record: Row) -> list[str]:
    """The section of a model: a row an engine, and what is missing."""
    cases = [(which, threads) for threads in record["engines"][0]["times"][GIVEN] for which in (GIVEN, OWN)]
    head = ["tool", "engine"]
    for which, threads in cases:
        clock = f"{threads} threads, ms" if threads != "1" else "1 thread, CPU ms"
        head += [clock if which == GIVEN else f"nothing resized, {clock}", "time"]
    head += ["MB", "drop", "to make, s", "CPU s", "peak MB"]
    evaluation, missing = record["evaluation"], _missing(record)
    heading = f"## {record['model']}\n\n{evaluation['name']}: {evaluation['faces']:,} faces.\n"
    return [heading, _table(head, _lines(record, cases)), *(["Missing:\n", missing] if missing else [])]


def _lines(record: Row, cases: Sequence[Case]) -> list[list[str]]:
    entrants = {entry["entrant"]["name"]: entry for entry in record["entrants"]}
    ours = {case: _fastest_of_ours(record, case) for case in cases}
    lines = []
    for row in record["engines"]:
        line = [str(row["title"]), _engine(row)]
        for case in cases:
            line += [number(float(np.median(_medians(row, case)))) if _ran(row, case) else NOTHING]
            line += [_shown(_ratio(row, ours[case], case)) if _ran(row, case) else NOTHING]
        entry = entrants.get(row["name"], {})
        peak = entry.get("peak_memory_bytes")
        line += [number(row["size_mb"]), NOTHING if row is record["engines"][0] else _drop(row)]
        line += [number(entry.get("seconds")), number(entry.get("cpu_seconds")), number(peak and peak / 1e6)]
        lines.append(line)
    return lines


def _missing(record: Row) -> str:
    """A line for each tool without a model, and for each number of threads that an engine cannot have."""
    entered = {entry["entrant"]["name"] for entry in record["entrants"]}
    lines = [f"{entrant.title}: not tried" for entrant in PEERS if entrant.name not in entered]
    lines += [
        f"{entry['entrant']['title']}: {entry['failure']}" for entry in record["entrants"] if entry["failure"]
    ]
    lines += [
        f"{engine['title']}, {_engine(engine)}, threads {engine['threads']}: {engine['reason']}"
        for engine in record["refusals"]
    ]
    return "".join(f"- {line}\n" for line in lines)


def _fastest_of_ours(record: Row, case: Case) -> Row:
    """The fastest INT8 engine as edgefer ships it: what is not INT8 in float32."""
    ours = [
        row
        for row in record["engines"]
        if row["name"] in OWN_NAMES and row["rest"] == "fp32" and _ran(row, case)
    ]
    return min(ours, key=lambda row: float(np.median(_medians(row, case))))


def _fastest_other(record: Row, case: Case) -> Row | None:
    """The fastest of the other tools' engines that lose at most :data:`MOST_LOST`, if there is one."""
    others = [
        row
        for row in record["engines"]
        if row["name"] not in {"float", *OWN_NAMES} and _ran(row, case) and row["drop"]["points"] <= MOST_LOST
    ]
    return min(others, key=lambda row: float(np.median(_medians(row, case))), default=None)


def _ran(row: Row, case: Case) -> bool:
    which, threads = case
    return threads in row["times"][which]


def _medians(row: Row, case: Case) -> list[float]:
    """Each opening's median in ms: of CPU time where one thread computes, else of latency."""
    which, threads = case
    times: list[float] = row["times"][which][threads]["cpu_ms" if threads == "1" else "wall_ms"]
    return times


def _ratio(row: Row, over: Row, case: Case) -> Ratio:
    return paired_ratio(_medians(row, case), _medians(over, case))


def _shown(ratio: Ratio) -> str:
    return with_interval(ratio.value, ratio.interval)


def _verdict(ratio: Ratio) -> str:
    """What another tool's time over ours says, as far as its interval tells."""
    low, high = ratio.interval or (0.0, float("inf"))
    return "faster" if low > 1 else "slower" if high < 1 else "level"


def _engine(row: Row) -> str:
    return f"{row['target']}, {row['rest']}"


def _drop(row: Row) -> str:
    return with_interval(row["drop"]["points"], row["drop"]["interval"], 2)


def _table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    def line(cells: Sequence[str]) -> str:
        return f"| {' | '.join(cells)} |"

    return "\n".join([line(head), line(["---"] * len(head)), *map(line, lines)]) + "\n"


def _machines(records: Sequence[Row]) -> str:
    found: dict[str, None] = {}
    for record in records:
        machine = record["environment"]
        found[
            f"{machine['cpu']}, {machine['cores']} cores, {', '.join(machine['flags'])}; {machine['os']}"
        ] = None
    loads = [record["environment"]["load_average"] for record in records]
    load = f"load average when timing began: {number(min(loads))} to {number(max(loads))}"
    return "".join(f"- {name}; {load}.\n" for name in found)


def _versions(records: Sequence[Row]) -> str:
    """Title, versions and settings of each tool, from wherever it has worked."""
    told = {
        entry["entrant"]["title"]: (entry["versions"], entry["settings"])
        for record in records
        for entry in record["entrants"]
        if not entry["failure"] and entry["entrant"]["name"] not in OWN_NAMES
    }
    lines = [
        [
            title,
            ", ".join(f"{name} {number}" for name, number in versions.items()),
            ", ".join(f"{name} {value}" for name, value in settings.items()) or "default",
        ]
        for title, (versions, settings) in told.items()
    ]
    return "## Versions and settings\n\n" + _table(["tool", "versions", "settings"], lines)
