"""SynthFER from the user's cache: what is missing is rendered, what is damaged is rendered again."""

from __future__ import annotations

import math
import os
import shutil
import warnings
from contextlib import closing
from pathlib import Path

import numpy as np

from edgefer.data.faceset import EXPRESSIONS, FaceSet
from edgefer.data.registry import Progress
from edgefer.data.synthetic.arrays import Bytes
from edgefer.data.synthetic.camera import YAWS
from edgefer.data.synthetic.performance import SESSIONS
from edgefer.data.synthetic.shards import DamagedShardError, make_folder, read_shard, write_shard
from edgefer.data.synthetic.splits import SPLITS, shots
from edgefer.data.synthetic.workers import Job, render_all
from edgefer_runtime.errors import DataError

GENERATOR = 1
"""Raised whenever pixels change by more than rounding, so that old caches are not mistaken for new ones."""
SIZE = 128
SPARE_BYTES = 64 * 2**20
"""Left free on the disk."""


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

    Finished people are kept when rendering is interrupted, so that the next call goes on from there.

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
    whole = SPLITS[split]
    count = whole.images if limit is None else min(limit, whole.images)
    people = whole.identities[: -(-count // whole.shots_each)]
    jobs = [Job(number, shots(number, whole.shots_each), size) for number in people]
    folder = cache_folder() / "synthfer" / f"v{GENERATOR}-{size}px"
    shape = (whole.shots_each, size, size, 3)
    make_folder(folder)
    absent = sum(not _shard(folder, job).exists() for job in jobs)
    _require_space(folder, absent * math.prod(shape))

    images = np.empty((len(jobs), *shape), np.uint8)
    places = dict(zip(people, images, strict=True))
    missing = [job for job in jobs if not _read(_shard(folder, job), places[job.identity])]
    done = (len(jobs) - len(missing)) * whole.shots_each
    if progress and missing:
        progress(min(done, count), count)
    with closing(render_all(missing, workers)) as rendering:
        for job, rendered in rendering:
            write_shard(_shard(folder, job), rendered)
            places[job.identity][...] = rendered
            done += whole.shots_each
            if progress:
                progress(min(done, count), count)

    taken = [(job.identity, shot) for job in jobs for shot in job.shots][:count]
    return FaceSet(
        name=f"synthfer:{split}" + (f"[:{count}]" if count < whole.images else ""),
        images=images.reshape(-1, *shape[1:])[:count],
        labels=np.array([shot.expression for _, shot in taken], np.int64),
        classes=EXPRESSIONS,
        attributes={
            "subject": np.array([number for number, _ in taken], np.int64),
            "yaw": np.array([YAWS[shot.yaw] for _, shot in taken], np.int64),
            "session": np.array([SESSIONS[shot.session] for _, shot in taken]),
            "occlusion": np.array([shot.occlusion for _, shot in taken]),
        },
    )


def _shard(folder: Path, job: Job) -> Path:
    return folder / f"identity-{job.identity:04d}.faces"


def _read(path: Path, into: Bytes) -> bool:
    """Whether the person's shard was there and whole; then it is in ``into``."""
    try:
        read_shard(path, into)
    except FileNotFoundError:
        return False
    except DamagedShardError:
        warnings.warn(f"{path} is damaged and will be rendered again", stacklevel=3)
        return False
    return True


def _require_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed and free < needed + SPARE_BYTES:
        raise DataError(
            f"{free:,} bytes free for {folder}",
            expected=f"{needed + SPARE_BYTES:,} bytes, {needed:,} of them for faces",
            action="free some, or move the cache with EDGEFER_CACHE=/another/folder",
        )
