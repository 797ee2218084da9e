"""What quantization-aware training wins back where calibration loses most.

    python tools/qat_trial.py pattlite --method entropy --epochs 4

Three engines of one network label the same faces: float, calibrated by the method named, and trained from
there on the same calibration faces with the float network as teacher. Drops are paired face by face.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from edgefer.cli._common import progress_bar
from edgefer.models import get
from edgefer.pipeline import Report, counting
from edgefer.pipeline.calibrate import open_calibration
from edgefer.pipeline.candidates import Candidates
from edgefer.pipeline.faces import load_faces
from edgefer.pipeline.subjects import find_checkpoint
from edgefer_bench.drop import accuracy_drop
from edgefer_bench.rendering import with_interval
from edgefer_calibration import Quantized, quantize
from edgefer_calibration.qat.fine_tuning import fine_tune
from edgefer_calibration.sensitivity import error_of
from edgefer_export import export_onnx, targets


def main() -> None:
    """Parse the command line, quantize twice, print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", help="a model's name or a checkpoint")
    parser.add_argument("--target", default="onnxruntime")
    parser.add_argument("--method", help="how ranges are chosen; the recipe's own unless named")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--calibration", default="synthfer:train[:700]", help="300 faces are drawn from it")
    parser.add_argument("--data", default="synthfer:eval", help="what the engines are judged on")
    words = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, progress_bar() as report:
        for line in trial(words, Path(folder), report):
            print(line, flush=True)


def trial(words: argparse.Namespace, folder: Path, report: Report) -> list[str]:
    """The table's lines."""
    checkpoint, _ = find_checkpoint(words.model)
    target = targets.get(words.target)
    graph = export_onnx(
        checkpoint.network(),
        contract=checkpoint.contract,
        classes=len(checkpoint.classes),
        output=get(checkpoint.model).output,
        path=folder / "float.onnx",
    )
    calibration, faces = open_calibration(words.calibration, report), load_faces(words.data, report)
    (work := folder / "work").mkdir()
    engines = Candidates(target, target.prepare(graph, folder), calibration, checkpoint.classes, work)
    given = (target.name, engines.float_onnx, calibration)
    shared = {"method": words.method, "ranges": engines.ranges}
    calibrated = quantize(*given, folder / "calibrated.onnx", **shared)
    begin = time.process_time()
    trained = fine_tune(
        *given,
        folder / "trained.onnx",
        epochs=words.epochs,
        on_progress=lambda done, total: report("training", done, total),
        **shared,
    )
    took_s = time.process_time() - begin
    advance = counting(report, "answers", 3 * len(faces))

    def answers(made: Quantized | None) -> tuple[float, object]:
        model, precision = (engines.float_onnx, "fp32") if made is None else (made.path, "int8")
        run = target.session(target.build(model, precision, folder / str(made and made.path.stem)))
        found = engines.ask(run, faces, advance)
        return 100 * float((found.argmax(axis=1) == faces.labels).mean()), found

    accuracy, reference = answers(None)
    lines = [
        f"{len(calibration)} faces to calibrate on, {len(faces):,} of {faces.name} to judge on; "
        f"training took {took_s:.0f} s of CPU time",
        "| | accuracy | drop, points | McNemar p | changed class | divergence x 1,000 |",
        "|---|---|---|---|---|---|",
        f"| float | {accuracy:.2f} | | | | |",
    ]
    for name, made in (("calibrated", calibrated), (f"{words.epochs} epochs", trained)):
        accuracy, found = answers(made)
        drop = accuracy_drop(reference, found, faces.labels, classes=faces.classes)
        lines.append(
            f"| {name} | {accuracy:.2f} | {with_interval(drop.points, drop.interval, 2)} "
            f"| {drop.mcnemar_p:.2g} | {drop.flips:.1f} % | {1000 * error_of(reference, found).kl:.1f} |"
        )
    return [*lines, f"kept: {trained.recipe['qat']['kept']}"]


if __name__ == "__main__":
    main()
