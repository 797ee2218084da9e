"""Tables for people, from records and evaluations: rich for the terminal, Markdown for a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

NOTHING = "–"

BENCH_COLUMNS = (
    "engine",
    "p50 ms",
    "p90 ms",
    "p99 ms",
    "times float",
    "times ORT fp32",
    "MB",
    "accuracy %",
    "drop, points",
    "ID",
)
_GROUPS = (
    ("class", "per_class"),
    ("yaw", "per_yaw"),
    ("occlusion", "per_occlusion"),
    ("session", "per_session"),
)


def bench_table(records: Sequence[Mapping[str, Any]]) -> list[RenderableType]:
    """The table of one run's records, and the lines that say how to read it and how to get it again."""
    from rich.text import Text

    table = _table("edgefer bench", BENCH_COLUMNS)
    for cells in _bench_rows(records):
        table.add_row(*cells)
    return [table, *(Text(line, style="dim") for line in footnotes(records))]


def bench_markdown(records: Sequence[Mapping[str, Any]]) -> str:
    """The same as Markdown."""
    rows = [BENCH_COLUMNS, ("---", *["---:"] * (len(BENCH_COLUMNS) - 1)), *_bench_rows(records)]
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join([*lines, "", *(f"- {line}" for line in footnotes(records))]) + "\n"


def footnotes(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """What must be told with the numbers: the faces, the machine, the conditions, doubts, the command."""
    if not records:
        return ["no engines were measured"]
    first = records[0]
    faces, latency = first["faces"], [record["latency"]["samples"] for record in records]
    notes = [faces["notice"]] if faces["notice"] else []
    notes.append(
        f"accuracy on {faces['name']}, {faces['images']:,} images; in brackets 95 % intervals: accuracy over "
        "images (Wilson), drop paired image by image (Tango), speed from interleaved blocks (Hodges-Lehmann)"
    )
    notes.append(
        f"{first['environment']['processor']}; {first['threads']} threads, batch {first['batch']}, "
        f"{first['scenario']}, {min(latency):,} to {max(latency):,} timed calls an engine, none dropped"
    )
    notes += [
        f"unstable, do not quote: {_name(record)}: {'; '.join(record['stability']['reasons'])}"
        for record in records
        if not record["stability"]["stable"]
    ]
    return [*notes, f"again: {first['command']}"]


def export_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """The table of what an export wrote: a row a bundle."""
    table = _table("edgefer export", ("engine", "bundle", "MB", "accuracy %", "drop, points"), left=2)
    for row in rows:
        table.add_row(
            f"{row['target']} {row['precision']}",
            str(row["path"]),
            _number(row.get("size_mb")),
            _number(row.get("accuracy"), "{:.1f}"),
            _with_interval(row["accuracy_drop"], row["accuracy_drop_ci"]),
        )
    return table


def evaluation_tables(evaluation: Mapping[str, Any], title: str = "edgefer eval") -> list[RenderableType]:
    """Tables of an evaluation (its JSON form): in short, by attribute, and what is confused with what."""
    overall = _table(title, ("", ""))
    overall.show_header = False
    for name, value in _in_short(evaluation):
        overall.add_row(name, value)
    groups = _table("taken apart", ("", "", "images", "accuracy %"), left=2)
    for heading, key in _GROUPS:
        for name, rate in evaluation[key].items():
            value = _with_interval(rate["value"], rate["interval"], "{:.1f}")
            groups.add_row(heading, name, f"{rate['images']:,}", value)
        groups.add_section()
    names = list(evaluation["classes"])
    confusion = _table("true class down, predicted across", ("", *names))
    for name, counts in zip(names, evaluation["confusion"], strict=True):
        confusion.add_row(name, *(f"{count:,}" if count else "·" for count in counts))
    return [overall, groups, confusion]


def _in_short(evaluation: Mapping[str, Any]) -> list[tuple[str, str]]:
    accuracy = evaluation["accuracy"]
    lines = [("accuracy over images", _with_interval(accuracy, evaluation["interval"], "{:.1f}") + " %")]
    if evaluation["subject_interval"]:
        over_people = _with_interval(accuracy, evaluation["subject_interval"], "{:.1f}")
        lines.append((f"accuracy over {evaluation['subjects']} subjects", over_people + " %"))
    lines += [
        ("images", f"{evaluation['images']:,}"),
        ("mean recall", f"{evaluation['mean_recall']:.1f} %"),
        ("calibration error (ECE)", f"{evaluation['calibration_error']:.1f} %"),
        ("Var, poses and overall (as papers)", _number(evaluation["var_paper"])),
        ("Var, poses only", _number(evaluation["var_poses"])),
        ("ID, % per million parameters", _number(evaluation["information_density"], "{:.1f}")),
    ]
    return lines


def _bench_rows(records: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    return [
        (
            _name(record),
            _number(record["p50_ms"]),
            _number(record["p90_ms"]),
            _number(record["p99_ms"]),
            _ratio(record["speedup"]["float"]),
            _ratio(record["speedup"]["onnxruntime_fp32"]),
            _number(record["size_mb"]),
            _with_interval(record["accuracy"], record["accuracy_interval"], "{:.1f}"),
            _with_interval(record["accuracy_drop"], record["accuracy_drop_ci"]),
            _number(record["id"], "{:.1f}"),
        )
        for record in records
    ]


def _name(record: Mapping[str, Any]) -> str:
    mark = "" if record["stability"]["stable"] else " *"
    return f"{record['model']} {record['target']} {record['precision']}{mark}"


def _ratio(ratio: Mapping[str, Any] | None) -> str:
    return NOTHING if ratio is None else _with_interval(ratio["value"], ratio["interval"])


def _with_interval(value: float | None, interval: Sequence[float] | None, form: str = "{:.2f}") -> str:
    """``2.31 [2.25, 2.37]``; the value alone when it is known exactly or its interval is not known."""
    if value is None or interval is None or interval[0] == interval[1]:
        return _number(value, form)
    return f"{form.format(value)} [{form.format(interval[0])}, {form.format(interval[1])}]"


def _number(value: float | None, form: str = "{:.2f}") -> str:
    return NOTHING if value is None else form.format(value)


def _table(title: str, columns: Sequence[str], left: int = 1) -> Table:
    """An empty table whose first ``left`` columns hold words, the others numbers."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=escape(title))
    for position, name in enumerate(columns):
        table.add_column(escape(name), justify="left" if position < left else "right", overflow="fold")
    return table
