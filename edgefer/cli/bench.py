"""`edgefer bench`: latency, size, accuracy and drop of bundles on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgefer.cli._common import JsonFlag, guarded, print_json, progress_bar, say


@guarded
def bench(
    bundles: Annotated[
        list[Path] | None, typer.Argument(metavar="[BUNDLE ...]", help="Bundles. [default: all under runs/]")
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="Device it must be; see `edgefer devices`. [default: what it is]")
    ] = None,
    data: Annotated[str, typer.Option(metavar="SET", help="Faces to time and score with.")] = "synthfer:eval",
    duration: Annotated[
        float, typer.Option(min=0.1, metavar="S", help="Seconds of timed calls per engine.")
    ] = 10.0,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads per engine. [default: this machine's cores]")
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Where records go.")] = Path("runs/bench"),
    json: JsonFlag = False,
) -> None:
    """Measure bundles side by side: interleaved latency, memory, accuracy, drop against float."""
    from edgefer.pipeline.bench import BenchSettings, bench_bundles

    settings = BenchSettings(
        bundles=tuple(bundles or ()),
        device=device,
        data=data,
        duration_s=duration,
        threads=threads,
        records=output,
    )
    with progress_bar(quiet=json) as report:
        records, paths = bench_bundles(settings, on_progress=report)
    if json:
        from edgefer_bench.records import without_samples

        print_json([without_samples(record) for record in records])
        return
    from rich.console import Console

    from edgefer_bench.tables import bench_table

    Console().print(*bench_table(records), sep="\n")
    say(f"records: {paths[0].parent}")
