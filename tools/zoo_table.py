"""The table at the end of docs/papers.md: what trained networks reach on a face set, as Markdown.

    python tools/zoo_table.py synthfer:test lanmsff pattlite fcsdnet runs/dsan/train-full

Checkpoints are named as for `edgefer eval`.
"""

from __future__ import annotations

import sys
from typing import Any

from edgefer.pipeline.evaluate import EvaluationSettings, evaluate
from edgefer.pipeline.subjects import find_checkpoint

HEADINGS = ("network", "accuracy %", "95 % of images", "95 % of people", "macro-F1", "Var", "Var poses", "ID")


def main(data: str, *subjects: str) -> None:
    """Evaluate ``subjects`` on ``data`` and print a row for each."""
    rows = [row(evaluate(EvaluationSettings(subject, data=data)), subject) for subject in subjects]
    headings = list(dict.fromkeys(name for each in rows for name in each))
    print("|", " | ".join(headings), "|")
    print("|", " | ".join(["---", *["---:"] * (len(headings) - 1)]), "|")
    for each in rows:
        print("|", " | ".join(each.get(name, "") for name in headings), "|")


def row(found: dict[str, Any], subject: str) -> dict[str, str]:
    """One network's cells by heading."""
    checkpoint, _ = find_checkpoint(subject)
    rates = {
        **{f"{name} %": rate for name, rate in found["per_session"].items()},
        **{f"yaw {name} %": rate for name, rate in found["per_yaw"].items()},
    }
    cells = (
        f"`{checkpoint.model}` {checkpoint.variant}",
        f"{found['accuracy']:.1f}",
        interval(found["interval"]),
        interval(found["subject_interval"]),
        f"{found['macro_f1']:.1f}",
        f"{found['var_paper']:.1f}",
        f"{found['var_poses']:.1f}",
        f"{found['information_density']:.1f}",
    )
    named = dict(zip(HEADINGS, cells, strict=True))
    return named | {name: f"{rate['value']:.1f}" for name, rate in rates.items()}


def interval(bounds: tuple[float, float]) -> str:
    """``low to high``, or nothing."""
    return f"{bounds[0]:.1f} to {bounds[1]:.1f}" if bounds else ""


if __name__ == "__main__":
    main(*sys.argv[1:])
