"""What a TensorRT plan is bound to, kept beside it: a plan that does not load says nothing about why."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from edgefer_runtime.documents import read_json
from edgefer_runtime.errors import DataError, DeviceError
from edgefer_runtime.manifest import format_json
from edgefer_runtime.tables import read_table

ONNX, PLAN, FACTS = "model.onnx", "model.engine", "model.engine.json"
"""Files of a bundle: what the plan is built from, the plan, and its :class:`PlanFacts`."""

RECIPE = "build.json"
"""The entry of a bundle whose plan is still to be built: what is to be built, and what has proven it."""

REBUILD = "build it again from the ONNX beside it: python -m edgefer_runtime build BUNDLE"


@dataclass(frozen=True, kw_only=True)
class PlanFacts:
    """Known when the plan was built.

    Attributes:
        library, version: what built it; no other version is sure to load it.
        machine: architecture of the processor it was built on; plans do not travel between these.
        compute_capability: of the GPU it is for, e.g. ``"8.6"``; None when it is portable (TensorRT-RTX).
        plan_sha256, onnx_sha256: of the plan, and of the ONNX it was built from.
        flags: builder flags that were set.
        profile: smallest, tuned-for and largest batch when that is dynamic.
    """

    library: str
    version: str
    machine: str
    compute_capability: str | None
    plan_sha256: str
    onnx_sha256: str
    flags: tuple[str, ...] = ()
    profile: tuple[int, ...] | None = None

    def write(self, path: Path) -> None:
        """Write the facts as JSON."""
        path.write_bytes(format_json(asdict(self)))

    @classmethod
    def read(cls, path: Path) -> PlanFacts:
        """The facts written by :meth:`write`.

        Raises:
            DataError: no such file, or a field is missing or unknown.
        """
        try:
            return read_table(cls, read_json(path), "a plan's facts")
        except DataError as error:
            raise DataError(
                f"{path}: facts of a plan that cannot be read ({error.found})",
                expected=error.expected or ", ".join(cls.__dataclass_fields__),
                action=REBUILD,
            ) from error

    def require_match(self, version: str, compute_capability: str) -> None:
        """Raise unless this machine can load the plan; to be asked before the library sees it.

        Args:
            version: of the library that is installed here.
            compute_capability: of the GPU that is here.

        Raises:
            DeviceError: the plan is for another version, processor or GPU.
        """
        built = {"version": self.version, "machine": self.machine, "gpu": self.compute_capability}
        gpu = None if self.compute_capability is None else compute_capability
        here = {"version": version, "machine": platform.machine(), "gpu": gpu}
        if built != here:
            raise DeviceError(
                f"a plan of {_phrase(self.library, built)}",
                expected=f"a plan of {_phrase(self.library, here)}: that is what this machine has",
                action=REBUILD,
            )


def _phrase(library: str, facts: Mapping[str, str | None]) -> str:
    gpu = f", compute capability {facts['gpu']}" if facts["gpu"] else ""
    return f"{library} {facts['version']} on {facts['machine']}{gpu}"
