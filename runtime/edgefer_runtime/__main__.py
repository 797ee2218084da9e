"""``python -m edgefer_runtime``: what can be asked of a bundle on the robot, without the toolchain."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edgefer_runtime.errors import EdgeferError, visible

INTERRUPTED = 130
PROGRESS_S = 0.2
ENGINE_OPTIONS = ("threads", "device", "cache", "allow_fallback")
SHARED = ("command", "json", "debug", *ENGINE_OPTIONS)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    options = _parser().parse_args(arguments)
    try:
        answer, text = options.command(options)
        print(_as_json(answer) if options.json else visible(text))
    except EdgeferError as error:
        if options.debug:
            raise
        print(json.dumps(error.to_json()) if options.json else f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    return 0


def _as_json(answer: Any) -> str:
    """``answer`` as JSON in which nothing is left that a terminal obeys: such letters are escaped."""
    text = json.dumps(answer, indent=2, ensure_ascii=False)
    return text if visible(text) == text else json.dumps(answer, indent=2)


def predict(options: argparse.Namespace) -> tuple[Any, str]:
    """Label a face crop."""
    from edgefer_runtime.classifier import Classifier
    from edgefer_runtime.faces.whole import CropCheck
    from edgefer_runtime.images import load_image

    crop = load_image(options.image)
    with Classifier.open(options.bundle, **_engine_options(options)) as classifier:
        prediction = classifier(crop)
        provider = classifier.engine.provider
    probabilities = dict(zip(prediction.classes, map(float, prediction.probabilities), strict=True))
    check = CropCheck.open(threads=options.threads)
    look = check(crop) if check else None
    doubt = f"this does not look like a face crop: {look}" if look and not look.is_crop else None
    if doubt:
        print(f"note: {options.image}: {doubt}; the label is that of the whole picture", file=sys.stderr)
        print(f"to do: find the faces first: edgefer run {options.bundle} {options.image}", file=sys.stderr)
        print("       or, in Python, edgefer_runtime.FaceAnalyzer", file=sys.stderr)
    answer = {
        "label": prediction.label,
        "probabilities": probabilities,
        "provider": provider,
        "doubt": doubt,
    }
    ranked = sorted(probabilities.items(), key=lambda item: -item[1])
    return answer, "\n".join(f"{name:<12} {probability:6.1%}" for name, probability in ranked)


def verify(options: argparse.Namespace) -> tuple[Any, str]:
    """Check every file of a bundle against its manifest; no engine's library is touched."""
    from edgefer_runtime.bundle import Bundle

    with Bundle.open(options.bundle) as bundle:
        manifest = bundle.manifest
    text = (
        f"{manifest.model} {manifest.target}-{manifest.precision}, {len(manifest.files)} engine files, "
        f"{manifest.size_bytes / 1e6:.2f} MB: every file is as the manifest says"
    )
    return {"verified": True, "manifest": manifest.to_json(), "certificate": bundle.certificate}, text


def probe(options: argparse.Namespace) -> tuple[Any, str]:
    """Open an engine in this fresh process and tell what that took."""
    from edgefer_runtime.footprint import footprint

    cost = footprint(options.bundle, **_engine_options(options))
    lines = [
        f"provider    {cost.provider}, {cost.threads} threads",
        f"verify      {cost.verify_ns / 1e6:9.2f} ms",
        f"load        {cost.load_ns / 1e6:9.2f} ms",
        f"first call  {cost.first_call_ns / 1e6:9.2f} ms",
        f"before      {_megabytes(cost.rss_before_bytes)} MB",
        f"peak        {_megabytes(cost.peak_rss_bytes)} MB",
    ]
    return cost.to_json(), "\n".join(lines)


def build(options: argparse.Namespace) -> tuple[Any, str]:
    """Build a bundle's TensorRT plan for this machine's GPU."""
    from edgefer_runtime.building import build_bundle
    from edgefer_runtime.engines.tensorrt_plan import FACTS, PlanFacts

    bundle = build_bundle(
        options.bundle,
        output=options.output,
        largest_batch=options.batch,
        timing_cache=options.timing_cache,
        on_progress=_tell if sys.stderr.isatty() and not options.json else None,
    )
    facts = asdict(PlanFacts.read(bundle.folder / FACTS))
    lines = [f"{name:<19} {_plain(value)}" for name, value in facts.items()]
    if bundle.manifest.provenance["built_from_signed"]:
        lines.append("not signed: the signature was over the manifest before this plan")
    return {"bundle": str(bundle.path), **facts}, "\n".join([f"built {bundle.path}", *lines])


def _engine_options(options: argparse.Namespace) -> dict[str, Any]:
    return {name: getattr(options, name) for name in ENGINE_OPTIONS}


def _tell(phase: str, done: int, steps: int) -> None:
    print(f"\r{phase}: {done}/{steps}", end="\n" if done == steps else "", file=sys.stderr)


def bench(options: argparse.Namespace) -> tuple[Any, str]:
    """Run a bench's job (as `edgefer bench --host` sends it); progress is a JSON object a line."""
    from edgefer_runtime.job import run_job
    from edgefer_runtime.leash import hold

    if options.leash:
        hold(options.leash)
    told: dict[str, float] = {}

    def report(stage: str, done: int, total: int) -> None:
        now = time.monotonic()
        if done in (0, total) or now - told.get(stage, 0) > PROGRESS_S:
            told[stage] = now
            print(json.dumps({"stage": stage, "done": done, "total": total}), flush=True)

    run_job(options.job, options.output, report)
    return {"run": str(options.output)}, f"run: {options.output}"


def environment(options: argparse.Namespace) -> tuple[Any, str]:
    """Tell what this machine is."""
    from edgefer_runtime.board import identify
    from edgefer_runtime.environment import installed_targets
    from edgefer_runtime.environment import probe as probe_machine

    facts = {**probe_machine().to_json(), "targets": installed_targets(), "board": identify().to_json()}
    return facts, "\n".join(f"{name:<23} {_plain(value)}" for name, value in facts.items())


def serve(options: argparse.Namespace) -> tuple[Any, str]:
    """Serve bundles over HTTP and gRPC until told to stop."""
    from edgefer_runtime.serving.command import run
    from edgefer_runtime.serving.loading import EngineSettings

    words = {name: value for name, value in vars(options).items() if name not in SHARED}
    engines = EngineSettings(engines=words.pop("engines"), **_engine_options(options))
    return run(words.pop("bundles"), engines=engines, **words)


def _megabytes(count: int | None) -> str:
    return "unknown" if count is None else f"{count / 1e6:9.2f}"


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {version}" for name, version in value.items()) or "none"
    if isinstance(value, tuple | list):
        return ", ".join(map(str, value)) or "none"
    return "unknown" if value is None else str(value)


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", help="print one JSON object")
    common.add_argument("--debug", action="store_true", help="show the traceback of an error")
    engine = argparse.ArgumentParser(add_help=False)
    engine.add_argument("--threads", type=int, metavar="N", help="threads a call may use")
    engine.add_argument("--device", metavar="D", help="what to compute on: CUDA, TensorRT; GPU, NPU")
    engine.add_argument("--cache", type=Path, metavar="FOLDER", help="keep what the library compiles here")
    engine.add_argument("--allow-fallback", action="store_true", help="accept another device than asked for")
    parser = argparse.ArgumentParser(prog="python -m edgefer_runtime", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command, parents in (
        (predict, [common, engine]),
        (verify, [common]),
        (probe, [common, engine]),
        (build, [common]),
        (bench, [common]),
        (environment, [common]),
        (serve, [common, engine]),
    ):
        words = commands.add_parser(command.__name__, help=command.__doc__, parents=parents)
        words.set_defaults(command=command)
        if command is bench:
            words.add_argument("job", type=Path, metavar="JOB", help="a job's folder")
            words.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER")
            words.add_argument(
                "--leash", type=Path, metavar="FOLDER", help="end, and remove this, when standard input does"
            )
        elif command is serve:
            from edgefer_runtime.serving.words import add_words

            add_words(words)
        elif command is not environment:
            words.add_argument(
                "bundle", metavar="BUNDLE", help="a bundle's folder, its .edgefer file, or an installed model"
            )
        if command is build:
            words.add_argument("-o", "--output", type=Path, metavar="FOLDER", help="write the bundle here")
            words.add_argument(
                "--batch", type=int, default=16, metavar="N", help="largest batch, when it is dynamic"
            )
            words.add_argument("--timing-cache", type=Path, metavar="FILE", help="kernel timings to reuse")
        if command is predict:
            words.add_argument("image", metavar="IMAGE", help="an image file, filled by one face")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
