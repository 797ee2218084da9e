"""What a robot prints, read: each answer is checked for all that is asked of it before it is believed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Annotated, TypeAlias, TypedDict, TypeVar

from edgefer_runtime.bench_run import BenchRun
from edgefer_runtime.board import Board
from edgefer_runtime.bundle import Bundle
from edgefer_runtime.documents import parse_json
from edgefer_runtime.errors import DataError, DeviceError
from edgefer_runtime.tables import Line, Within, read_table

T = TypeVar("T")
Count: TypeAlias = Annotated[int, Within(0, 1 << 53)]
Word: TypeAlias = Annotated[str, Line(1024)]


class Look(TypedDict):
    """The first answer: its Python's version, where files could lie and how much room is there."""

    python: tuple[Count, Count, Count]
    base: Word
    folder: Word | None
    free: Count


class Facts(TypedDict):
    """What the machine is and has: of ``python -m edgefer_runtime environment``."""

    board: Board
    packages: Mapping[Word, Word]
    targets: tuple[Word, ...]


class Progress(TypedDict):
    """A line of a bench that is running."""

    stage: Word
    done: Count
    total: Count


def read_look(out: bytes, name: str) -> Look:
    """What :data:`edgefer_bench.remote.session.LOOK` prints.

    Raises:
        DeviceError: it is none; ``name`` is what the message calls the host.
    """
    look = _read(Look, out, name)
    folder = look["folder"]
    # It is unpacked into and removed in the end, so it must be the fresh one that was asked for.
    if folder is not None and not PurePosixPath(folder).name.startswith("edgefer-"):
        raise _no_answer(name, f"its fresh folder is {folder!r}", "a folder whose name begins with edgefer-")
    return look


def read_facts(out: bytes, name: str) -> Facts:
    """What a robot says it is.

    Raises:
        DeviceError: nothing of the kind.
    """
    return _read(Facts, out, name)


def read_progress(line: str) -> Progress | None:
    """How far a bench is; None for a line that says something else."""
    try:
        return read_table(Progress, parse_json(line.encode("utf-8", "replace"), "a line"), "a line")
    except DataError:
        return None


def require_complete(run: BenchRun, bundles: Sequence[Bundle], faces: int, name: str) -> None:
    """Raise unless a run is of the bundles and faces that the host was sent.

    Raises:
        DeviceError: it is of others; ``name`` is what the message calls the host.
    """
    if len(run.engines) != len(bundles):
        raise _no_answer(name, f"a run of {len(run.engines)} engines", f"of {len(bundles)}")
    for engine, bundle in zip(run.engines, bundles, strict=True):
        manifest, told = bundle.manifest, engine.facts["manifest"]
        sent = (manifest.model, manifest.variant, manifest.target, manifest.precision)
        if tuple(told[key] for key in ("model", "variant", "target", "precision")) != sent:
            raise _no_answer(name, f"a run of {told['model']} {told['target']}", f"of {manifest.name}")
        if engine.probabilities.shape != (faces, len(manifest.classes)):
            found = f"probabilities {engine.probabilities.shape} of {manifest.name}"
            raise _no_answer(name, found, f"({faces}, {len(manifest.classes)})")


def _read(kind: type[T], out: bytes, name: str) -> T:
    try:
        return read_table(kind, parse_json(out, "its answer"), "its answer")
    except DataError as error:
        raise _no_answer(name, error.found, error.expected) from error


def _no_answer(name: str, found: str, expected: str) -> DeviceError:
    return DeviceError(
        f"{name} gives no answer of edgefer's: {found}",
        expected=expected,
        action="see what else its shell prints at login (~/.bashrc, ~/.profile), and which Python it has",
    )
