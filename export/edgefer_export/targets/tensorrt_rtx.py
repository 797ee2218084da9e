"""TensorRT-RTX: plans for GeForce and RTX GPUs, built on a machine that has none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgefer_export.targets.tensorrt import RTX, TensorRt, build_beside
from edgefer_runtime.engines import tensorrt_build


@dataclass(frozen=True)
class TensorRtRtx(TensorRt):
    """See :class:`edgefer_export.targets.base.Target`.

    Attributes:
        compute_capability: of the GPU to build for, e.g. ``"8.6"``; None builds one plan for all from
            Ampere on, which are larger and are finished on the device.
    """

    name = RTX
    install = tensorrt_build.INSTALL[RTX]
    compute_capability: str | None = None

    def aimed_at(self, compute_capability: str) -> TensorRtRtx:
        """The same for one kind of GPU."""
        return replace(self, compute_capability=compute_capability)

    def _plan(self, onnx: Path) -> tuple[Mapping[str, Path], Mapping[str, Any], Mapping[str, str]]:
        files = build_beside(RTX, onnx, self.compute_capability)
        options = {"compute_capability": self.compute_capability} if self.compute_capability else {}
        return files, options, {RTX: tensorrt_build.load_library(RTX).__version__}


TARGET = TensorRtRtx()
