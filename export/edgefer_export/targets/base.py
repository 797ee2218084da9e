"""What a target is, and what building one gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from edgefer_export.sessions import Run


@dataclass(frozen=True)
class BuiltEngine:
    """The files of an engine, ready to be bundled.

    Attributes:
        entry: the name in ``files`` that the engine is opened from.
        files: name in the bundle -> file on disk.
        options: what the runtime has to set when it opens the engine.
        tools: library -> version, of everything that took part in the build.
    """

    entry: str
    files: Mapping[str, Path]
    options: Mapping[str, Any] = field(default_factory=dict)
    tools: Mapping[str, str] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        """The entry's file on disk."""
        return self.files[self.entry]


@dataclass(frozen=True, slots=True)
class Layer:
    """A convolution or matrix product as an engine runs it.

    Attributes:
        module: the module it comes from (``trunk.0.0``).
        convolution: whether it is a convolution.
        weights: of a convolution, how many.
        precision: ``"int8"``, ``"fp32"``, ``"bf16"`` or ``"fp16"``: the type its inputs are multiplied in.
    """

    module: str
    convolution: bool
    weights: int
    precision: str


class Target(Protocol):
    """One place where engines run. Implementations are stateless; one file each."""

    name: str
    precisions: tuple[str, ...]
    install: str
    """The pip command that makes :meth:`installed` true."""
    stand_in: str = ""
    """What :meth:`session` computes in when it is not the target, which may not run where it is built for."""

    def installed(self) -> bool:
        """Whether the libraries that :meth:`build` needs can be imported; imports none of them."""

    def aimed_at(self, compute_capability: str) -> Target:
        """The target that builds for one kind of NVIDIA GPU, where it builds for GPUs that are elsewhere.

        Args:
            compute_capability: e.g. ``"8.6"``.
        """
        return self

    def prepare(self, float_onnx: Path, workdir: Path) -> Path:
        """The float ONNX in the form that this target runs fastest, before anything is made narrower.

        Args:
            float_onnx: written by :func:`edgefer_export.export_onnx`; stays as it is.
            workdir: a folder for the other form.
        """
        return float_onnx

    def build(self, model: Path, precision: str, workdir: Path) -> BuiltEngine:
        """Build an engine from a float ONNX, or for int8 from this target's quantized ONNX.

        Args:
            model: the ONNX file.
            precision: one of ``precisions``.
            workdir: a folder for the engine's files.

        Raises:
            UsageError: the target has no such precision.
            MissingError: the target's libraries are not installed.
        """

    def session(self, engine: BuiltEngine) -> Run:
        """Opens the engine on this machine, before it is in a bundle."""

    def layers(self, engine: BuiltEngine) -> list[Layer]:
        """Convolutions and matrix products of the compiled engine, as they really run on this machine."""
