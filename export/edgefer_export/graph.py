"""The float ONNX graph that everything else is made from."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgefer_export.passes import finish
from edgefer_export.passes.reading import axes
from edgefer_runtime.contract import INPUT, OUTPUT, InputContract
from edgefer_runtime.errors import CheckError, UsageError
from edgefer_runtime.files import replacing

if TYPE_CHECKING:
    from onnx import ModelProto
    from torch import nn

OPSET = 18
"""ONNX Runtime's static quantization takes no opset above 20, and 18 says everything these networks need."""

BATCH, HEIGHT, WIDTH = "batch", "height", "width"

OUTPUTS = ("logits", "probabilities")


def export_onnx(
    network: nn.Module,
    *,
    contract: InputContract,
    classes: int,
    output: str,
    path: Path,
    batch: int | None = 1,
) -> Path:
    """Write ``network`` as float ONNX with preprocessing and softmax inside.

    The graph maps ``images``, uint8 N x H x W x 3 RGB with any H and W, to ``probabilities``, float32
    N x K. Nodes are named after the modules they come from (``trunk.0.0/Conv``).

    Args:
        network: maps float32 N x C x H x W to ``output``, N x K; put into eval mode.
        contract: what the network takes.
        classes: number of classes K.
        output: ``"logits"`` or ``"probabilities"``: what the network returns.
        path: the file to write; it appears whole or not at all.
        batch: N, or None for a dynamic batch axis.

    Returns:
        ``path``.

    Raises:
        UsageError: ``output`` or ``batch`` is not one of the values above.
        CheckError: the graph does not have the inputs, outputs or operators described here.
    """
    if output not in OUTPUTS or (batch is not None and batch < 1):
        raise UsageError(
            f"export with output {output!r} and batch {batch}",
            expected=f"output one of {', '.join(OUTPUTS)}; batch at least 1, or None for a dynamic one",
        )
    model = _trace(network, contract, output, batch)
    finish(model)
    _assert_interface(model, classes, batch)
    with replacing(path) as temporary:
        temporary.write_bytes(model.SerializeToString())
    return path


def _trace(network: nn.Module, contract: InputContract, output: str, batch: int | None) -> ModelProto:
    import torch

    from edgefer_export.deployable import Deployable

    dynamic: dict[int, Any] = {1: torch.export.Dim(HEIGHT), 2: torch.export.Dim(WIDTH)}
    if batch is None:
        dynamic[0] = torch.export.Dim(BATCH)
    # Three sizes that differ from each other and from the contract's, or the tracer may take them for one.
    example = torch.zeros(batch or 2, contract.height + 16, contract.width + 32, 3, dtype=torch.uint8)
    try:
        with _quiet():
            program = torch.onnx.export(
                Deployable(network, contract, output).eval(),
                (example,),
                dynamo=True,
                opset_version=OPSET,
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_shapes=(dynamic,),
                external_data=False,
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        raise CheckError(
            f"the network cannot be traced: {_first_cause(error)}",
            expected="operators that ONNX has, and no size that depends on the batch or the crop",
            action="mend the module named above, or export with a static batch",
        ) from error
    assert program is not None  # dynamo=True always returns one
    model: ModelProto = program.model_proto
    return model


def _first_cause(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's remarks, which concern torch's own internals and packages nobody asked for."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _assert_interface(model: ModelProto, classes: int, batch: int | None) -> None:
    """Raise CheckError unless names, axes and opset are what :func:`export_onnx` promises."""
    expected = {
        INPUT: [batch or BATCH, HEIGHT, WIDTH, 3],
        OUTPUT: [batch or BATCH, classes],
    }
    found = {value.name: axes(value) for value in (*model.graph.input, *model.graph.output)}
    if found != expected:
        raise CheckError(
            f"the exported graph has {found}",
            expected=str(expected),
            action="the network fixes an axis or returns something other than N x K: mend it",
        )
