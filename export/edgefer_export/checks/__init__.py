"""Checks, one file each: a number against a limit, spoken of in module names.

:func:`run_checks` holds a float graph against the network it was exported from; :func:`check_engine`
holds a built engine against that graph.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgefer_export.checks.check import Check
from edgefer_export.checks.engine import check_engine
from edgefer_runtime.contract import InputContract

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Check", "check_engine", "run_checks"]


def run_checks(
    network: nn.Module,
    float_onnx: Path,
    faces: NDArray[np.uint8],
    *,
    contract: InputContract,
    output: str = "logits",
) -> list[Check]:
    """Hold the graph in ``float_onnx`` against ``network``.

    Args:
        network: what was exported; put into eval mode.
        float_onnx: written by :func:`edgefer_export.export_onnx`.
        faces: real faces, uint8 N x H x W x 3, at least eight.
        contract: what the network takes.
        output: what the network returns, ``"logits"`` or ``"probabilities"``.

    Returns:
        One check a row, passed or not; :func:`edgefer_export.certificate.require` raises for those not.
    """
    import onnx

    from edgefer_export.checks.batch import graph_batch_invariance, network_batch_invariance
    from edgefer_export.checks.interface import axes_as_declared
    from edgefer_export.checks.operators import foreign_operators
    from edgefer_export.checks.parity import parity, reference
    from edgefer_export.checks.preprocessing import preprocessing
    from edgefer_export.checks.softmax import softmax_rows
    from edgefer_export.sessions import onnxruntime_session, openvino_session

    model = onnx.load(float_onnx)
    expected = reference(network, faces, contract, output)
    engines = {"onnxruntime": onnxruntime_session(float_onnx), "openvino": openvino_session(float_onnx)}
    checks = [
        foreign_operators(model),
        axes_as_declared(model, engines["onnxruntime"], faces),
        network_batch_invariance(network, faces, contract, output),
        *softmax_rows(model, faces),
        *preprocessing(model, faces, contract),
    ]
    for name, run in engines.items():
        checks += parity(name, expected, run(faces))
        checks += graph_batch_invariance(name, model, run, faces)
    return checks
