"""Every entrant quantizes the same networks, all are judged side by side, and docs/peers.md is written.

    python bench/peers/compare.py lanmsff pattlite fcsdnet

Environments are made on first use below edgefer's cache folder, by pip as it is set up here. What was
measured is kept as JSON, a file a model, and the page is written from all of these files.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from edgefer.cli._common import progress_bar, say
from edgefer.data.cache import cache_folder
from edgefer.pipeline.calibrate import open_calibration
from edgefer.pipeline.faces import load_faces
from edgefer_runtime.benching import Report
from edgefer_runtime.environment import probe
from edgefer_runtime.errors import EdgeferError
from edgefer_runtime.files import write_whole
from peers.entrants import LIMIT_S, OURS, PEERS, Entrant, Outcome, enter
from peers.handover import Handover, hand_over
from peers.judging import Candidate, candidates, float_candidates, judge, refusal
from peers.page import write_page

PAGE = Path(__file__).parents[2] / "docs" / "peers.md"


def main() -> int:
    """Parse the command line, compare, write the page; return the exit code."""
    words = _parser().parse_args()
    try:
        with progress_bar() as report:
            for model in words.models:
                record = compare(model, words, report)
                write_whole(words.out / f"{record['model']}.json", json.dumps(record, indent=1).encode())
    except EdgeferError as error:
        say(f"error: {error}")
        return error.exit_code
    records = [json.loads(path.read_text()) for path in sorted(words.out.glob("*.json"))]
    write_page(records, words.page)
    return 0


def compare(model: str, words: argparse.Namespace, report: Report) -> dict[str, Any]:
    """Hand ``model`` to every entrant, judge what they made, and return the record."""
    calibration = open_calibration(words.calibration, report)
    validation, faces = load_faces(words.validation, report), load_faces(words.data, report)
    handover = hand_over(model, calibration, validation, words.out)
    others = [entrant for entrant in PEERS if words.only is None or entrant.name in words.only]
    entrants = [*OURS, *others]
    outcomes: list[Outcome] = []
    engines = float_candidates(handover, handover.folder / "engines")
    for entrant in entrants:
        report(f"{model}: quantize", len(outcomes), len(entrants))
        outcome, made = _enter(entrant, handover, words.limit)
        outcomes.append(outcome)
        engines += made
    environment = probe()
    refusals = {(engine, number): refusal(engine, number) for engine in engines for number in words.threads}
    running = {engine: [n for n in words.threads if not refusals[engine, n]] for engine in engines}
    running = {engine: numbers for engine, numbers in running.items() if numbers}
    return {
        "model": handover.checkpoint.model,
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "calibration": {
            "name": calibration.name,
            "faces": len(calibration),
            "sha256": calibration.fingerprint,
        },
        "validation": {"name": validation.name, "faces": len(validation)},
        "evaluation": {"name": faces.name, "faces": len(faces)},
        "environment": environment.to_json(),
        "limit_s": words.limit,
        "entrants": [outcome.to_json() for outcome in outcomes],
        "refusals": [
            {**engine.to_json(), "threads": number, "reason": reason}
            for (engine, number), reason in refusals.items()
            if reason
        ],
        "engines": judge(running, faces, duration_s=words.duration, on_progress=report),
    }


def _enter(entrant: Entrant, handover: Handover, limit_s: float) -> tuple[Outcome, list[Candidate]]:
    """What came of ``entrant``, and its engines; a model that cannot be made an engine is a failure, too."""
    folder, environments = handover.folder, cache_folder() / "peers"
    outcome = enter(entrant, handover.given, folder / entrant.name, environments, limit_s=limit_s)
    if outcome.model is None:
        return outcome, []
    try:
        return outcome, candidates(handover, outcome, folder / "engines")
    except Exception as error:  # what reads a model may raise anything when the model is broken
        return replace(outcome, model=None, failure=f"{entrant.target} cannot read its model: {error}"), []


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="*", help="names or checkpoints; none only writes the page again")
    parser.add_argument("--only", nargs="+", help="other tools, by the names of their scripts in tools/")
    parser.add_argument("--calibration", default="synthfer:train[:700]", help="300 faces are drawn from it")
    parser.add_argument("--validation", default="synthfer:val", help="for tools that look at accuracy")
    parser.add_argument("--data", default="synthfer:eval", help="what all are judged on")
    parser.add_argument("--threads", nargs="+", type=int, default=[2, 1])
    parser.add_argument("--duration", type=float, default=6.0, help="timed seconds an engine")
    parser.add_argument("--limit", type=float, default=LIMIT_S, help="seconds an entrant may take")
    parser.add_argument("--out", type=Path, default=Path("runs/peers"))
    parser.add_argument("--page", type=Path, default=PAGE)
    return parser


if __name__ == "__main__":
    sys.exit(main())
