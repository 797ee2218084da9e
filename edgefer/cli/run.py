"""`edgefer run`: faces and expressions in pictures, videos and what a camera sees."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgefer.cli._common import Detector, JsonFlag, guarded, print_json, progress_bar, say
from edgefer.cli._process_list import hide_passwords
from edgefer_runtime.errors import UsageError, visible

if TYPE_CHECKING:
    from edgefer.pipeline.run import Run


@guarded
def run(
    bundle: Annotated[str, typer.Argument(metavar="BUNDLE", help="A bundle, or an installed model's name.")],
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="A picture, a folder of them, a video, an animation, `camera`, `camera:1`, a device, a URL.",
        ),
    ],
    output: Annotated[
        list[Path] | None,
        typer.Option(
            "--output",
            "-o",
            help="Write .mp4, .jsonl, .png, a folder of pictures, or JSON lines to `-`; repeat for more.",
        ),
    ] = None,
    publish: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ADDRESS",
            help="Send faces to mqtt://host/topic or zenoh://host:port/key; repeat for more.",
        ),
    ] = None,
    show: Annotated[bool, typer.Option("--show", help="Open a window; Escape closes it.")] = False,
    live: Annotated[
        bool, typer.Option("--live", help="Play a film as a camera would, dropping what comes too fast.")
    ] = False,
    hz: Annotated[
        float | None,
        typer.Option(min=0.1, help="Frames a second: a folder's, which makes it a film, or a camera's."),
    ] = None,
    seconds: Annotated[float | None, typer.Option(min=0, metavar="S", help="Stop after this long.")] = None,
    detector: Annotated[Detector, typer.Option(help="Face detector.")] = Detector.full_range,
    min_score: Annotated[
        float, typer.Option(min=0.01, max=0.99, help="Least score of a face, by the detector.")
    ] = 0.5,
    detect_every: Annotated[
        int, typer.Option(min=1, metavar="N", help="Detect in every Nth frame; boxes move on in between.")
    ] = 1,
    smoothing: Annotated[
        float, typer.Option(min=0, metavar="S", help="Time constant of probabilities in seconds; 0 for none.")
    ] = 0.2,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads a call may use. [default: this machine's cores]")
    ] = None,
    device: Annotated[
        str | None, typer.Option(metavar="D", help="What to compute on: CUDA, TensorRT; GPU, NPU.")
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Find faces, follow them and tell their expressions."""
    from edgefer.pipeline.recording import STANDARD_OUTPUT
    from edgefer.pipeline.run import RunSettings
    from edgefer.pipeline.run import run as run_source

    hide_passwords(source, *(publish or ()))
    outputs = tuple(output or ())
    if json and STANDARD_OUTPUT in outputs:
        raise UsageError("--json and -o -", expected="one of them: both write to standard output")
    settings = RunSettings(
        bundle=bundle,
        source=source,
        hz=hz,
        outputs=outputs,
        publish=tuple(publish or ()),
        live=live,
        show=show,
        detector=detector.value,
        min_score=min_score,
        detect_every=detect_every,
        smoothing_s=smoothing,
        seconds=seconds,
        threads=threads,
        device=device,
    )
    with progress_bar(quiet=json) as report:
        done = run_source(settings, on_progress=report)
    if json:
        print_json(done.to_json(), "edgefer.run/1")
    else:
        if STANDARD_OUTPUT not in outputs:
            _print_pictures(done)
        _summarize(done)
    if done.error:
        say(f"error: {done.error}")
        say(_kept(done))
        raise typer.Exit(done.error.exit_code)
    if done.signal is not None:
        say(f"interrupted: {_kept(done)}")
        raise typer.Exit(128 + done.signal)


def _print_pictures(done: Run) -> None:
    for message in done.messages:
        for face in message["faces"]:
            box = ", ".join(f"{side:.0f}" for side in face["box"].values())
            confidence = face["probabilities"][face["label"]]
            typer.echo(visible(f"{message['frame']['id']}: {face['label']} {confidence:.0%} at {box}"))
        if not message["faces"]:
            typer.echo(visible(f"{message['frame']['id']}: no face"))


def _summarize(done: Run) -> None:
    facts = done.to_json()
    say(f"{done.model} on {done.provider}")
    line = f"{_count(done.frames, 'frame')}, {_count(done.faces, 'face')} in {done.seconds:.1f} s"
    if done.frames > 1:
        line += f": {facts['frames_per_s']:.1f} frames/s, {done.dropped:,} dropped"
    say(line)
    if facts["times"] == "mean rate":
        say("the film does not tell when its frames are shown: times are those of its mean rate")
    if facts["latency_p50_ms"] is not None:
        p99 = facts["latency_p99_ms"]
        latency = f"latency p50 {facts['latency_p50_ms']:.1f} ms" + (f", p99 {p99:.1f} ms" if p99 else "")
        say(f"{latency}; {facts['cpu_ms_per_frame']:.1f} ms of the processor's time a frame")
    if facts["label_changes_per_s"] is not None:
        say(f"{done.tracks} tracks, {facts['label_changes_per_s']:.2f} label changes a second each")
    for path in facts["outputs"]:
        if path != "-":
            say(f"wrote {path}")
    for to in facts["published"]:
        say(f"sent {_count(to['sent'], 'message')} to {to['address']}, {to['dropped']:,} dropped")


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _kept(done: Run) -> str:
    files = [str(path) for path in done.outputs if str(path) != "-"]
    if not files:
        return "nothing was to be kept"
    return (
        f"{', '.join(files)} {'hold' if len(files) > 1 else 'holds'} the first {_count(done.frames, 'frame')}"
    )
