"""How fast edgefer itself is, and whether it became slower: `make bench`.

    python tools/bench_edgefer.py [runs/edgefer-bench] [NAME ...]

Each run adds one JSON file to the folder and is compared with the newest earlier one of the same machine: the
ratio of times with its 95 % interval (Hodges and Lehmann, rank-sum). Two runs are two occasions, so a
difference of a few percent may be the machine's: what counts is the ratio to `plain`, measured in the same
breath, where there is one.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

from edgefer_bench.records import new_run
from edgefer_bench.statistics import unpaired_ratio
from edgefer_runtime.environment import probe
from edgefer_runtime.files import write_whole

FOLDER = Path("runs/edgefer-bench")
SCHEMA = "edgefer.self-bench/1"
MACHINE = ("cpu", "architecture", "cores")

Times = tuple[list[float], list[float]]
"""Seconds of ours and of what is plain, taking turns; the latter empty where there is no such thing."""


def command_start() -> Times:
    """`edgefer --help` beside `import typer`."""
    ours = [sys.executable, "-m", "edgefer.cli.main", "--help"]
    return turns(lambda: run(ours), lambda: run([sys.executable, "-c", "import typer"]), 9)


def runtime_call() -> Times:
    """A prediction of the shipped PAtt-Lite beside a bare ONNX Runtime session, 50 calls a time."""
    import numpy as np
    import onnxruntime

    from edgefer.pipeline.export import ExportSettings, export_bundles
    from edgefer_runtime import Classifier

    with tempfile.TemporaryDirectory() as folder:
        settings = ExportSettings("pattlite", targets=("onnxruntime",), data=FACES, output=Path(folder))
        (row,) = export_bundles(settings)
        classifier = Classifier.open(row["path"], threads=1)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(classifier.bundle.entry, options)
        image = np.random.default_rng(0).integers(0, 256, (1, 128, 128, 3), dtype=np.uint8)
        return turns(
            lambda: [classifier.engine.run(image) for _ in range(50)],
            lambda: [session.run(["probabilities"], {"images": image}) for _ in range(50)],
            20,
        )


def export() -> Times:
    """PAtt-Lite from its checkpoint to a checked ONNX Runtime bundle, scored on 70 faces."""
    from edgefer.pipeline.export import ExportSettings, export_bundles

    def once() -> None:
        with tempfile.TemporaryDirectory() as folder:
            settings = ExportSettings("pattlite", targets=("onnxruntime",), data=FACES, output=Path(folder))
            export_bundles(settings)

    return turns(once, None, 4)


def renderer() -> Times:
    """Faces of one person, all yaws and expressions of a studio session, on one core."""
    from edgefer.data.synthetic.splits import SPLITS, shots
    from edgefer.data.synthetic.workers import Job, render

    split = SPLITS["eval"]
    identity = split.identities[0]
    job = Job(identity, list(islice(shots(identity, split.shots_each), 14)), 128)
    return turns(lambda: render(job), None, 6)


def training() -> Times:
    """A step of LANMSFF's last recipe stage beside a plain PyTorch loop's, in turns."""
    from edgefer.models import get
    from edgefer.training.recipe import load_recipe
    from edgefer.training.throughput import compare

    stage = replace(load_recipe("lanmsff").stages[-1], batch_size=16)
    found = compare(get("lanmsff"), stage, steps=12)
    return list(found.loop_s), list(found.plain_s)


FACES = "synthfer:eval[:70]"
BENCHMARKS: dict[str, Callable[[], Times]] = {
    made.__name__: made for made in (command_start, runtime_call, export, renderer, training)
}


def main(folder: Path, names: list[str]) -> None:
    """Measure, keep, compare, print."""
    machine = {name: value for name, value in probe().to_json().items() if name in MACHINE}
    before = newest(folder, machine)
    measured = {}
    print(f"{'':<16}{'ms':>10}{'of plain':>10}   against the last run")
    for name in names or BENCHMARKS:
        ours, plain = BENCHMARKS[name]()
        measured[name] = {"ours_s": ours, "plain_s": plain}
        relative = f"{unpaired_ratio(ours, plain).value:10.2f}" if plain else f"{'':10}"
        milliseconds = 1e3 * statistics.median(ours)
        print(f"{name:<16}{milliseconds:10.1f}{relative}   {change(ours, before.get(name))}")
    record = {"schema": SCHEMA, "run": new_run(), "machine": machine, "times": measured}
    path = folder / f"{record['run']}.json"
    write_whole(path, json.dumps(record, indent=1).encode())
    print(f"kept: {path}")


def turns(ours: Callable[[], object], plain: Callable[[], object] | None, rounds: int) -> Times:
    """Both by turns, after one of each that does not count."""
    times: Times = ([], [])
    subjects = [subject for subject in (ours, plain) if subject]
    for turn in range(rounds + 1):
        for subject, kept in zip(subjects, times, strict=False):
            begin = time.perf_counter()
            subject()
            if turn:
                kept.append(time.perf_counter() - begin)
    return times


def newest(folder: Path, machine: dict[str, object]) -> dict[str, dict[str, list[float]]]:
    """Of each benchmark its newest times on this machine."""
    found: dict[str, dict[str, list[float]]] = {}
    for record in read(folder):
        if record["machine"] == machine:
            found.update(record["times"])
    return found


def read(folder: Path) -> Iterator[dict[str, dict[str, dict[str, list[float]]]]]:
    """The folder's runs, oldest first."""
    for path in sorted(folder.glob("*.json")):
        record = json.loads(path.read_text())
        if record.get("schema") == SCHEMA:
            yield record


def change(now: list[float], before: dict[str, list[float]] | None) -> str:
    """How much slower, with its interval."""
    if before is None:
        return "first run here"
    ratio = unpaired_ratio(now, before["ours_s"])
    if ratio.interval is None:
        return f"{100 * (ratio.value - 1):+.1f} %"
    low, high = (100 * (bound - 1) for bound in ratio.interval)
    verdict = "slower" if low > 0 else "faster" if high < 0 else "no difference seen"
    return f"{100 * (ratio.value - 1):+.1f} % [{low:+.1f}…{high:+.1f}], {verdict}"


def run(words: list[str]) -> None:
    """Run a command to its end."""
    subprocess.run(words, check=True, capture_output=True)


if __name__ == "__main__":
    folder, *names = sys.argv[1:] or [str(FOLDER)]
    main(Path(folder), names)
