"""Quantized graphs of one network for one target, each with other float islands, and what they answer."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgefer.data.faceset import FaceSet
from edgefer_bench.scoring import CHUNK, in_classes_of
from edgefer_runtime.board import architecture
from edgefer_runtime.environment import cpu_flags, cpu_model, packages
from edgefer_runtime.sysfs import ROOT

if TYPE_CHECKING:
    from edgefer_calibration import CalibrationSet, Quantized, Ranges
    from edgefer_calibration.modules import Module
    from edgefer_export.sessions import Run
    from edgefer_export.targets import Target


def machine(root: Path = ROOT) -> str:
    """What an engine's answers, and its speed, depend on beside its graph: the processor and the libraries.

    INT8 is not one arithmetic: x86 processors without VNNI add pairs of products in 16 bits.
    """
    return repr((architecture(root), cpu_model(root), cpu_flags(root), sorted(packages().items())))


@dataclass
class Candidates:
    """See the module.

    Attributes:
        target: where the engines run.
        float_onnx: the graph in the form that the target runs fastest.
        calibration: faces that ranges are read from, once for all candidates.
        classes: the network's, in the order of its outputs.
        folder: where graphs and engines are written.
        known_ranges: those of ``float_onnx`` on ``calibration``, where they were collected already.
    """

    target: Target
    float_onnx: Path
    calibration: CalibrationSet
    classes: Sequence[str]
    folder: Path
    known_ranges: Ranges | None = None

    @cached_property
    def ranges(self) -> Ranges:
        """Ranges of every activation on the calibration faces."""
        from edgefer_calibration import collect_ranges

        return self.known_ranges or collect_ranges(self.float_onnx, self.calibration)

    @cached_property
    def plain(self) -> Quantized:
        """The target's own recipe, nothing else in float."""
        return self.quantize((), self.folder / "plain.onnx")

    def modules(self) -> list[Module]:
        """The modules that can be left in float, in the network's order."""
        import onnx

        from edgefer_calibration.modules import quantized_modules

        return quantized_modules(onnx.load(self.float_onnx), self.plain.recipe)

    def quantize(self, float_modules: Sequence[str], out: Path) -> Quantized:
        """Write to ``out`` the quantized graph in which these modules are float."""
        from edgefer_calibration import quantize

        return quantize(
            self.target.name,
            self.float_onnx,
            self.calibration,
            out,
            float_modules=float_modules,
            ranges=self.ranges,
        )

    def open(self, float_modules: Sequence[str] | None) -> Run:
        """The engine in which these modules are float; None means all of them: the fp32 engine.

        Its files are gone once it is open: a search would fill the disk with those of a large network.
        """
        with TemporaryDirectory(dir=self.folder) as work:
            if float_modules is None:
                return self.target.session(self.target.build(self.float_onnx, "fp32", Path(work)))
            quantized = self.quantize(float_modules, Path(work) / "quantized.onnx")
            return self.target.session(self.target.build(quantized.path, "int8", Path(work) / "engine"))

    def answers(
        self,
        float_modules: Sequence[str] | None,
        faces: FaceSet,
        on_chunk: Callable[[int], None] = lambda count: None,
    ) -> NDArray[np.float32]:
        """Probabilities of every face, N x K in the order of the set's classes."""
        return self.ask(self.open(float_modules), faces, on_chunk)

    def ask(
        self, run: Run, faces: FaceSet, on_chunk: Callable[[int], None] = lambda count: None
    ) -> NDArray[np.float32]:
        """What :meth:`answers` gives, of an engine that is open."""
        chunks = []
        for start in range(0, len(faces), CHUNK):
            probabilities = run(faces.images[start : start + CHUNK])
            chunks.append(in_classes_of(probabilities, self.classes, faces.classes))
            on_chunk(len(probabilities))
        return np.concatenate(chunks)

    def key(self, *faces: FaceSet) -> str:
        """sha256 over target, machine, graph, recipe, calibration and ``faces``: what answers depend on."""
        digest = hashlib.sha256(f"{self.target.name} {machine()}".encode())
        digest.update(self.float_onnx.read_bytes())
        digest.update(self.plain.path.read_bytes())
        for fingerprint in (self.calibration.fingerprint, *(some.fingerprint() for some in faces)):
            digest.update(fingerprint.encode())
        return digest.hexdigest()
