"""TensorRT: a plan where there is a GPU; elsewhere its ONNX, proven by TensorRT-RTX's parser.

The engine takes prepared faces, float32 N x C x H x W, and the runtime prepares them. Inside a plan the
preprocessing could not be held against its definition without a GPU, TensorRT before 10 takes no transpose
of uint8, and a plan whose only sizes are the network's own is what TensorRT tunes best.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgefer_export.sessions import Run, onnxruntime_session
from edgefer_export.targets.base import BuiltEngine, Layer, Target
from edgefer_runtime.engines import tensorrt_build
from edgefer_runtime.engines.tensorrt import PREPROCESSING
from edgefer_runtime.engines.tensorrt_plan import FACTS, ONNX, PLAN, RECIPE
from edgefer_runtime.errors import DeviceError, MissingError
from edgefer_runtime.files import write_whole
from edgefer_runtime.manifest import format_json

RTX = "tensorrt-rtx"
LAYERS = ("CONVOLUTION", "DECONVOLUTION", "MATRIX_MULTIPLY")
TYPES = {"FLOAT": "fp32", "HALF": "fp16", "BF16": "bf16"}

PREPARATION = "preprocess.onnx"
"""The preprocessing that was parted from the ONNX; with it a bundle can be checked on any machine."""


class TensorRt(Target):
    """See :class:`edgefer_export.targets.base.Target`.

    What a plan computes shows on a GPU only. :meth:`session` therefore runs the ONNX in ONNX Runtime, and
    :meth:`layers` tells the types of the parsed network, which a strongly typed builder has to keep.
    """

    name = "tensorrt"
    precisions = ("fp32", "fp16", "int8")
    install = f"{tensorrt_build.INSTALL['tensorrt']}; without a GPU: {tensorrt_build.INSTALL[RTX]}"
    stand_in = "onnxruntime"

    def installed(self) -> bool:
        """Whether a parser of TensorRT or TensorRT-RTX is there, and what the stand-in needs."""
        parsers = any(map(tensorrt_build.installed, dict.fromkeys((self.name, RTX))))
        return parsers and all(find_spec(library) is not None for library in ("onnxruntime", "onnx"))

    def build(self, model: Path, precision: str, workdir: Path) -> BuiltEngine:
        """Cut the preprocessing off, prove the rest, and build its plan if this machine can."""
        import onnx

        from edgefer_export.passes.split_preprocessing import split_preprocessing
        from edgefer_export.targets import require

        require(self, precision)
        parts = {PREPARATION: workdir / PREPARATION, ONNX: workdir / ONNX}
        for path, part in zip(parts.values(), split_preprocessing(onnx.load(model)), strict=True):
            write_whole(path, part.SerializeToString())
        files, options, tools = self._plan(parts[ONNX])
        return BuiltEngine(
            entry=next(iter(files)),
            files={**files, **parts},
            options={**PREPROCESSING, **options},
            tools={**tools, "onnx": version("onnx")},
        )

    def _plan(self, onnx: Path) -> tuple[Mapping[str, Path], Mapping[str, Any], Mapping[str, str]]:
        """Files beside the ONNX, the entry first; options; tools."""
        try:
            return (
                build_beside(self.name, onnx, None),
                {},
                {self.name: tensorrt_build.load_library(self.name).__version__},
            )
        except (DeviceError, MissingError):
            recipe = onnx.with_name(RECIPE)
            proven_by = {RTX: prove(onnx)}
            write_whole(recipe, format_json({"target": self.name, "onnx": ONNX, "proven_by": proven_by}))
            return {RECIPE: recipe}, {}, proven_by

    def session(self, engine: BuiltEngine) -> Run:
        """Opens both parts of the graph in ONNX Runtime."""
        prepare, network = (onnxruntime_session(engine.files[name]) for name in (PREPARATION, ONNX))

        def run(images: NDArray[np.uint8]) -> NDArray[np.float32]:
            prepared: NDArray[Any] = prepare(images)
            return network(prepared)

        return run

    def layers(self, engine: BuiltEngine) -> list[Layer]:
        """Read from the network that the parser makes of the ONNX."""
        target = self.name if tensorrt_build.installed(self.name) else RTX
        library = tensorrt_build.load_library(target)
        parsed = tensorrt_build.parse(library, engine.files[ONNX].read_bytes())
        network = parsed.network
        made_by = {
            layer.get_output(0).name: layer for layer in map(network.get_layer, range(network.num_layers))
        }
        return [
            Layer(
                module=layer.name.split("/")[0],
                convolution="CONVOLUTION" in layer.type.name,
                weights=_weights(library, layer),
                precision=_precision(layer, made_by),
            )
            for layer in made_by.values()
            if layer.type.name in LAYERS
        ]


def _weights(library: Any, layer: Any) -> int:
    """Of a convolution, how many: an input of their own when they are quantized, part of it otherwise."""
    if layer.type.name != "CONVOLUTION":
        return 0
    if layer.num_inputs > 1 and (kernel := layer.get_input(1)) is not None:
        return math.prod(kernel.shape)
    layer.__class__ = library.IConvolutionLayer
    return int(layer.kernel.size)


def _precision(layer: Any, made_by: Mapping[str, Any]) -> str:
    """INT8 where every argument of the layer comes out of a dequantization."""
    arguments = [layer.get_input(index) for index in range(layer.num_inputs)]
    factors = [argument for argument in arguments[:2] if argument is not None]
    if len(factors) == 2 and all(made_by[factor.name].type.name == "DEQUANTIZE" for factor in factors):
        return "int8"
    kind: str = factors[0].dtype.name
    return TYPES.get(kind, kind.lower())


def prove(onnx: Path) -> str:
    """Build the portable TensorRT-RTX plan of ``onnx`` and throw it away: its parser is TensorRT's.

    Returns:
        The version of TensorRT-RTX.

    Raises:
        MissingError: TensorRT-RTX is not installed.
        CheckError: it refuses the graph; the message names the modules.
    """
    with tempfile.TemporaryDirectory(prefix="edgefer-proof-") as folder:
        return tensorrt_build.build_plan(RTX, onnx, Path(folder) / PLAN).version


def build_beside(target: str, onnx: Path, compute_capability: str | None) -> dict[str, Path]:
    """Build the plan beside ``onnx``; the plan and its facts."""
    plan, facts = onnx.with_name(PLAN), onnx.with_name(FACTS)
    tensorrt_build.build_plan(target, onnx, plan, compute_capability=compute_capability).write(facts)
    return {PLAN: plan, FACTS: facts}


TARGET = TensorRt()
