"""Tables for people, from records and evaluations: rich for the terminal, Markdown for a page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

NOTHING = "–"

Cell = tuple[str, str]
"""What a cell says, and its second line: an interval, or a unit."""

_COLUMNS: tuple[Cell, ...] = (
    ("engine", ""),
    ("p50", "ms"),
    ("p90", "ms"),
    ("p99", "ms"),
    ("speed vs", "float"),
    ("speed vs", "ORT fp32"),
    ("size", "MB"),
    ("accuracy", "%"),
    ("drop", "points"),
    ("ID", "%/M"),
)
_GROUPS = (
    ("class", "per_class"),
    ("yaw", "per_yaw"),
    ("occlusion", "per_occlusion"),
    ("session", "per_session"),
)


def bench_table(records: Sequence[Mapping[str, Any]]) -> list[RenderableType]:
    """A run's records as one table a model, and the lines that say how to read and how to repeat them.

    Fits a terminal of 80 columns: intervals stand below their numbers.
    """
    from rich.text import Text

    tables: list[RenderableType] = []
    for name, members in _by_model(records).items():
        table = _table(name, ["\n".join(column) for column in _COLUMNS])
        for record in members:
            table.add_row(*(Text.assemble(cell[0], ("\n" + cell[1], "dim")) for cell in _cells(record)))
        tables.append(table)
    return [*tables, *(Text(line, style="dim") for line in footnotes(records))]


def bench_markdown(records: Sequence[Mapping[str, Any]]) -> str:
    """The same as Markdown, intervals in brackets."""

    def line(texts: Iterable[str]) -> str:
        return "| " + " | ".join(text.replace("|", "\\|") for text in texts) + " |"

    lines = []
    for name, members in _by_model(records).items():
        lines += [f"**{name}**", "", line(" ".join(column).strip() for column in _COLUMNS)]
        lines += [line(["---", *["---:"] * (len(_COLUMNS) - 1)])]
        for engine, *numbers in map(_cells, members):
            lines += [
                line(
                    [
                        " ".join(engine),
                        *(f"{first} [{second}]" if second else first for first, second in numbers),
                    ]
                )
            ]
        lines += [""]
    return "\n".join([*lines, *(f"- {note}" for note in footnotes(records))]) + "\n"


def footnotes(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """What must be told with the numbers: the faces, the machine, the conditions, doubts, the command."""
    if not records:
        return ["no engines were measured"]
    first = records[0]
    faces, machine = first["faces"], first["environment"]
    calls = [record["latency"]["samples"] for record in records]
    notes = [faces["notice"]] if faces["notice"] else []
    notes.append(
        f"accuracy on {faces['name']}, {faces['images']:,} images; in brackets 95 % intervals: accuracy over "
        "images (Wilson), drop paired image by image (Tango), speed from interleaved blocks (Hodges-Lehmann)"
    )
    notes.append(
        f"{machine['cpu'] or machine['architecture']}; {first['threads']} threads, batch {first['batch']}, "
        f"{first['scenario']}, {min(calls):,} to {max(calls):,} timed calls an engine, none dropped"
    )
    for record in records:
        if not record["stability"]["stable"]:
            reasons = "; ".join(record["stability"]["reasons"])
            notes += [f"* not to be quoted, unstable: {record['target']} {record['precision']}: {reasons}"]
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


def _by_model(records: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    models: dict[str, list[Mapping[str, Any]]] = {}
    for record in records:
        models.setdefault(f"{record['model']} {record['variant']}", []).append(record)
    return models


def _cells(record: Mapping[str, Any]) -> list[Cell]:
    """A record's row, in the order of the columns."""
    doubt = "" if record["stability"]["stable"] else " *"
    return [
        (record["target"], record["precision"] + doubt),
        *((_number(record[key]), "") for key in ("p50_ms", "p90_ms", "p99_ms")),
        *(_ratio(record["speedup"][key]) for key in ("float", "onnxruntime_fp32")),
        (_number(record["size_mb"]), ""),
        (_number(record["accuracy"]), _interval(record["accuracy_interval"])),
        (_number(record["accuracy_drop"], "{:.2f}"), _interval(record["accuracy_drop_ci"], "{:.2f}")),
        (_number(record["id"]), ""),
    ]


def _ratio(ratio: Mapping[str, Any] | None) -> Cell:
    return (NOTHING, "") if ratio is None else (_number(ratio["value"]), _interval(ratio["interval"]))


def _interval(bounds: Sequence[float] | None, form: str = "") -> str:
    """``2.25…2.37``; nothing when it is not known or the number is exact."""
    if bounds is None or bounds[0] == bounds[1]:
        return ""
    return "…".join(_number(bound, form) for bound in bounds)


def _number(value: float | None, form: str = "") -> str:
    """A number to about three digits, or in ``form``."""
    if value is None:
        return NOTHING
    return (form or ("{:.2f}" if abs(value) < 10 else "{:.1f}")).format(value)


def _with_interval(value: float | None, bounds: Sequence[float] | None, form: str = "") -> str:
    interval = _interval(bounds, form)
    return f"{_number(value, form)} [{interval}]" if interval else _number(value, form)


def _table(title: str, columns: Sequence[str], left: int = 1) -> Table:
    """An empty table whose first ``left`` columns hold words, the others numbers."""
    from rich.box import SIMPLE_HEAD
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=escape(title), title_justify="left", box=SIMPLE_HEAD, padding=0)
    for position, name in enumerate(columns):
        table.add_column(escape(name), justify="left" if position < left else "right", overflow="fold")
    return table
