"""Operators: a valid graph of standard ONNX, nothing only one engine knows, and every engine opens it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from edgefer_export.checks.check import Check
from edgefer_export.passes.split_preprocessing import split_preprocessing
from edgefer_runtime.errors import CheckError

if TYPE_CHECKING:
    from collections.abc import Callable

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


def built_by_tensorrt_rtx(model: ModelProto) -> list[Check]:
    """Whether TensorRT-RTX, whose parser is TensorRT's, builds a plan; no row where it is not installed.

    A refusal bears the names of the modules.
    """
    from edgefer_export.targets.tensorrt import RTX, prove
    from edgefer_runtime.engines.tensorrt_build import installed

    if not installed(RTX):
        return []
    refusal = ""
    with tempfile.TemporaryDirectory(prefix="edgefer-operators-") as folder:
        network = Path(folder) / "network.onnx"
        network.write_bytes(split_preprocessing(model)[1].SerializeToString())
        try:
            version = prove(network)
        except CheckError as error:
            refusal = error.found
    detail = refusal or f"parsed and built by {RTX} {version} as a portable plan"
    return [Check.at_most(f"operators/{RTX}", int(bool(refusal)), 0, "refusals", detail)]


def _foreign(domain: str) -> bool:
    return domain not in STANDARD_DOMAINS
