"""Measuring bundles on robots, and keeping the records here."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from edgefer.pipeline import Report, ignore
from edgefer.pipeline.bench import BenchSettings, require_fitting
from edgefer.pipeline.faces import load_faces
from edgefer.pipeline.outline import outline
from edgefer.pipeline.references import references
from edgefer.pipeline.seen import warned_of_engines
from edgefer.pipeline.subjects import open_bundles
from edgefer_bench.benchmark import make_records
from edgefer_bench.records import Record, write_records
from edgefer_bench.remote.fleet import on_each
from edgefer_bench.remote.hosts import FLEET, Host, choose_hosts, read_fleet
from edgefer_bench.remote.session import Far, bench_far
from edgefer_runtime.errors import EdgeferError
from edgefer_runtime.files import require_writable


def hosts_asked_for(device: str | None, host: str | None, fleet: Path = FLEET) -> list[Host]:
    """The hosts that ``--device`` and ``--host`` mean; none for this machine, for which no file is read.

    Raises:
        UsageError, DataError: a fleet that is empty or cannot be read.
    """
    return [] if device is None and host is None else choose_hosts(device, host, read_fleet(fleet))


def bench_hosts(
    settings: BenchSettings, hosts: Sequence[Host], on_progress: Report = ignore
) -> tuple[list[Record], list[Path], list[str], dict[str, EdgeferError]]:
    """Measure bundles on each host, all hosts at once.

    Returns:
        The records and their files, what was left out, and what each host that failed raised.

    Raises:
        EdgeferError: the error of the only host, or of the first when all failed.
    """
    require_writable(settings.records, folder=True)
    outlined, bundles = outline(settings.data), open_bundles(settings.bundles)
    require_fitting(bundles, outlined, settings.plan, here=False)
    faces = load_faces(settings.data, on_progress)
    told = warned_of_engines(settings.data, bundles, faces)
    lock = threading.Lock()

    def work(host: Host) -> Far:
        def report(stage: str, done: int, total: int) -> None:
            with lock:
                on_progress(f"{host.name}: {stage}", done, total)

        return bench_far(host, bundles, faces, settings.plan, notice=told, on_progress=report)

    done, failed = on_each(hosts, work)
    if not done:
        raise next(iter(failed.values()))
    records: list[Record] = []
    paths: list[Path] = []
    for name, far in done.items():
        made = make_records(
            far.run,
            far.bundles,
            faces,
            references=references(far.bundles, faces, on_progress),
            device=far.device.name,
            host=name,
            notice=told,
        )
        records += made
        paths += write_records(made, settings.records)
    return records, paths, [line for far in done.values() for line in far.left_out], failed
