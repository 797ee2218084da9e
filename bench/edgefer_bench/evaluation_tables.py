"""An evaluation as tables in the terminal: in short, by class, by attribute, and what is taken for what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from edgefer_bench.rendering import add_row, number, table, with_interval

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

_GROUPS = (
    ("yaw", "per_yaw"),
    ("pose", "per_pose"),
    ("occlusion", "per_occlusion"),
    ("session", "per_session"),
)


def evaluation_tables(evaluation: Mapping[str, Any]) -> list[RenderableType]:
    """Tables of an evaluation; they fit a terminal of 80 columns.

    Args:
        evaluation: its JSON form. ``subject``, ``data``, ``left_out``, ``order_check`` and ``notice`` beside
            it, where there are any, say what was evaluated and how.
    """
    from rich.text import Text

    notice = evaluation.get("notice")
    tables = [_in_short(evaluation), _by_class(evaluation), _by_group(evaluation), _confusion(evaluation)]
    return [*(each for each in tables if each.row_count), *([Text(notice, style="dim")] if notice else [])]


def _in_short(evaluation: Mapping[str, Any]) -> Table:
    named = [str(evaluation[key]) for key in ("subject", "data") if key in evaluation]
    made = table(" on ".join(named) or "edgefer eval", ("", ""), header=False)
    accuracy = evaluation["accuracy"]
    add_row(made, ("accuracy over images", with_interval(accuracy, evaluation["interval"], 1) + " %"))
    if evaluation["subject_interval"]:
        over_people = with_interval(accuracy, evaluation["subject_interval"], 1)
        add_row(made, (f"accuracy over {evaluation['subjects']} subjects", over_people + " %"))
    left_out = evaluation.get("left_out")
    images = f"{evaluation['images']:,}" + (f" ({left_out:,} of other classes left out)" if left_out else "")
    for line in (
        ("images", images),
        ("mean per-class accuracy (mean recall)", f"{evaluation['mean_recall']:.1f} %"),
        ("macro-F1", f"{evaluation['macro_f1']:.1f} %"),
        ("calibration error (ECE)", f"{evaluation['calibration_error']:.1f} %"),
        ("Var, poses and overall (as papers)", number(evaluation["var_paper"])),
        ("Var, poses only", number(evaluation["var_poses"])),
        ("ID, % per million parameters", number(evaluation["information_density"], 1)),
    ):
        add_row(made, line)
    if order := evaluation.get("order_check"):
        agreed = f"within {order['largest_difference']:.0e}"
        add_row(made, (f"same answers in any order ({order['images']:,} asked)", agreed))
    return made


def _by_class(evaluation: Mapping[str, Any]) -> Table:
    made = table("by class", ("", "images", "recall %", "precision %", "F1 %"))
    for name, rate in evaluation["per_class"].items():
        precision = evaluation["precision"].get(name, {"value": None, "interval": None})
        shares = (with_interval(each["value"], each["interval"], 1) for each in (rate, precision))
        add_row(made, (name, f"{rate['images']:,}", *shares, number(evaluation["f1"][name], 1)))
    return made


def _by_group(evaluation: Mapping[str, Any]) -> Table:
    made = table("by attribute", ("", "", "images", "accuracy %"), left=2)
    for heading, key in _GROUPS:
        for name, rate in evaluation[key].items():
            value = with_interval(rate["value"], rate["interval"], 1)
            add_row(made, (heading, name, f"{rate['images']:,}", value))
        made.add_section()
    return made


def _confusion(evaluation: Mapping[str, Any]) -> Table:
    names = list(evaluation["classes"])
    made = table("true class down, predicted across", ("", *names))
    for name, counts in zip(names, evaluation["confusion"], strict=True):
        add_row(made, (name, *(f"{count:,}" if count else "·" for count in counts)))
    return made
