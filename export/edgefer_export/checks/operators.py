"""Operators: a valid graph of standard ONNX, nothing only one engine knows, and every engine opens it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgefer_export.checks.check import Check

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from onnx import ModelProto

    from edgefer_export.sessions import Run

STANDARD_DOMAINS = ("", "ai.onnx")


def foreign_operators(model: ModelProto) -> Check:
    """Nodes outside the standard domain, plus one if the ONNX checker refuses the graph."""
    import onnx

    foreign = [
        f"{node.name} ({node.domain}.{node.op_type})" for node in model.graph.node if _foreign(node.domain)
    ]
    foreign += [f"function {function.name}" for function in model.functions]
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        foreign.append(f"the ONNX checker: {str(error).splitlines()[0]}")
    kinds = len({node.op_type for node in model.graph.node})
    detail = (
        f"{len(model.graph.node)} nodes of {kinds} standard operators, opset {model.opset_import[0].version}"
    )
    return Check.at_most("operators", len(foreign), 0, "nodes", "; ".join([detail, *foreign]))


def opens(engine: str, session: Callable[[Path], Run], graph: Path) -> tuple[Check, Run | None]:
    """Whether the engine's own parser and compiler take the graph, and the opened graph if so."""
    run, refusal = None, ""
    try:
        run = session(graph)
    except Exception as error:  # the libraries' exceptions have no common ancestor but this one
        refusal = "; ".join(line for line in str(error).splitlines() if line.strip())
    detail = f"{engine} cannot open it: {refusal}" if run is None else f"read and compiled by {engine}"
    return Check.at_most(f"operators/{engine}", int(run is None), 0, "refusals", detail), run


def _foreign(domain: str) -> bool:
    return domain not in STANDARD_DOMAINS
