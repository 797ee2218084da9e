"""Measuring bundles on this machine, and keeping the records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from edgefer.pipeline import Report, ignore
from edgefer.pipeline.faces import load_faces
from edgefer.pipeline.outline import Outline, outline
from edgefer.pipeline.references import references
from edgefer.pipeline.seen import warned_of_engines
from edgefer.pipeline.subjects import open_bundles
from edgefer_bench.benchmark import bench
from edgefer_bench.devices import Device, require_device
from edgefer_bench.publishing import LEAST_S, PUBLISH_S, require_publishable
from edgefer_bench.records import Record, write_records
from edgefer_bench.scoring import check_classes
from edgefer_runtime.benching import BenchPlan, common_batch, require_enough
from edgefer_runtime.board import identify
from edgefer_runtime.bundle import Bundle
from edgefer_runtime.conditions import pinned
from edgefer_runtime.errors import CheckError, DeviceError
from edgefer_runtime.files import require_writable

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
    """Timed seconds an engine: what was asked for, else ten, or ten minutes to be published.

    Raises:
        CheckError: too few to be published.
    """
    if publish and asked is not None and asked < LEAST_S:
        raise CheckError(
            f"--publish with {asked:g} s an engine",
            expected=f"at least {LEAST_S:g} s",
            action=f"leave --duration out for {PUBLISH_S:g} s, or leave --publish out",
        )
    return asked or (PUBLISH_S if publish else DURATION_S)


def bench_bundles(settings: BenchSettings, on_progress: Report = ignore) -> tuple[list[Record], list[Path]]:
    """Measure bundles side by side; return their records, and the files they were kept in.

    Raises:
        DeviceError: this machine is not the device asked for, or cannot run any of the bundles.
        DataError, MissingError: a bundle is damaged, or its engine is not installed.
    """
    require_writable(settings.records, folder=True)
    outlined = outline(settings.data)
    device = require_device(settings.device, identify())
    bundles = fitting(open_bundles(settings.bundles), device)
    require_fitting(bundles, outlined, settings.plan)
    faces = load_faces(settings.data, on_progress)
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


def require_fitting(bundles: Sequence[Bundle], faces: Outline, plan: BenchPlan, *, here: bool = True) -> None:
    """Raise unless the bundles can be measured together on these faces, on cores that this process has.

    Raises:
        UsageError: batch sizes that differ, or a core that is not there.
        DataError: faces of other classes, or too few of them.
    """
    require_enough(faces.images, common_batch(bundles))
    for bundle in bundles:
        check_classes(bundle.manifest.classes, bundle.path, faces)
    if here:
        with pinned(plan.cores):
            pass


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
