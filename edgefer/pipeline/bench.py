"""Measuring bundles on this machine, and keeping the records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from edgefer.pipeline import Report, ignore
from edgefer.pipeline.faces import load_faces
from edgefer.pipeline.references import references
from edgefer.pipeline.seen import warned_of_engines
from edgefer.pipeline.subjects import open_bundles
from edgefer_bench.benchmark import bench
from edgefer_bench.devices import Device, require_device
from edgefer_bench.publishing import PUBLISH_S, require_publishable
from edgefer_bench.records import Record, write_records
from edgefer_runtime.benching import BenchPlan
from edgefer_runtime.board import identify
from edgefer_runtime.bundle import Bundle
from edgefer_runtime.errors import DeviceError
from edgefer_runtime.files import unwritable

DURATION_S = 10.0
PUBLISHED = "published"
"""Folder below the records' for those that may be quoted."""


@dataclass(frozen=True)
class BenchSettings:
    """What `edgefer bench` was asked for; no bundles means all under ``runs/``."""

    bundles: tuple[Path, ...] = ()
    device: str | None = None
    data: str = "synthfer:eval"
    plan: BenchPlan = field(default_factory=BenchPlan)
    records: Path = Path("runs/bench")


def duration_s(asked: float | None, publish: bool) -> float:
    """Timed seconds an engine: what was asked for, else ten, or ten minutes to be published."""
    return asked or (PUBLISH_S if publish else DURATION_S)


def bench_bundles(settings: BenchSettings, on_progress: Report = ignore) -> tuple[list[Record], list[Path]]:
    """Measure bundles side by side; return their records, and the files they were kept in.

    Raises:
        DeviceError: this machine is not the device asked for, or cannot run any of the bundles.
        DataError, MissingError: a bundle is damaged, or its engine is not installed.
    """
    device = require_device(settings.device, identify())
    bundles = fitting(open_bundles(settings.bundles), device)
    faces = load_faces(settings.data, on_progress)
    make_folder(settings.records)
    records = bench(
        bundles,
        faces,
        ask=lambda: references(bundles, faces, on_progress),
        plan=replace(settings.plan, power_rails=device.power_rails),
        device=device.name,
        notice=warned_of_engines(settings.data, bundles, faces),
        on_progress=on_progress,
    )
    return records, write_records(records, settings.records)


def publish(records: Sequence[Record], folder: Path) -> list[Path]:
    """Keep records among the published ones below ``folder``; return their files.

    Raises:
        CheckError: something speaks against one of them.
    """
    require_publishable(records)
    return write_records(records, folder / PUBLISHED)


def make_folder(folder: Path) -> None:
    """Make the folder of records, to learn that it cannot be written to before minutes of measuring.

    Raises:
        DataError: it cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(folder, error) from error


def fitting(bundles: Sequence[Bundle], device: Device) -> list[Bundle]:
    """The bundles for targets that a device runs.

    Raises:
        DeviceError: there is none.
    """
    found = [bundle for bundle in bundles if bundle.manifest.target in device.targets]
    if not found:
        raise DeviceError(
            f"bundles for {', '.join(sorted({bundle.manifest.target for bundle in bundles}))}",
            expected=f"a target that {device.name} runs: {', '.join(device.targets)}",
            action="export for one of these",
        )
    return found
