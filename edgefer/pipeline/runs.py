"""Run folders: what trainings leave, which of them a model's name means, and that none overwrites another.

A folder belongs to one training for good. ``run.json`` in it says which (its settings), when it began and
when it ended; ``.lock`` is held while it goes on.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgefer.models import get
from edgefer.training.differences import differences, listed
from edgefer_runtime.errors import UsageError
from edgefer_runtime.files import require_writable, unwritable, write_whole

RUNS = Path("runs")
"""Where a user's own checkpoints, bundles and records gather, below the folder edgefer is called in."""

BEST = "best.json"
"""The checkpoint that a training leaves in its folder."""

RECORD, SCHEMA = "run.json", "edgefer.run/1"
LOCK = ".lock"
STATE, FOLDS, TEST = "state.json", "folds.json", "test.json"
LEFT = (BEST, "best.safetensors", "last.json", STATE, FOLDS, TEST)
"""What tells that a training has left something in a folder."""

Settings = Mapping[str, Any]
"""What decides a training's weights, as JSON."""


def training_folder(model: str, variant: str | None = None) -> Path:
    """Where the first training of ``model`` writes unless told otherwise; later ones are numbered from 2."""
    return RUNS / model / f"train-{get(model).resolve_variant(variant)}"


def run_folders(model: str, variant: str | None = None) -> list[Path]:
    """The folders of trainings of ``model`` under ``runs/``, the one that its name means first.

    That is the one that ended last; those that have not ended come after all that have.
    """
    return sorted(_numbered(training_folder(model, variant)).values(), key=_age, reverse=True)


def trained_under(model: str, variant: str | None = None) -> list[Path]:
    """The best checkpoints in :func:`run_folders`, in that order."""
    return [folder / BEST for folder in run_folders(model, variant) if (folder / BEST).exists()]


def is_used(folder: Path) -> bool:
    """Whether a training has left something in ``folder``."""
    return any((folder / name).exists() for name in LEFT)


def choose_folder(
    settings: Settings,
    output: Path | None,
    *,
    resume: bool,
    alone: bool = True,
    on_note: Callable[[str], None] = lambda _: None,
) -> Path:
    """The folder that a training is to use; nothing is written yet.

    Args:
        settings: of the training; ``model`` and ``variant`` name the usual folder.
        output: the folder asked for; None for the next one under ``runs/``, or, to resume, for the latest
            one of a training with these settings.
        resume: go on with a training that was interrupted.
        alone: no other command trains together with this one: folders in use are passed over.
        on_note: told where a training goes whose usual folder belongs to another one.

    Raises:
        UsageError: the folder asked for belongs to another training, or there is none to resume.
        DataError: nothing can be written there.
    """
    usual = training_folder(str(settings["model"]), str(settings["variant"]))
    if resume:
        folder = output if output is not None else _to_resume(settings, usual)
        require_resumable(folder, settings)
    elif output is not None:
        folder = output
        if is_used(folder):
            raise UsageError(
                f"{folder} holds a training already{_of_what(folder)}",
                expected="a folder that no training has written to",
                action="name another one with --output, or go on with that training: --resume",
            )
    else:
        folder = _next(usual, alone)
        if folder != usual:
            on_note(f"{usual} holds another training; this one goes to {folder}")
    require_writable(folder, folder=True)
    return folder


def same_folder(settings: Settings, output: Path | None, *, resume: bool) -> Path:
    """What :func:`choose_folder` chooses for the first of several commands that train together.

    Only the first writes, and only its file system need know what there is to resume.
    """
    usual = training_folder(str(settings["model"]), str(settings["variant"]))
    return output or (_to_resume(settings, usual) if resume else _next(usual, alone=False))


def require_resumable(folder: Path, settings: Settings) -> None:
    """Check that an interrupted training, and this one, is in ``folder``.

    Raises:
        UsageError: there is nothing to resume, or it was started with other settings.
    """
    if not any((folder / name).exists() for name in (STATE, FOLDS)):
        begun = (folder / RECORD).exists()
        raise UsageError(
            f"nothing to resume in {folder}"
            + (": that training was ended in its first epoch" if begun else ""),
            expected=f"{STATE} or {FOLDS} of an interrupted training",
            action="start without --resume, or name its folder with --output",
        )
    if changed := _changed(folder, settings):
        raise UsageError(
            f"{folder} holds another training: {listed(changed)}",
            expected="the same settings as before",
            action="resume with those, or start without --resume in another folder",
        )


@dataclass(frozen=True)
class Run:
    """A folder in the hands of the training that it belongs to."""

    folder: Path
    settings: Settings
    started: float

    def write(self, finished: float | None = None) -> None:
        """Note which training this is and, if so, that it has come to its end."""
        record = {"schema": SCHEMA, "settings": self.settings, "started": self.started, "finished": finished}
        write_whole(self.folder / RECORD, (json.dumps(record, indent=2) + "\n").encode())


@contextmanager
def claimed(folder: Path, settings: Settings) -> Iterator[Run]:
    """Hold ``folder`` for the training with these settings; leave no trace of one that has left nothing.

    Raises:
        UsageError: another process trains there at the moment.
        DataError: nothing can be written there.
    """
    made = [each for each in (folder, *folder.parents) if not each.exists()]
    with ExitStack() as leaving:
        leaving.callback(_remove_empty, made)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            leaving.enter_context(_locked(folder))
        except OSError as error:
            raise unwritable(folder, error) from error
        run = Run(folder, settings, _started(folder) if is_used(folder) else time.time())
        leaving.callback(_remove_unused, folder)
        run.write()
        yield run


def _remove_unused(folder: Path) -> None:
    if not is_used(folder):
        (folder / RECORD).unlink(missing_ok=True)


def _remove_empty(folders: Sequence[Path]) -> None:
    for folder in folders:
        with suppress(OSError):  # Something was trained.
            folder.rmdir()


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """The lock of a folder; the system gives it back when a process dies, however that happens."""
    try:
        import fcntl
    except ImportError:  # Where there are no such locks, nobody is kept out.
        yield
        return
    path = folder / LOCK
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            raise UsageError(
                f"another training is going on in {folder}: process {file.read().strip() or 'unknown'}",
                expected="one training a folder",
                action="wait for its end, or name another folder with --output",
            ) from error
        except OSError:  # A file system without locks.
            pass
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _is_locked(folder: Path) -> bool:
    if not (folder / LOCK).exists():
        return False
    try:
        import fcntl

        with (folder / LOCK).open("a+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except (ImportError, OSError):
        return False
    return False


def _numbered(usual: Path) -> dict[int, Path]:
    """The folders of a usual name that there are, by number."""
    pattern = re.compile(re.escape(usual.name) + r"(?:-([2-9]|[1-9]\d+))?")
    found = {}
    for folder in usual.parent.glob(f"{usual.name}*"):
        if (matched := pattern.fullmatch(folder.name)) and folder.is_dir():
            found[int(matched[1] or 1)] = usual.with_name(folder.name)
    return found


def _next(usual: Path, alone: bool) -> Path:
    """The first folder after the last that is used."""
    taken = [
        number
        for number, folder in _numbered(usual).items()
        if is_used(folder) or (alone and _is_locked(folder))
    ]
    number = max(taken, default=0) + 1
    return usual if number == 1 else usual.with_name(f"{usual.name}-{number}")


def _to_resume(settings: Settings, usual: Path) -> Path:
    """The latest training with these settings; without one the latest, for what it differs in."""
    begun = [
        folder
        for folder in _numbered(usual).values()
        if any((folder / each).exists() for each in (STATE, FOLDS))
    ]
    begun.sort(key=lambda folder: (not _changed(folder, settings), _started(folder)), reverse=True)
    return begun[0] if begun else usual


def _changed(folder: Path, settings: Settings) -> list[str]:
    """In what a folder's training differs; without a record of it, as far as its state says."""
    before = _read(folder).get("settings")
    if not isinstance(before, Mapping):
        before = _read(folder, STATE).get("settings") or _read(folder, FOLDS).get("settings")
        if not isinstance(before, Mapping):
            return []
        known = ("model", "variant", "seed", "recipe")
        before, settings = ({key: each[key] for key in known if key in each} for each in (before, settings))
    return differences(before, json.loads(json.dumps(settings)))


def _of_what(folder: Path) -> str:
    settings = _read(folder).get("settings")
    if not isinstance(settings, Mapping):
        return ""
    return f" ({settings.get('model')} on {settings.get('data')})"


def _age(folder: Path) -> tuple[bool, float]:
    record = _read(folder)
    finished = record.get("finished")
    if record and finished is None:
        return False, _started(folder)
    return True, finished if isinstance(finished, (int, float)) else _time_of(folder / BEST)


def _started(folder: Path) -> float:
    started = _read(folder).get("started")
    return started if isinstance(started, (int, float)) else _time_of(folder / STATE)


def _time_of(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _read(folder: Path, name: str = RECORD) -> dict[str, Any]:
    """A JSON object of a run; empty where there is none, or it cannot be read."""
    try:
        content = json.loads((folder / name).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
