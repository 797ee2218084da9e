"""Checks, one file each: a number against a limit, spoken of in module names.

:func:`run_checks` holds a float graph against the network it was exported from; :func:`check_engine` holds
a built engine against the network and against its label; :func:`selection_int8` and
:func:`half_precision` say what a narrower precision does to a graph.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgefer_export.checks.attention import attention
from edgefer_export.checks.batch import graph_batch_invariance, is_dynamic
from edgefer_export.checks.check import Check
from edgefer_export.checks.crops import adversarial_crops
from edgefer_export.checks.engine import check_engine
from edgefer_export.checks.interface import BATCHES, axes_as_declared
from edgefer_export.checks.parity import parity, parity_in_batches, parity_on_crops, reference
from edgefer_export.checks.ranges import half_precision
from edgefer_export.checks.selection import selection, selection_int8
from edgefer_runtime.contract import INPUT, OUTPUT, PREPROCESSING, InputContract
from edgefer_runtime.errors import DataError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onnx import ModelProto
    from torch import nn

__all__ = [
    "FACES_NEEDED",
    "Check",
    "check_engine",
    "check_graph",
    "half_precision",
    "reference",
    "run_checks",
    "selection_int8",
]

FACES_NEEDED = 7
"""One face and two different sets of three neighbours."""


def run_checks(
    network: nn.Module,
    float_onnx: Path,
    faces: NDArray[np.uint8],
    *,
    contract: InputContract,
    output: str = "logits",
    selections: Sequence[str] = (),
) -> list[Check]:
    """Hold the graph in ``float_onnx`` against ``network``, in every inference library that is installed.

    Args:
        network: what was exported; put into eval mode.
        float_onnx: written by :func:`edgefer_export.export_onnx`.
        faces: real faces, uint8 N x H x W x 3; a multiple of a static batch.
        contract: what the network takes.
        output: what the network returns, ``"logits"`` or ``"probabilities"``.
        selections: names of the network's modules that select features by point (PWFS).

    Returns:
        One check a row, passed or not; :func:`edgefer_export.certificate.require` raises for those not.

    Raises:
        UsageError: fewer than :data:`FACES_NEEDED` faces.
    """
    import onnx

    from edgefer_export.checks.batch import network_batch_invariance
    from edgefer_export.checks.departure import first_departure
    from edgefer_export.checks.operators import built_by_tensorrt_rtx, foreign_operators, opens
    from edgefer_export.checks.preprocessing import preprocessing
    from edgefer_export.sessions import installed_sessions

    if len(faces) < FACES_NEEDED:
        raise UsageError(f"{len(faces)} faces to check with", expected=f"at least {FACES_NEEDED}")
    model = onnx.load(float_onnx)
    foreign = foreign_operators(model)
    if not foreign.passed:
        return [foreign]  # the engines would not open it
    checks = [foreign, network_batch_invariance(network, faces, contract)]
    expected = reference(network, faces, contract, output)
    odd = adversarial_crops()
    odd_expected = {name: reference(network, crop, contract, output) for name, crop in odd.items()}
    for name, session in installed_sessions().items():
        opened, run = opens(name, session, float_onnx)
        checks.append(opened)
        if run is not None:
            checks.append(axes_as_declared(name, model, run, faces))
            if not checks[-1].passed:
                continue  # the rows below would run the same sizes
            checks += [
                preprocessing(name, session, model, faces, contract),
                *parity(name, expected, run(faces)),
                parity_on_crops(name, odd_expected, run, odd),
                *graph_batch_invariance(name, model, run, faces),
            ]
            if is_dynamic(model):
                checks.append(parity_in_batches(name, expected, run, faces, BATCHES))
    if all(check.passed for check in checks if check.name.startswith("operators/")):
        checks += [*attention(model, faces), *selection(model, selections, faces)]
    checks += built_by_tensorrt_rtx(model)
    if any(_departs(check) for check in checks):
        where = first_departure(network, model, faces[0], contract)
        checks = [
            replace(check, detail=f"{check.detail}; {where}") if _departs(check) else check
            for check in checks
        ]
    return checks


def _departs(check: Check) -> bool:
    return check.name.startswith("parity/") and not check.passed


def check_graph(graph: Path, faces: NDArray[np.uint8]) -> list[Check]:
    """Hold a float graph against itself, for want of its network: every check that needs nothing else.

    Args:
        graph: written by :func:`edgefer_export.export_onnx`.
        faces: at least :data:`FACES_NEEDED`, uint8 N x H x W x 3.

    Raises:
        DataError: no ONNX file, or its input and output are not those of an exported graph.
    """
    from edgefer_export.checks.operators import built_by_tensorrt_rtx, foreign_operators, opens
    from edgefer_export.sessions import installed_sessions

    model = load_graph(graph)
    checks, answers = [foreign_operators(model)], list[NDArray[np.float32]]()
    if not checks[0].passed:
        return checks
    for name, session in installed_sessions().items():
        opened, run = opens(name, session, graph)
        checks.append(opened)
        if run is not None:
            checks.append(axes_as_declared(name, model, run, faces))
            if checks[-1].passed:
                checks += graph_batch_invariance(name, model, run, faces)
                answers.append(run(faces))
    for other in answers[1:]:
        checks += parity("the other library", answers[0], other)
    return [*checks, *attention(model, faces), *built_by_tensorrt_rtx(model)]


def load_graph(graph: Path) -> ModelProto:
    """The exported graph in the file ``graph``.

    Raises:
        DataError: no ONNX file, or its input and output are not those of an exported graph.
    """
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        model = onnx.load(graph)
    except (DecodeError, OSError) as error:
        raise DataError(
            f"{graph}: no ONNX file ({error})", expected="an ONNX file", action="export it again"
        ) from error
    found = [[value.name for value in values] for values in (model.graph.input, model.graph.output)]
    prepares = any(node.name.startswith(PREPROCESSING) for node in model.graph.node)
    if found != [[INPUT], [OUTPUT]] or not prepares:
        raise DataError(
            f"{graph}: takes {found[0]} and returns {found[1]}, {'with' if prepares else 'without'} "
            "preprocessing inside",
            expected=f"{INPUT} and {OUTPUT}, with it, as edgefer export writes them",
            action="check the bundle, or export the network with edgefer",
        )
    return model
