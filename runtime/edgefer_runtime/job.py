"""A bench as a folder: bundles, an eval pack and a plan go in, a run comes out.

job.json      the plan, and the bundles' folders in order
pack/         the faces (:mod:`edgefer_runtime.pack`)
bundles/N/    the bundles
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TypedDict

from edgefer_runtime.benching import BenchPlan, Report, run_bench
from edgefer_runtime.bundle import Bundle
from edgefer_runtime.documents import read_json, require_schema
from edgefer_runtime.errors import DataError
from edgefer_runtime.files import is_inside, write_whole
from edgefer_runtime.pack import open_pack
from edgefer_runtime.tables import read_table

SCHEMA = "edgefer.job/1"
JOB, PACK, BUNDLES = "job.json", "pack", "bundles"


class Job(TypedDict):
    """``job.json``."""

    plan: BenchPlan
    bundles: tuple[str, ...]


def write_job(folder: Path, plan: BenchPlan, count: int) -> None:
    """Write the job's list: ``plan``, and ``count`` bundles that lie in ``bundles/0``, ``bundles/1``, ..."""
    names = [f"{BUNDLES}/{place}" for place in range(count)]
    text = json.dumps({"schema": SCHEMA, "plan": asdict(plan), "bundles": names}, indent=2)
    write_whole(folder / JOB, text.encode())


def run_job(folder: Path, output: Path, on_progress: Report) -> None:
    """Build what asks to be built here, measure, and write the run into ``output``.

    Raises:
        DataError: no job, or damaged bundles or faces; a full disk.
        EdgeferError: as :func:`edgefer_runtime.benching.run_bench`.
    """
    again = "send it again"
    try:
        written = require_schema(read_json(folder / JOB, action=again), SCHEMA, JOB, action=again)
        job = read_table(Job, written, JOB)
    except DataError as error:
        raise DataError(
            f"{folder}: no job ({error.found})",
            expected=error.expected or f"a folder of schema {SCHEMA}",
            action=again,
        ) from error
    if outside := [name for name in job["bundles"] if not is_inside(name)]:
        raise DataError(f"{folder}: a bundle at {outside[0]!r}", expected="one in the job's folder")
    bundles = [_ready(folder / name, on_progress) for name in job["bundles"]]
    run = run_bench(bundles, open_pack(folder / PACK).images, job["plan"], on_progress)
    output.mkdir(parents=True, exist_ok=True)
    run.save(output)


def _ready(path: Path, on_progress: Report) -> Bundle:
    """The bundle at ``path``, its plan built if it holds only what a plan is built from."""
    from edgefer_runtime.building import build_bundle
    from edgefer_runtime.engines.tensorrt_plan import RECIPE

    bundle = Bundle.open(path)
    if bundle.manifest.entry != RECIPE:
        return bundle
    return build_bundle(
        path, on_progress=lambda phase, done, total: on_progress(f"build: {phase}", done, total)
    )
