"""Make docs/matrix.md: every network in every engine and precision: what it keeps, weighs and takes.

    python tools/matrix.py
    python tools/matrix.py lanmsff runs/dsan/train-full/best.json --work /tmp/matrix

Networks are named as for `edgefer export`; all five unless told otherwise. What is measured stays in the
folder of ``--work``, and is not measured again while it lies there: remove a network's folder, or its
timing.json, for new numbers.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from edgefer.models import MODELS, get
from edgefer.pipeline.export import ExportSettings, export_bundles
from edgefer.pipeline.faces import load_faces, notice
from edgefer.pipeline.subjects import find_checkpoint
from edgefer_bench.devices import profiles
from edgefer_bench.rendering import NOTHING, number
from edgefer_bench.statistics import summarise_latency
from edgefer_bench.timing import speedups
from edgefer_export.checks.parity import difference
from edgefer_export.evidence import Evidence
from edgefer_export.targets import TARGETS
from edgefer_export.targets.openvino import has_bfloat16
from edgefer_runtime import Classifier
from edgefer_runtime.benching import spread, time_engines
from edgefer_runtime.bundle import Bundle
from edgefer_runtime.environment import probe, usable_cores
from edgefer_runtime.files import write_whole
from edgefer_runtime.manifest import format_json

FACES = {"gmslpa": "synthfer:eval[:350]"}
"""Faces that accuracy and drop are measured on, where not on all of synthfer:eval: it takes 40 ms a face."""

PRECISIONS = ("fp32", "fp16", "bf16", "int8")
COLUMNS = ("engine", "parity", "accuracy %", "drop, points", "size MB", "p50 ms", "speed", "ID")
TITLES = {"onnxruntime": "ONNX Runtime", "openvino": "OpenVINO", "tensorrt": "TensorRT"}


def main() -> None:
    """Export, time, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*", default=[*MODELS], metavar="MODEL|CHECKPOINT")
    parser.add_argument("--work", type=Path, default=Path("runs/matrix"))
    parser.add_argument("--data", help="faces to score on [default: synthfer:eval, 350 of gmslpa]")
    parser.add_argument("--seconds", type=float, default=4.0, help="timed seconds an engine [default: 4]")
    parser.add_argument("--threads", type=int, default=usable_cores())
    parser.add_argument("-o", "--output", type=Path, default=Path("docs/matrix.md"))
    options = parser.parse_args()
    sections, tools = [], dict[str, str]()
    for name in options.networks:
        bundles = exported(name, options.data, options.work)
        sections.append(section(bundles, timed(bundles, options.threads, options.seconds)))
        tools |= {tool: version for bundle in bundles for tool, version in bundle.manifest.tools.items()}
        print(sections[-1], file=sys.stderr)
    page = "\n\n".join([introduction(tools, options.threads, shlex.join(["python", *sys.argv])), *sections])
    write_whole(options.output, f"{page}\n".encode())


def exported(name: str, data: str | None, work: Path) -> list[Bundle]:
    """The network's bundles, in the order of targets and precisions; made unless they are there."""
    model = find_checkpoint(name)[0].model
    folder = work / model
    if not folder.exists():
        export_bundles(
            ExportSettings(
                model=name,
                precisions=computed_here(),
                targets=("all",),
                data=data or FACES.get(model, "synthfer:eval"),
                output=folder,
            )
        )
    paths = [folder / f"{target}-{precision}" for target in TARGETS for precision in PRECISIONS]
    return [Bundle.open(path) for path in paths if path.exists()]


def computed_here() -> tuple[str, ...]:
    """All precisions; bfloat16 only where this CPU has it."""
    return tuple(name for name in PRECISIONS if name != "bf16" or has_bfloat16())


def timed(bundles: Sequence[Bundle], threads: int, seconds: float) -> Mapping[str, Mapping[str, Any]]:
    """Folder name of a bundle that a CPU runs -> ``p50_ms``, and ``ratio`` to ONNX Runtime's fp32."""
    kept = bundles[0].path.parent / "timing.json"
    if not kept.exists():
        here = [bundle for bundle in bundles if bundle.manifest.target in profiles()["cpu"].targets]
        measurement = time_engines(
            [Classifier.open(bundle, threads=threads) for bundle in here],
            spread(load_faces("synthfer:eval").images, 1),
            duration_s=seconds,
            max_warmup_s=4 * seconds,
        )
        ratios = speedups(here, list(measurement.samples.values()))
        rows = {
            bundle.path.name: {
                "p50_ms": summarise_latency(samples.latency_ns)["p50_ms"],
                "ratio": ratio["onnxruntime_fp32"],
            }
            for bundle, samples, ratio in zip(here, measurement.samples.values(), ratios, strict=True)
        }
        write_whole(kept, format_json(rows))
    found: Mapping[str, Mapping[str, Any]] = json.loads(kept.read_bytes())
    return found


def section(bundles: Sequence[Bundle], timing: Mapping[str, Mapping[str, Any]]) -> str:
    """One network's heading and table."""
    manifest = bundles[0].manifest
    score = manifest.accuracy
    assert score is not None, "edgefer export scores every bundle"
    heading = (
        f"## {get(manifest.model).title}\n\nVariant {manifest.variant}, {manifest.parameters:,} parameters, "
        f"{manifest.input.width} x {manifest.input.height} {manifest.input.color}; accuracy and drop on "
        f"{score['images']:,} faces of {score['data']}."
    )
    ruler = ["---", *["---:"] * (len(COLUMNS) - 1)]
    rows = [cells(bundle, timing.get(bundle.path.name, {})) for bundle in bundles]
    return "\n".join([heading, "", *map(line, (COLUMNS, ruler, *rows))])


def cells(bundle: Bundle, timing: Mapping[str, Any]) -> list[str]:
    """One engine's row."""
    manifest, score = bundle.manifest, bundle.manifest.accuracy
    assert score is not None, "edgefer export scores every bundle"
    evidence = Evidence.from_json(bundle.certificate["evidence"])
    stood_in = " *" if "in place of" in score["engine"] else ""
    ratio = timing.get("ratio")
    title = TITLES.get(manifest.target, "TensorRT-RTX")
    return [
        f"{title} {manifest.precision.upper()}{stood_in}",
        f"{difference(evidence.network, evidence.engine):.1e}",
        number(score["evaluation"]["accuracy"], 1),
        "" if manifest.precision == "fp32" else bounded(score["drop"]["points"], score["drop"]["interval"]),
        number(bundle.size_bytes / 1e6),
        number(timing.get("p50_ms")),
        NOTHING if ratio is None else bounded(ratio["value"], ratio["interval"]),
        number(score["evaluation"]["information_density"], 1),
    ]


def bounded(value: float, bounds: Sequence[float] | None) -> str:
    """``0.11 (-0.24 to 0.48)``, or the number alone where it is exact or was measured too rarely."""
    if bounds is None or bounds[0] == bounds[1]:
        return number(value, 2)
    low, high = (number(bound, 2) for bound in bounds)
    return f"{number(value, 2)} ({low} to {high})"


def line(texts: Iterable[str]) -> str:
    """A row of a Markdown table."""
    return f"| {' | '.join(texts)} |"


def introduction(tools: Mapping[str, str], threads: int, command: str) -> str:
    """What the tables say, on which machine, and how to make them again."""
    versions = ", ".join(f"{tool} {version}" for tool, version in tools.items())
    on_threads = "one thread" if threads == 1 else f"{threads} threads"
    return f"""# Every network in every engine

{notice("synthfer:eval")}

- **Parity**: the largest difference of a probability between the engine and the network in torch (float32),
  over the twelve faces that travel with each bundle. INT8 is expected to differ; accuracy says whether it
  matters.
- **Drop**: accuracy of the float network minus this one's, paired face by face, with its 95 %
  interval.
- **Size**: the engine's files.
- **p50, speed**: one 128 x 128 crop a call, {on_threads}, engines in turns; the ratio to ONNX
  Runtime's FP32 from interleaved blocks, with its 95 % interval. On a machine with other work, believe the
  ratio rather than the milliseconds.
- **ID**: accuracy in percent for every million parameters.
- **\\***: a plan for an NVIDIA GPU, of which this machine has none: parity and accuracy are those of the ONNX
  that it is built from, and there is no speed. `tensorrt` holds that ONNX alone; the robot builds the plan.

{probe().cpu}; {versions}. Measured by

    {command}"""


if __name__ == "__main__":
    main()
