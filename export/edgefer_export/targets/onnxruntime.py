"""ONNX Runtime on the CPU: the engine is an ONNX file."""

from __future__ import annotations

import math
import shutil
import tempfile
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from edgefer_export.sessions import Run, onnxruntime_session
from edgefer_export.targets.base import BuiltEngine, Layer, Target
from edgefer_runtime.engines.libraries import import_onnxruntime
from edgefer_runtime.files import write_whole

ENTRY = "model.onnx"

FLOAT_OPERATORS = ("Conv", "FusedConv", "Gemm", "FusedGemm", "MatMul", "FusedMatMul")
INT8_OPERATORS = ("QLinearConv", "ConvInteger", "QGemm", "QLinearMatMul", "MatMulIntegerToFloat")


class OnnxRuntime(Target):
    """See :class:`edgefer_export.targets.base.Target`."""

    name = "onnxruntime"
    precisions = ("fp32", "fp16", "int8")
    install = 'pip install "edgefer[onnxruntime]"'

    def installed(self) -> bool:
        """Whether onnxruntime and onnx are there."""
        return all(find_spec(library) is not None for library in ("onnxruntime", "onnx"))

    def prepare(self, float_onnx: Path, workdir: Path) -> Path:
        """With depthwise convolutions widened; see :mod:`edgefer_export.passes.pad_depthwise`."""
        import onnx

        from edgefer_export.passes.pad_depthwise import pad_depthwise

        model = onnx.load(float_onnx)
        if not pad_depthwise(model):
            return float_onnx
        padded = workdir / "padded.onnx"
        write_whole(padded, model.SerializeToString())
        return padded

    def build(self, model: Path, precision: str, workdir: Path) -> BuiltEngine:
        """The file as it is: ONNX Runtime optimises when it loads, for the machine it then runs on.

        In fp16 too: a provider with float16 arithmetic uses it; the one for x86 CPUs has none, casts to
        float32 and back around each layer, and is slower than in fp32.
        """
        from edgefer_export.targets import require

        require(self, precision)
        entry = workdir / ENTRY
        workdir.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(model, entry)
        return BuiltEngine(
            entry=ENTRY,
            files={ENTRY: entry},
            tools={library: version(library) for library in ("onnxruntime", "onnx")},
        )

    def session(self, engine: BuiltEngine) -> Run:
        """Opens the ONNX file."""
        return onnxruntime_session(engine.path)

    def layers(self, engine: BuiltEngine) -> list[Layer]:
        """Read from the graph as ONNX Runtime has optimised it for this CPU."""
        import onnx

        onnxruntime = import_onnxruntime()

        with tempfile.TemporaryDirectory() as folder:
            optimised = Path(folder) / ENTRY
            options = onnxruntime.SessionOptions()
            options.optimized_model_filepath = str(optimised)
            options.log_severity_level = 3
            onnxruntime.InferenceSession(str(engine.path), options, providers=["CPUExecutionProvider"])
            graph = onnx.load(optimised).graph
        sizes = {tensor.name: math.prod(tensor.dims) for tensor in graph.initializer}
        return [
            Layer(
                module=node.name.split("/")[0],
                convolution="Conv" in node.op_type,
                weights=max(sizes.get(name, 0) for name in node.input),
                precision="int8" if node.op_type in INT8_OPERATORS else "fp32",
            )
            for node in graph.node
            if node.op_type in FLOAT_OPERATORS + INT8_OPERATORS
        ]


TARGET = OnnxRuntime()
