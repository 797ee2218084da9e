"""Checks, one file each: a number against a limit, spoken of in module names.

:func:`run_checks` holds a float graph against the network it was exported from; :func:`check_engine` holds
a built engine against the network and against its label.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgefer_export.checks.check import Check
from edgefer_export.checks.engine import check_engine
from edgefer_export.checks.parity import reference
from edgefer_runtime.contract import InputContract
from edgefer_runtime.errors import UsageError

if TYPE_CHECKING:
    from torch import nn

__all__ = ["FACES_NEEDED", "Check", "check_engine", "reference", "run_checks"]

FACES_NEEDED = 7
"""One face and two different sets of three neighbours."""


def run_checks(
    network: nn.Module,
    float_onnx: Path,
    faces: NDArray[np.uint8],
    *,
    contract: InputContract,
    output: str = "logits",
) -> list[Check]:
    """Hold the graph in ``float_onnx`` against ``network``, in every inference library that is installed.

    Args:
        network: what was exported; put into eval mode.
        float_onnx: written by :func:`edgefer_export.export_onnx`.
        faces: real faces, uint8 N x H x W x 3; a multiple of a static batch.
        contract: what the network takes.
        output: what the network returns, ``"logits"`` or ``"probabilities"``.

    Returns:
        One check a row, passed or not; :func:`edgefer_export.certificate.require` raises for those not.

    Raises:
        UsageError: fewer than :data:`FACES_NEEDED` faces.
    """
    import onnx

    from edgefer_export.checks.attention import attention_weights
    from edgefer_export.checks.batch import graph_batch_invariance, network_batch_invariance
    from edgefer_export.checks.interface import axes_as_declared
    from edgefer_export.checks.operators import foreign_operators
    from edgefer_export.checks.parity import parity
    from edgefer_export.checks.preprocessing import preprocessing
    from edgefer_export.sessions import installed_sessions

    if len(faces) < FACES_NEEDED:
        raise UsageError(f"{len(faces)} faces to check with", expected=f"at least {FACES_NEEDED}")
    model = onnx.load(float_onnx)
    foreign = foreign_operators(model)
    if not foreign.passed:
        return [foreign]  # the engines would not open it
    checks = [
        foreign,
        network_batch_invariance(network, faces, contract),
        *attention_weights(model, faces),
    ]
    expected = reference(network, faces, contract, output)
    for name, session in installed_sessions().items():
        run = session(float_onnx)
        checks += [
            axes_as_declared(name, model, run, faces),
            preprocessing(name, session, model, faces, contract),
            *parity(name, expected, run(faces)),
            *graph_batch_invariance(name, model, run, faces),
        ]
    return checks
