"""edgefer's `--max-drop` and NNCF's accuracy control on a network that plain INT8 breaks.

    python bench/peers/accuracy_control.py --rounds 2

Both get the same calibration and validation faces and may lose half a point, on OpenVINO, one after the other
and in turns. Told are CPU time, faces answered, the layers found, and what either engine then loses on faces
that neither saw.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from edgefer.cli._common import progress_bar, say
from edgefer.data.cache import cache_folder
from edgefer.data.faceset import FaceSet
from edgefer.pipeline.calibrate import open_calibration
from edgefer.pipeline.faces import load_faces
from edgefer.pipeline.subjects import find_checkpoint
from edgefer_bench.drop import accuracy_drop
from edgefer_bench.rendering import number, with_interval
from edgefer_bench.scoring import predict
from edgefer_runtime.classifier import Classifier
from edgefer_runtime.errors import CheckError, EdgeferError
from edgefer_runtime.files import write_whole
from peers.entrants import LIMIT_S, PEERS, Entrant, Outcome, enter
from peers.handover import Handover, hand_over
from peers.judging import candidates, float_candidates

if TYPE_CHECKING:
    from edgefer.training.checkpoint import Checkpoint

OURS = Entrant("edgefer_max_drop", "edgefer, --max-drop 0.5", "openvino")
THEIRS = next(entrant for entrant in PEERS if entrant.name == "nncf_accuracy_control")

CHANNEL, FACTOR = 7, 1000.0
"""The channel made large, of those that the first layer writes and the second reads, and how large."""


def planted(checkpoint: Checkpoint) -> Checkpoint:
    """LANMSFF in which one channel between ``blocks.0.1`` and ``blocks.0.2`` is a thousand times as large.

    What reads it divides by as much, so that the network answers as before; but that channel takes all the
    levels that INT8 has for the tensor.
    """
    weights = {name: tensor.clone() for name, tensor in checkpoint.weights.items()}
    for name in ("blocks.0.1.2.weight", "blocks.0.1.2.bias"):
        weights[name][CHANNEL] *= FACTOR
    weights["blocks.0.2.0.weight"][:, CHANNEL] /= FACTOR
    return replace(checkpoint, weights=weights)


def main() -> int:
    """Parse the command line, measure, print; return the exit code."""
    words = _parser().parse_args()
    try:
        record = measure(words)
    except EdgeferError as error:
        say(f"error: {error}")
        return error.exit_code
    write_whole(words.out / "accuracy_control.json", json.dumps(record, indent=1).encode())
    print(table(record))
    return 0


def measure(words: argparse.Namespace) -> dict[str, Any]:
    """Let both quantize in turns, and judge what each made last.

    Raises:
        CheckError: one of them failed.
    """
    from edgefer.training.checkpoint import save_checkpoint

    network = save_checkpoint(words.out / "planted.json", planted(find_checkpoint("lanmsff")[0]))
    with progress_bar() as report:
        calibration = open_calibration(words.calibration, report)
        validation, faces = load_faces(words.validation, report), load_faces(words.data, report)
        handover = hand_over(str(network), calibration, validation, words.out)
        outcomes: dict[Entrant, list[Outcome]] = {OURS: [], THEIRS: []}
        for turn in range(words.rounds):
            for entrant in (OURS, THEIRS) if turn % 2 == 0 else (THEIRS, OURS):
                done = sum(map(len, outcomes.values()))
                report(entrant.title, done, 2 * words.rounds)
                out = handover.folder / f"round-{turn}" / entrant.name
                outcome = enter(entrant, handover.given, out, cache_folder() / "peers", limit_s=words.limit)
                if outcome.model is None:
                    raise CheckError(f"{entrant.title}: {outcome.failure}", action=f"see {out / 'log.txt'}")
                outcomes[entrant].append(outcome)
    return {
        "faces": {"calibration": len(calibration), "validation": len(validation), "evaluation": len(faces)},
        "entrants": [
            {
                "title": entrant.title,
                "rounds": [outcome.result for outcome in made],
                **_lost(handover, made[-1], {"validation": validation, "evaluation": faces}),
            }
            for entrant, made in outcomes.items()
        ],
    }


def _lost(handover: Handover, outcome: Outcome, sets: dict[str, FaceSet]) -> dict[str, Any]:
    """What an engine loses against the float graph in the same runtime, by the name of the faces."""
    folder = handover.folder / "engines"
    floats = float_candidates(handover, folder)
    float_engine = next(each for each in floats if each.bundle.manifest.target == "openvino")
    engine, *_ = candidates(handover, outcome, folder)
    opened = [Classifier.open(each.bundle, threads=1) for each in (float_engine, engine)]
    lost = {}
    for name, faces in sets.items():
        before, after = (predict(classifier, faces, lambda done: None) for classifier in opened)
        lost[name] = accuracy_drop(before, after, faces.labels, classes=faces.classes).to_json()
    return lost


def table(record: dict[str, Any]) -> str:
    """What was measured as Markdown: medians over the rounds."""
    entrants, told = record["entrants"], record["faces"]

    def row(name: str, cells: list[str]) -> str:
        return f"| {' | '.join([name, *cells])} |"

    def medians(name: str) -> list[str]:
        found = [[each[name] for each in entrant["rounds"]] for entrant in entrants]
        return [f"{median(values):,.0f} s" for values in found]

    def drop(faces: str) -> list[str]:
        return [with_interval(each[faces]["points"], each[faces]["interval"], 2) for each in entrants]

    last = [entrant["rounds"][-1]["settings"] for entrant in entrants]
    return "\n".join(
        [
            row("", [entrant["title"] for entrant in entrants]),
            "|---|---|---|",
            row("CPU time", medians("cpu_seconds")),
            row("wall time", medians("seconds")),
            row("faces answered", [f"{each['faces']:,}" for each in last]),
            row("left in float", [", ".join(f"`{name}`" for name in each["float"]) for each in last]),
            row(f"drop on the {told['validation']:,} validation faces", drop("validation")),
            row(f"drop on {told['evaluation']:,} evaluation faces", drop("evaluation")),
            row(
                "memory", [f"{number(each['rounds'][-1]['peak_memory_bytes'] / 1e6)} MB" for each in entrants]
            ),
        ]
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=1, help="how often each, in the order A B, B A")
    parser.add_argument("--calibration", default="synthfer:train[:700]", help="300 faces are drawn from it")
    parser.add_argument("--validation", default="synthfer:val", help="what both look at while they search")
    parser.add_argument("--data", default="synthfer:eval", help="what both are judged on")
    parser.add_argument("--limit", type=float, default=LIMIT_S, help="seconds a search may take")
    parser.add_argument("--out", type=Path, default=Path("runs/accuracy-control"))
    return parser


if __name__ == "__main__":
    sys.exit(main())
