"""Measuring bundles on this machine, and keeping the records."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgefer.pipeline import Report, ignore
from edgefer.pipeline.faces import load_faces, notice
from edgefer.pipeline.subjects import open_bundles
from edgefer_bench.benchmark import bench
from edgefer_bench.devices import require_device
from edgefer_bench.records import Record, write_records
from edgefer_runtime.board import identify
from edgefer_runtime.bundle import Bundle
from edgefer_runtime.errors import DeviceError
from edgefer_runtime.files import unwritable


@dataclass(frozen=True)
class BenchSettings:
    """What `edgefer bench` was asked for; no bundles means all under ``runs/``."""

    bundles: tuple[Path, ...] = ()
    device: str | None = None
    data: str = "synthfer:eval"
    duration_s: float = 10.0
    max_warmup_s: float = 60.0
    threads: int | None = None
    records: Path = Path("runs/bench")


def bench_bundles(settings: BenchSettings, on_progress: Report = ignore) -> tuple[list[Record], list[Path]]:
    """Measure bundles side by side; return their records, and the files they were kept in.

    Raises:
        DeviceError: this machine is not the device asked for, or cannot run any of the bundles.
        DataError, MissingError: a bundle is damaged, or its engine is not installed.
    """
    device = require_device(settings.device, identify())
    bundles = _fitting(open_bundles(settings.bundles), device.targets, device.name)
    faces = load_faces(settings.data, on_progress)
    try:  # to learn of a folder that cannot be written to before minutes of measuring, not after
        settings.records.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(settings.records, error) from error
    records = bench(
        bundles,
        faces,
        threads=settings.threads,
        duration_s=settings.duration_s,
        max_warmup_s=settings.max_warmup_s,
        notice=notice(settings.data),
        on_progress=on_progress,
    )
    return records, write_records(records, settings.records)


def _fitting(bundles: list[Bundle], targets: tuple[str, ...], device: str) -> list[Bundle]:
    fitting = [bundle for bundle in bundles if bundle.manifest.target in targets]
    if not fitting:
        raise DeviceError(
            f"bundles for {', '.join(sorted({bundle.manifest.target for bundle in bundles}))}",
            expected=f"a target that {device} runs: {', '.join(targets)}",
            action="export for one of these",
        )
    return fitting
