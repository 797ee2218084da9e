"""A bench as a folder: bundles, an eval pack and a plan go in, a run comes out.

job.json      the plan, and the bundles' folders in order
pack/         the faces (:mod:`edgefer_runtime.pack`)
bundles/N/    the bundles
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from edgefer_runtime.benching import BenchPlan, Report, run_bench
from edgefer_runtime.bundle import Bundle
from edgefer_runtime.errors import DataError
from edgefer_runtime.files import write_whole
from edgefer_runtime.pack import open_pack

SCHEMA = "edgefer.job/1"
JOB, PACK, BUNDLES = "job.json", "pack", "bundles"


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
    try:
        job = json.loads((folder / JOB).read_text("utf-8"))
        if job["schema"] != SCHEMA:
            raise ValueError(f"schema {job['schema']!r}")
        plan, names = BenchPlan.from_json(job["plan"]), list(map(str, job["bundles"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{folder}: no job ({error})", expected=f"a folder of schema {SCHEMA}", action="send it again"
        ) from error
    bundles = [_ready(folder / name, on_progress) for name in names]
    run = run_bench(bundles, open_pack(folder / PACK).images, plan, on_progress)
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
