"""SynthFER from the user's cache: what is missing is rendered, what is damaged is rendered again."""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgefer.data.faceset import EXPRESSIONS, FaceSet
from edgefer.data.synthetic.camera import YAWS
from edgefer.data.synthetic.performance import SESSIONS
from edgefer.data.synthetic.shards import DamagedShard, read_shard, write_shard
from edgefer.data.synthetic.splits import SPLITS, shots
from edgefer.data.synthetic.workers import Job, render_all
from edgefer_runtime.errors import DataError

GENERATOR = 1
"""Raised whenever a pixel changes, so that old caches are not mistaken for new ones."""
SIZE = 128
SPARE_BYTES = 64 * 2**20
"""Left free on the disk."""

Progress = Callable[[int, int], None]


def cache_folder() -> Path:
    """``$EDGEFER_CACHE``, else ``$XDG_CACHE_HOME/edgefer``, else ``~/.cache/edgefer``."""
    if chosen := os.environ.get("EDGEFER_CACHE"):
        return Path(chosen).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "edgefer"


def load_split(
    split: str,
    limit: int | None = None,
    *,
    size: int = SIZE,
    workers: int | None = None,
    progress: Progress | None = None,
) -> FaceSet:
    """The first ``limit`` faces of a split, rendered on first use.

    Args:
        split: one of ``SPLITS``.
        limit: how many; all by default.
        size: pixels a side.
        workers: rendering processes; one per usable core by default.
        progress: called with (faces at hand, faces in all) as rendering goes on; never called when
            everything is in the cache.

    Raises:
        DataError: the disk is full or the cache cannot be written.
    """
    people, each, _ = SPLITS[split]
    count = min(limit if limit is not None else len(people) * each, len(people) * each)
    people = people[: -(-count // each)]
    jobs = {number: Job(number, shots(number, each), size) for number in people}
    images = np.empty((len(people) * each, size, size, 3), np.uint8)
    places = {number: images[i * each : (i + 1) * each] for i, number in enumerate(people)}
    folder = cache_folder() / "synthfer" / f"v{GENERATOR}-{size}px"

    missing = [job for number, job in jobs.items() if not _read(folder, number, places[number])]
    _require_space(folder, sum(places[job.identity].nbytes for job in missing))
    done = len(images) - len(missing) * each
    if missing and progress:
        progress(min(done, count), count)
    for job, rendered in render_all(missing, workers):
        write_shard(_shard(folder, job.identity), rendered)
        places[job.identity][...] = rendered
        done += each
        if progress:
            progress(min(done, count), count)

    taken = [(number, shot) for number, job in jobs.items() for shot in job.shots][:count]
    return FaceSet(
        name=f"synthfer:{split}" + (f"[:{count}]" if count < len(SPLITS[split].identities) * each else ""),
        images=images[:count],
        labels=np.array([shot.expression for _, shot in taken], np.int64),
        classes=EXPRESSIONS,
        attributes={
            "subject": np.array([number for number, _ in taken], np.int64),
            "yaw": np.array([YAWS[shot.yaw] for _, shot in taken], np.int64),
            "session": np.array([SESSIONS[shot.session] for _, shot in taken]),
            "occlusion": np.array([shot.occlusion for _, shot in taken]),
        },
    )


def _shard(folder: Path, identity: int) -> Path:
    return folder / f"identity-{identity:04d}.faces"


def _read(folder: Path, identity: int, into: NDArray[np.uint8]) -> bool:
    """Whether the person's shard was there and whole."""
    path = _shard(folder, identity)
    try:
        read_shard(path, into)
    except FileNotFoundError:
        return False
    except DamagedShard:
        warnings.warn(f"{path} is damaged and will be rendered again", stacklevel=3)
        return False
    return True


def _require_space(folder: Path, needed: int) -> None:
    if not needed:
        return
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    free = shutil.disk_usage(existing).free
    if free < needed + SPARE_BYTES:
        raise DataError(
            f"{free} bytes free for {folder}",
            expected=f"{needed + SPARE_BYTES} bytes, {needed} of them for faces",
            action="free some, or move the cache with EDGEFER_CACHE=/another/folder",
        )
