"""A page on what a narrower precision did to a network: one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

from edgefer_bench.drop_tables import profile_answer
from edgefer_bench.page import html_page
from edgefer_bench.rendering import NOTHING, interval, number, with_interval
from edgefer_bench.row_plot import Row, row_plot, scale_over
from edgefer_bench.svg import MINUS

HEADINGS = (
    ("", ""),
    ("accuracy", "%"),
    ("drop", "points"),
    ("p", "McNemar"),
    ("changed class", "%"),
    ("ECE", "%"),
    ("confidence", "points"),
    ("Var", "poses"),
    ("size", "MB"),
    ("p50", "ms"),
)
"""Of the table in short: name, and unit or kind."""

GROUPS = (("per_occlusion", "By occlusion"), ("per_class", "By expression"))

Engine = Mapping[str, Any]
"""An engine and what was measured: ``target``, ``precision``, ``size_mb``, and as a manifest keeps them
``evaluation``, ``drop`` and ``engine``, what answered."""


def drop_page(
    model: str,
    engines: Sequence[Engine],
    *,
    data: str,
    images: int,
    verdict: Mapping[str, Any] | None = None,
    notice: str = "",
) -> str:
    """The page as HTML.

    Args:
        model: the network's name.
        engines: every target's float engine and its narrower ones.
        data, images: the faces they were measured on.
        verdict: :meth:`edgefer_bench.verdict.Verdict.to_json`; None where nothing was timed.
        notice: what readers must know of the faces.

    Raises:
        ValueError: no engine is narrower than float.
    """
    narrow = [engine for engine in engines if engine["precision"] != "fp32"]
    if not narrow:
        raise ValueError("no engine is narrower than float")
    done = " and ".join(dict.fromkeys(engine["precision"].upper() for engine in narrow))
    return html_page(
        f"What {done} did to {model}",
        [
            *_verdict(verdict),
            *_in_short(engines, verdict),
            *_by_yaw(engines, narrow),
            *(part for key, heading in GROUPS for part in _by_group(narrow, key, heading)),
            *_speed(verdict),
            *_footer(data, images, notice),
        ],
    )


def _verdict(verdict: Mapping[str, Any] | None) -> list[str]:
    if verdict is None:
        return []
    notes = "".join(f"<li>{escape(note)}</li>" for note in verdict["notes"])
    reason = verdict["reason"][:1].upper() + verdict["reason"][1:]
    return [f'<p class="verdict">{escape(reason)}.</p>', f'<ul class="small">{notes}</ul>' if notes else ""]


def _in_short(engines: Sequence[Engine], verdict: Mapping[str, Any] | None) -> list[str]:
    timed = {} if verdict is None else {each["engine"]: each for each in verdict["engines"]}
    body = "".join(_line(engine, timed.get(_name(engine))) for engine in engines)
    head = "".join(f"<th>{heading}<small>{unit}</small></th>" for heading, unit in HEADINGS)
    return [
        "<h2>In short</h2>",
        f'<div class="scroll"><table><tr>{head}</tr>{body}</table></div>',
        '<p class="small">Drop: accuracy of the float network minus this engine\'s, on the same faces, with '
        "its paired 95 % interval. Changed class: faces that are now called something else, "
        "rightly or not. ECE: expected calibration error; confidence: mean probability of the predicted "
        "class, after minus before. Var: variance of the accuracy over the poses.</p>",
        *(
            f'<p class="small">{escape(_name(engine))}: answered by {escape(engine["engine"])}.</p>'
            for engine in engines
            if "in place of" in engine["engine"]
        ),
    ]


def _line(engine: Engine, timed: Mapping[str, Any] | None) -> str:
    evaluation, drop = engine["evaluation"], engine["drop"]
    cells = [
        _under(number(evaluation["accuracy"], 1), evaluation["interval"]),
        _under(number(drop["points"], 2), drop["interval"]),
        _probability(drop.get("mcnemar_p")),
        number(drop.get("flips"), 1),
        number(evaluation["calibration_error"], 1),
        number(drop.get("confidence_shift"), 2),
        number(evaluation["var_poses"], 2),
        number(engine["size_mb"], 2),
        NOTHING if timed is None else number(timed["p50_ms"]),
    ]
    return f"<tr><td>{escape(_name(engine))}</td>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _by_yaw(engines: Sequence[Engine], narrow: Sequence[Engine]) -> list[str]:
    if not narrow[0]["drop"]["per_yaw"]:
        return []
    floats = {engine["target"]: engine for engine in engines if engine["precision"] == "fp32"}
    changes = {
        _name(engine): [
            Row(_degrees(yaw), rate["value"], None, f"{before:.1f} → {rate['value']:.1f}", before)
            for yaw, rate in engine["evaluation"]["per_yaw"].items()
            for before in (floats[engine["target"]]["evaluation"]["per_yaw"][yaw]["value"],)
        ]
        for engine in narrow
    }
    answers = ((_name(engine), profile_answer(engine["drop"])) for engine in narrow)
    return [
        "<h2>Does it hurt the profile views more?</h2>",
        *(f"<p>{escape(name)}: {escape(answer)}.</p>" for name, answer in answers if answer),
        *_drops(narrow, "per_yaw", "Drop by yaw, in points", _degrees),
        *_plots(changes, "Accuracy by yaw in percent, float (hollow) and after", None),
    ]


def _by_group(narrow: Sequence[Engine], key: str, heading: str) -> list[str]:
    if len(narrow[0]["drop"][key]) < 2:
        return []
    return [f"<h2>{heading}</h2>", *_drops(narrow, key, f"Drop {heading.lower()}, in points", str)]


def _drops(narrow: Sequence[Engine], key: str, caption: str, label: Callable[[str], str]) -> list[str]:
    rows = {
        _name(engine): [
            Row(
                label(group),
                rate["value"],
                rate["interval"],
                with_interval(rate["value"], rate["interval"], 1),
            )
            for group, rate in engine["drop"][key].items()
        ]
        for engine in narrow
    }
    return _plots(rows, f"{caption}; right of the dashed line it is worse than float", 0.0)


def _speed(verdict: Mapping[str, Any] | None) -> list[str]:
    if verdict is None or not verdict["engines"]:
        return []
    rows = [_row(each["engine"], each["speed"], 2) for each in verdict["engines"]]
    caption = f"Times as fast as {verdict['against']}, timed in turns on the machine of the export"
    return ["<h2>Speed</h2>", *_plots({"all engines": rows}, caption, 1.0)]


def _plots(rows: Mapping[str, Sequence[Row]], caption: str, line_at: float | None) -> list[str]:
    """A plot a name, all on one scale."""
    every = [row for members in rows.values() for row in members]
    scale = scale_over(every, *([] if line_at is None else [line_at]))
    figures = "".join(
        f"<figure><figcaption><b>{escape(name)}</b></figcaption>"
        f"{row_plot(members, scale, f'{caption}: {name}', line_at=line_at)}</figure>"
        for name, members in rows.items()
    )
    return [f'<p class="small">{escape(caption)}.</p><div class="grid">{figures}</div>']


def _footer(data: str, images: int, notice: str) -> list[str]:
    about = f"Measured on {data}, {images:,} faces; intervals are 95 %, paired face by face (Tango)."
    return [f"<footer><p>{escape(about)}</p><p>{escape(notice)}</p></footer>"]


def _row(label: str, rate: Mapping[str, Any], decimals: int) -> Row:
    value, bounds = rate["value"], rate["interval"]
    return Row(label, value, bounds, with_interval(value, bounds, decimals))


def _name(engine: Engine) -> str:
    return f"{engine['target']} {engine['precision']}"


def _probability(p: float | None) -> str:
    return "&lt; 0.001" if p is not None and p < 0.001 else number(p, 3)


def _degrees(yaw: str) -> str:
    return yaw.replace("-", MINUS) + "°"


def _under(value: str, bounds: Sequence[float] | None) -> str:
    between = interval(bounds, 1)
    return f"{value}<small>{between}</small>" if between else value
