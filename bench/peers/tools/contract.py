"""The one contract of all entrants: what each is given, and what it hands back.

A tool is a script, run as ``python TOOL.py GIVEN OUT`` by the interpreter of its own environment. It calls
:func:`enter` with a function that writes a quantized model into OUT and returns its settings; what came of
it lands in ``OUT/result.json``. A tool that fails ends as any Python program does, with its traceback.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgefer_runtime.contract import InputContract
from edgefer_runtime.footprint import peak_resident_bytes
from edgefer_runtime.preprocess import preprocess

GRAPH, NETWORK, CALIBRATION, VALIDATION = "float.onnx", "network.onnx", "calibration.npy", "validation.npz"
PREPROCESSING, CONTRACT, RESULT = "preprocessing.onnx", "contract.json", "result.json"
INPUT = "images"
"""The one input of every graph given."""

ONNX_MODEL, OPENVINO_MODEL = "model.onnx", "model.xml"
"""What a tool may write; OpenVINO's lies beside its ``model.bin``."""


@dataclass(frozen=True)
class Given:
    """A folder that every entrant is given.

    Attributes:
        folder: where it lies.
        contract: how a face becomes the network's input.
        calibration: uint8, N x H x W x 3: the faces that ranges are read from, in order.
    """

    folder: Path
    contract: InputContract
    calibration: NDArray[np.uint8]

    @classmethod
    def read(cls, folder: Path) -> Given:
        """The folder at ``folder``."""
        contract = InputContract.from_json(json.loads((folder / CONTRACT).read_text()))
        return cls(folder, contract, np.load(folder / CALIBRATION))

    @property
    def graph(self) -> Path:
        """Float ONNX with preprocessing inside: uint8 1 x H x W x 3, any H and W -> probabilities."""
        return self.folder / GRAPH

    @property
    def network(self) -> Path:
        """The part of it behind the preprocessing: float32 1 x C x H x W -> probabilities."""
        return self.folder / NETWORK

    def prepare(self, face: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The input of :attr:`network` that ``face``, uint8 H x W x 3, becomes."""
        return preprocess(face, self.contract)

    def validation(self) -> list[tuple[NDArray[np.uint8], int]]:
        """Faces and labels for tools that look at accuracy: faces that are neither in the calibration set
        nor among those the entrants are judged on."""
        with np.load(self.folder / VALIDATION) as faces:
            return list(zip(faces["images"], faces["labels"].tolist(), strict=True))


def enter(quantize: Callable[[Given, Path], Mapping[str, Any]], *libraries: str) -> None:
    """Run ``quantize(given, out)`` and write down what it took.

    Args:
        quantize: writes :data:`ONNX_MODEL` or :data:`OPENVINO_MODEL` into ``out``, a model of ``given.graph``
            or of ``given.network``; returns its settings as JSON.
        libraries: whose versions are told.
    """
    given, out = Given.read(Path(sys.argv[1])), Path(sys.argv[2])
    wall, cpu = time.perf_counter(), _cpu_seconds()
    settings = quantize(given, out)
    result = {
        "seconds": time.perf_counter() - wall,
        "cpu_seconds": _cpu_seconds() - cpu,
        "peak_memory_bytes": peak_resident_bytes(),
        "versions": {library: version(library) for library in libraries},
        "settings": dict(settings),
    }
    (out / RESULT).write_text(json.dumps(result, indent=2))


def _cpu_seconds() -> float:
    """Seconds that this process and the children it has waited for have computed."""
    return sum(os.times()[:4])
