"""`edgefer bench`: latency, size, accuracy and drop of bundles, on this machine or on robots."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from edgefer.cli._common import (
    ClassesOption,
    Detector,
    JsonFlag,
    guarded,
    print_json,
    print_table,
    progress_bar,
    say,
)
from edgefer_runtime.errors import EdgeferError, UsageError


class Scenario(str, Enum):
    """How an engine is used, beside one call after another."""

    multi_stream = "multi-stream"
    offline = "offline"
    camera = "camera"


@guarded
def bench(
    bundles: Annotated[
        list[Path] | None, typer.Argument(metavar="[BUNDLE ...]", help="Bundles. [default: all under runs/]")
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(help="Device it must be, a host of devices.toml, or `all`. [default: what it is]"),
    ] = None,
    host: Annotated[str | None, typer.Option(metavar="USER@ROBOT", help="Measure there, over ssh.")] = None,
    data: Annotated[str, typer.Option(metavar="SET", help="Faces to time and score with.")] = "synthfer:eval",
    classes: ClassesOption = None,
    duration: Annotated[
        float | None,
        typer.Option(min=0.1, metavar="S", help="Seconds of timed calls per engine. [default: 10, or 600]"),
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads per engine. [default: this machine's cores]")
    ] = None,
    cores: Annotated[
        str | None, typer.Option(metavar="0,1", help="Stay on these cores. [default: all]")
    ] = None,
    scenario: Annotated[
        list[Scenario] | None, typer.Option(help="Beside single stream; repeat for more.")
    ] = None,
    hz: Annotated[float, typer.Option(min=1, help="Frames a second of the camera.")] = 30.0,
    detector: Annotated[
        Detector | None,
        typer.Option(help="Find the camera's faces with BlazeFace. [default: it is known where they are]"),
    ] = None,
    publish: Annotated[
        bool, typer.Option("--publish", help="Ten minutes an engine; exit 4 unless all is fit to be quoted.")
    ] = False,
    output: Annotated[Path, typer.Option("--output", "-o", help="Where records go.")] = Path("runs/bench"),
    json: JsonFlag = False,
) -> None:
    """Measure bundles side by side: interleaved latency, memory, accuracy, drop against float."""
    from edgefer.data.classes import with_classes
    from edgefer.pipeline import bench as pipeline
    from edgefer.pipeline.far import bench_hosts, hosts_asked_for
    from edgefer_runtime.benching import BenchPlan

    settings = pipeline.BenchSettings(
        bundles=tuple(bundles or ()),
        device=device,
        data=with_classes(data, classes),
        plan=BenchPlan(
            duration_s=pipeline.duration_s(duration, publish),
            threads=threads,
            cores=_cores(cores),
            scenarios=tuple(each.value for each in scenario or ()),
            frame_hz=hz,
            detector=detector.value if detector else None,
        ),
        records=output,
    )
    left_out: list[str] = []
    failed: dict[str, EdgeferError] = {}
    with progress_bar(quiet=json) as report:
        if hosts := hosts_asked_for(device, host):
            for each in hosts:
                if each.source is not None:
                    say(each.describe())
            records, paths, left_out, failed = bench_hosts(settings, hosts, on_progress=report)
        else:
            records, paths = pipeline.bench_bundles(settings, on_progress=report)
    if json:
        from edgefer_bench.records import without_samples

        print_json([without_samples(record) for record in records])
    else:
        from edgefer_bench.further_table import further_table
        from edgefer_bench.tables import bench_table

        print_table(*bench_table(records), further_table(records))
        say(f"records: {paths[0].parent}")
    for line in left_out:
        say(f"left out: {line}")
    for name, error in failed.items():
        say(f"error: {name}: {error}")
    if failed:
        raise typer.Exit(next(iter(failed.values())).exit_code)
    if publish:
        say(f"published: {pipeline.publish(records, output)[0].parent}")


def _cores(text: str | None) -> tuple[int, ...]:
    try:
        return tuple(int(core) for core in text.split(",")) if text else ()
    except ValueError:
        raise UsageError(f"--cores {text}", expected="numbers of cores, as 0,1") from None
