"""OpenVINO on the CPU: the engine is an IR, model.xml with model.bin."""

from __future__ import annotations

import math
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from edgefer_export.sessions import Run, openvino_session
from edgefer_export.targets.base import BuiltEngine, Layer, Target
from edgefer_runtime.engines.libraries import import_openvino
from edgefer_runtime.errors import DeviceError
from edgefer_runtime.files import write_whole

ENTRY, WEIGHTS = "model.xml", "model.bin"

HINT = "INFERENCE_PRECISION_HINT"
HINTS = {"fp32": "f32", "fp16": "f32", "bf16": "bf16", "int8": "f32"}
"""On a CPU with bfloat16 OpenVINO computes everything that is not INT8 in it unless told otherwise; a row
called fp32 must not, and an INT8 engine keeps its float islands the same on every machine. An fp16 engine
holds its weights in half the space and computes in float32: asked for f16, this very CPU answers in
bfloat16, whose eight bits are another precision than float16's eleven."""

LAYER_TYPES = ("Convolution", "GroupConvolution", "Deconvolution", "FullyConnected", "MatMul")
EXECUTED = {"i8": "int8", "u8": "int8", "f32": "fp32", "bf16": "bf16", "f16": "fp16"}


def has_bfloat16() -> bool:
    """Whether OpenVINO computes in bfloat16 on this CPU.

    Raises:
        MissingError: OpenVINO is not installed.
    """
    return "BF16" in import_openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


class OpenVino(Target):
    """See :class:`edgefer_export.targets.base.Target`."""

    name = "openvino"
    precisions = ("fp32", "fp16", "bf16", "int8")
    install = 'pip install "edgefer[openvino]"'

    def installed(self) -> bool:
        """Whether openvino is there."""
        return find_spec("openvino") is not None

    def prepare(self, float_onnx: Path, workdir: Path) -> Path:
        """Without small transposed convolutions; see :mod:`edgefer_export.passes.transposed_as_plain`."""
        import onnx

        from edgefer_export.passes.transposed_as_plain import transposed_as_plain

        model = onnx.load(float_onnx)
        if not transposed_as_plain(model):
            return float_onnx
        plain = workdir / "plain.onnx"
        write_whole(plain, model.SerializeToString())
        return plain

    def build(self, model: Path, precision: str, workdir: Path) -> BuiltEngine:
        """Convert to IR; weights keep their type (by default OpenVINO would store them as float16).

        Raises:
            DeviceError: ``precision`` is bf16 and this CPU has no bfloat16, so that nothing could be checked.
        """
        from edgefer_export.passes.choose_kernels import choose_kernels
        from edgefer_export.passes.resize_as_gather import resize_as_gather
        from edgefer_export.targets import require

        require(self, precision)
        openvino = import_openvino()
        if precision == "bf16" and not has_bfloat16():
            raise DeviceError(
                "this CPU does not compute in bfloat16",
                expected="avx512_bf16 or amx_bf16, see `edgefer doctor`",
                action="export on a machine that does, or without --bf16",
            )
        entry = workdir / ENTRY
        workdir.mkdir(parents=True, exist_ok=True)
        graph = openvino.Core().read_model(str(model))
        resize_as_gather(graph)
        openvino.save_model(graph, str(entry), compress_to_fp16=False)
        if precision == "int8":
            choose_kernels(entry)
        return BuiltEngine(
            entry=ENTRY,
            files={ENTRY: entry, WEIGHTS: entry.with_suffix(".bin")},
            options={HINT: HINTS[precision]},
            tools={"openvino": version("openvino")},
        )

    def session(self, engine: BuiltEngine) -> Run:
        """Opens the IR."""
        return openvino_session(engine.path, engine.options.get(HINT, "f32"))

    def layers(self, engine: BuiltEngine) -> list[Layer]:
        """Read from the execution graph of the compiled engine."""
        compiled = import_openvino().Core().compile_model(str(engine.path), "CPU", dict(engine.options))
        layers = []
        for node in compiled.get_runtime_model().get_ordered_ops():
            kind = str(node.rt_info["layerType"].value)
            if kind.startswith(LAYER_TYPES):
                executed = str(node.rt_info["runtimePrecision"].value).lower()
                module = node.get_friendly_name().split("/")[0]
                convolution = "Convolution" in kind
                weights = math.prod(node.input_value(1).get_shape()) if convolution else 0
                layers.append(Layer(module, convolution, weights, EXECUTED.get(executed, executed)))
        return layers


TARGET = OpenVino()
