"""What a bench measured, as a folder: written where it ran, and read, with nothing believed, elsewhere."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, BinaryIO, TypeAlias, TypedDict

import numpy as np
from numpy.typing import NDArray

from edgefer_runtime.documents import read_json
from edgefer_runtime.errors import DataError
from edgefer_runtime.files import replacing, write_whole
from edgefer_runtime.footprint import Footprint
from edgefer_runtime.manifest import Count, Name
from edgefer_runtime.tables import Filled, Line, Within, read_table
from edgefer_runtime.zips import Entry, ZipError, read_directory, read_entry

RUN, ARRAYS = "run.json", "run.npz"
LIMIT_BYTES = 256 << 20
AGAIN = "measure again"

Nanoseconds: TypeAlias = Annotated[tuple[Annotated[int, Within(1, 1 << 53)], ...], Filled()]
Intervals: TypeAlias = tuple[Count, ...]
Word: TypeAlias = Annotated[str, Line(1024)]
Number: TypeAlias = Annotated[float, Within(-1e15, 1e15)]


class _Nested(TypedDict):
    infer: Nanoseconds
    pipeline: Nanoseconds


class Nested(_Nested, total=False):
    """The three times, one within the other."""

    kernel: Nanoseconds


class Times(TypedDict):
    """The nested times, and what found the faces."""

    latency_ns: Nested
    detector: Word | None


class MultiStream(TypedDict):
    """Several faces at once."""

    latency_ns: Nanoseconds


class Offline(TypedDict):
    """All faces at once."""

    images_per_s: Number


class Camera(TypedDict):
    """Frames by the clock."""

    arrived: Annotated[int, Within(1, 1 << 53)]
    dropped: Count
    missed: Count
    latency_ns: Intervals
    jitter_ns: Intervals


Scenarios = TypedDict(
    "Scenarios", {"multi-stream": MultiStream, "offline": Offline, "camera": Camera}, total=False
)


class Energy(TypedDict):
    """Of one call."""

    gross_mj: Number | None
    net_mj: Number | None


class EngineManifest(TypedDict):
    """What engine it was."""

    model: Name
    variant: Name
    target: Name
    precision: Name


class EngineFacts(TypedDict):
    """What is told of one engine beside its arrays."""

    manifest: EngineManifest
    size_bytes: Count
    footprint: Footprint
    warmup_calls: Count
    stable: bool
    position: Intervals
    times: Times
    scenarios: Scenarios
    energy: Energy


class Machine(TypedDict):
    """The environment, as far as it is relied upon."""

    cpu: str | None
    architecture: str
    packages: Mapping[str, str]


class Settings(TypedDict):
    """How long it was measured."""

    duration_s: Annotated[float, Within(0, 1e9, above=True)]


class RunFacts(TypedDict):
    """``run.json``."""

    environment: Machine
    board: Mapping[str, Any]
    conditions: Mapping[str, Any]
    batch: Annotated[int, Within(1, 1 << 16)]
    settings: Settings
    engines: Annotated[tuple[EngineFacts, ...], Filled()]


@dataclass(frozen=True, eq=False)
class EngineRun:
    """What was measured of one engine.

    Attributes:
        facts: JSON: ``manifest, size_bytes, footprint, warmup_calls, stable, position, times, scenarios,
            energy``.
        latency_ns: int64, one a timed call, in order.
        block: int64, the block each call belongs to.
        probabilities: float32, N x K, columns in the order of the manifest's classes.
    """

    facts: Mapping[str, Any]
    latency_ns: NDArray[np.int64]
    block: NDArray[np.int64]
    probabilities: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class BenchRun:
    """What :func:`run_bench` returns.

    Attributes:
        facts: JSON: ``environment, board, conditions, batch, threads, settings``.
        engines: in the order of the bundles.
    """

    facts: Mapping[str, Any]
    engines: tuple[EngineRun, ...]

    def save(self, folder: Path) -> None:
        """Write the run into ``folder``: its arrays, and last the JSON.

        Raises:
            DataError: the folder cannot be written to: its disk is full.
        """
        arrays = {
            f"{name}_{place}": getattr(engine, name)
            for place, engine in enumerate(self.engines)
            for name in ("latency_ns", "block", "probabilities")
        }
        written = {**self.facts, "engines": [engine.facts for engine in self.engines]}
        with replacing(folder / ARRAYS) as temporary, temporary.open("wb") as file:
            np.savez(file, **arrays)
        write_whole(folder / RUN, json.dumps(written).encode())

    @classmethod
    def load(cls, folder: Path) -> BenchRun:
        """The run that :meth:`save` wrote.

        Raises:
            DataError: not there, or not whole.
        """
        try:
            facts = read_json(folder / RUN, limit_bytes=LIMIT_BYTES, action=AGAIN)
            read_table(RunFacts, facts, RUN)
            told = facts.pop("engines")
            arrays = _read_arrays(folder / ARRAYS, len(told))
        except (DataError, ZipError, OSError, ValueError) as error:
            raise DataError(
                f"{folder}: no whole run ({getattr(error, 'found', error)})",
                expected=getattr(error, "expected", "") or f"{RUN} and {ARRAYS}",
                action=AGAIN,
            ) from error
        return cls(facts, tuple(EngineRun(each, *found) for each, found in zip(told, arrays, strict=True)))


def _read_arrays(path: Path, engines: int) -> list[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]]:
    """Latencies, blocks and probabilities of each engine; no more is read than the file has bytes."""
    with path.open("rb") as file:
        entries = {entry.name: entry for entry in read_directory(file, 3 * engines)}
        found = []
        for place in range(engines):
            latency_ns = _read_array(file, entries, f"latency_ns_{place}", np.int64, 1)
            block = _read_array(file, entries, f"block_{place}", np.int64, 1)
            if len(latency_ns) != len(block) or latency_ns.min() < 1 or block.min() < 0:
                raise ValueError(f"latencies of engine {place} that are none")
            probabilities = _read_array(file, entries, f"probabilities_{place}", np.float32, 2)
            found.append((latency_ns, block, probabilities))
    return found


def _read_array(
    file: BinaryIO, entries: Mapping[str, Entry], name: str, kind: Any, axes: int
) -> NDArray[Any]:
    entry = entries.get(f"{name}.npy")
    if entry is None or entry.deflated:
        raise ValueError(f"no stored array {name}")
    stored = io.BytesIO(b"".join(read_entry(file, entry)))
    array: NDArray[Any] = np.lib.format.read_array(stored, allow_pickle=False)
    if array.dtype != kind or array.ndim != axes or not array.size:
        raise ValueError(f"{name} is {array.dtype} {array.shape}")
    return array
