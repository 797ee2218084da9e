"""SynthFER from the user's cache: what is missing is rendered, what is damaged is rendered again."""

from __future__ import annotations

import hashlib
import json
from contextlib import closing
from pathlib import Path

import numpy as np

from edgefer.data.cache import (
    Entry,
    cache_folder,
    make_folder,
    report_damaged,
    require_space,
)
from edgefer.data.faceset import EXPRESSIONS, FaceSet
from edgefer.data.progress import Progress
from edgefer.data.synthetic.camera import YAWS
from edgefer.data.synthetic.performance import SESSIONS
from edgefer.data.synthetic.splits import SPLITS, shots
from edgefer.data.synthetic.workers import Job, render_all

GENERATOR = 1
"""Raised whenever pixels change by more than rounding, so that old caches are not mistaken for new ones."""
SIZE = 128


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
    entries = {job.identity: _entry(folder, job, shape) for job in jobs}
    absent = [entry for entry in entries.values() if not entry.is_there()]
    require_space(folder, sum(entry.file_bytes for entry in absent), "faces")

    images = np.empty((len(jobs), *shape), np.uint8)
    places = dict(zip(people, images, strict=True))
    missing = [job for job in jobs if entries[job.identity].read(places[job.identity]) is None]
    damaged = [entry.path for job in missing if (entry := entries[job.identity]).is_there()]
    done = (len(jobs) - len(missing)) * whole.shots_each
    if progress and missing:
        progress(min(done, count), count)
    with closing(render_all(missing, workers)) as rendering:
        for job, rendered in rendering:
            entries[job.identity].write(rendered)
            places[job.identity][...] = rendered
            done += whole.shots_each
            if progress:
                progress(min(done, count), count)
    report_damaged(damaged)

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


def _entry(folder: Path, job: Job, shape: tuple[int, ...]) -> Entry:
    """All pictures of one person."""
    pictures = hashlib.sha256(json.dumps(job.shots).encode()).hexdigest()
    of = {
        "kind": "synthfer",
        "generator": GENERATOR,
        "identity": job.identity,
        "pictures": pictures,
        "size": job.size,
    }
    return Entry(folder / f"identity-{job.identity:04d}.faces", np.dtype(np.uint8), shape, of)
