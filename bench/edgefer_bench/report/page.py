"""The report as one page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from edgefer_bench.page import html_page
from edgefer_bench.publishing import doubts
from edgefer_bench.rendering import NOTHING, interval, number
from edgefer_bench.report.charts import (
    accuracy_against_latency,
    drop_by_yaw,
    latency_distributions,
    over_time,
)
from edgefer_bench.report.selection import by_machine, by_model, engine, newest, pareto
from edgefer_bench.tables import footnotes

Record = Mapping[str, Any]

COLUMNS = (
    "engine", "p50 ms", "p90 ms", "p99 ms", "speed vs float", "size MB", "memory MB", "load ms", "energy mJ",
    "accuracy %", "drop, points", "ID %/M",
)  # fmt: skip


TRACES = {"temperature_c": "temperature, °C", "power_w": "power, W", "frequency_mhz": "clock, MHz"}


def render_page(records: Sequence[Record], *, title: str = "edgefer bench") -> str:
    """The page of the newest record of each engine on each machine.

    Args:
        records: one or more, with their samples.
        title: its heading.
    """
    shown = newest(records)
    notices = dict.fromkeys(record["faces"]["notice"] for record in shown if record["faces"]["notice"])
    sections = [_section(name, members) for name, members in by_machine(shown).items()]
    return html_page(title, [*(f'<p class="notice">{escape(notice)}</p>' for notice in notices), *sections])


def _section(name: str, records: Sequence[Record]) -> str:
    """A machine: its table, its pictures, and what must be told with them."""
    first = records[0]
    conditions = first.get("conditions") or {}
    trace = conditions.get("trace", {})
    cards = [("accuracy against latency", accuracy_against_latency(records))]
    for model, members in by_model(records).items():
        cards.append((f"{model}: latencies", latency_distributions(members)))
        cards.append((f"{model}: accuracy drop by yaw", drop_by_yaw(members)))
    cards += [(title, over_time(trace, group, title)) for group, title in TRACES.items()]
    drawn = (f'<div class="card"><h3>{escape(title)}</h3>{body}</div>' for title, body in cards if body)
    notes = dict.fromkeys([*_silent(first, trace), *footnotes(records), *_doubts(records)])
    device = f"device {first['device']}; " if first.get("device") else ""
    return "\n".join(
        [
            f"<section><h2>{escape(name)}</h2>",
            f'<p class="small">{escape(device)}{escape(_software(first))}</p>',
            _table(records),
            f'<div class="grid">{"".join(drawn)}</div>',
            "<details><summary>How to read this, and what speaks against it</summary><ul>",
            *(f"<li>{escape(note)}</li>" for note in notes),
            "</ul></details></section>",
        ]
    )


def _table(records: Sequence[Record]) -> str:
    rows = ["<tr>" + "".join(f"<th>{escape(column)}</th>" for column in COLUMNS) + "</tr>"]
    best = pareto(records)
    for model, members in by_model(records).items():
        rows.append(f'<tr class="model"><td colspan="{len(COLUMNS)}">{escape(model)}</td></tr>')
        for record in members:
            kind = ' class="best"' if record in best else ""
            rows.append(f"<tr{kind}>{''.join(f'<td>{cell}</td>' for cell in _cells(record))}</tr>")
    note = "● no other engine here is both faster and more accurate; * not to be quoted, see below"
    return f'<div class="scroll"><table>{"".join(rows)}</table></div><p class="small">{note}</p>'


def _cells(record: Record) -> list[str]:
    ratio, doubt = record["speedup"]["float"], "" if record["stability"]["stable"] else " *"
    latency = record["latency"]
    return [
        f'{escape(engine(record))}<span class="doubt">{doubt}</span>',
        number(record["p50_ms"]),
        *(_with_bound(latency, name) for name in ("p90", "p99")),
        NOTHING if ratio is None else _below(number(ratio["value"]), interval(ratio["interval"])),
        number(record["size_mb"]),
        number(record["peak_memory_mb"]),
        number(record["load_ms"]),
        number((record.get("energy") or {}).get("net_mj")),
        _below(number(record["accuracy"]), interval(record["accuracy_interval"])),
        _below(number(record["accuracy_drop"], 2), interval(record["accuracy_drop_ci"], 2)),
        number(record["id"]),
    ]


def _with_bound(latency: Mapping[str, Any], name: str) -> str:
    """A percentile, and below it its 99 % upper bound where the calls suffice."""
    bound = latency.get(f"{name}_upper_ms")
    return _below(number(latency.get(f"{name}_ms")), "" if bound is None else f"≤ {number(bound)}")


def _below(value: str, second: str) -> str:
    return f"{value}<small>{second}</small>" if second else value


def _software(record: Record) -> str:
    environment = record["environment"]
    packages = ", ".join(f"{name} {version}" for name, version in (environment.get("packages") or {}).items())
    return (
        f"{environment.get('os') or ''}; Python {environment.get('python')}; {packages}; {record['created']}"
    )


def _silent(record: Record, trace: Mapping[str, Any]) -> list[str]:
    """What the machine does not tell."""
    found = []
    if not trace.get("temperature_c"):
        found.append("this machine shows no temperature, so that throttling may go unseen")
    if reason := (record.get("energy") or {}).get("reason"):
        found.append(f"no energy: {reason}")
    return found


def _doubts(records: Sequence[Record]) -> list[str]:
    return [f"{record['model']} {engine(record)}: {doubt}" for record in records for doubt in doubts(record)]
