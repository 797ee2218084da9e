"""How well `edgefer run` followed a film of make_face_video.py.

    edgefer run BUNDLE film.mp4 -o faces.jsonl
    python tools/judge_face_video.py film.truth.jsonl faces.jsonl

A face that was found is the person's whose true box's centre it holds, the nearest one's if there are two.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from edgefer_runtime.messages.schema import FaceMessage, FacesMessage, decode_faces


class Seen(NamedTuple):
    """One person in one frame that was looked at."""

    time_s: float
    truth: str
    label: str | None
    track: int | None


def main() -> None:
    """Print what was found, as a line a person and one for all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("truth", type=Path)
    parser.add_argument("faces", type=Path)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    truth = {line["frame"]: line for line in map(json.loads, options.truth.read_text().splitlines())}
    messages = [decode_faces(line) for line in options.faces.read_bytes().splitlines()]
    found = judge(truth, messages)
    if options.json:
        print(json.dumps(found, indent=2))
        return
    print(f"{'person':>8}  " + "  ".join(f"{name:>18}" for name in next(iter(found.values()))))
    for person, values in found.items():
        print(f"{person:>8}  " + "  ".join(f"{value:>18}" for value in values.values()))


def judge(truth: dict[int, dict[str, Any]], messages: Iterable[FacesMessage]) -> dict[str, dict[str, float]]:
    """By person, and for ``all``: the share of frames they were found in and rightly labelled, and so on."""
    people: dict[str, list[Seen]] = {}
    for message in messages:
        line = truth[int(message["frame"]["id"])]
        for person, face in _matched(line["people"], message["faces"]):
            people.setdefault(str(person["person"]), []).append(
                Seen(
                    line["time_s"],
                    person["label"],
                    face and face["label"],
                    face["track"] if face else None,
                )
            )
    told = {person: _told(seen) for person, seen in sorted(people.items())}
    together = _told([each for seen in people.values() for each in seen])
    for name in ("changes_per_s", "true_changes_per_s"):  # of one person, on average over their time
        weights = [len(seen) for seen in people.values()]
        together[name] = round(
            float(np.average([values[name] for values in told.values()], weights=weights)), 2
        )
    together["tracks"] = len({each.track for seen in people.values() for each in seen if each.track})
    return {**told, "all": together}


def _matched(
    people: list[dict[str, Any]], faces: list[FaceMessage]
) -> list[tuple[dict[str, Any], FaceMessage | None]]:
    """Each person with the face that was found of him, nearest pairs first."""
    pairs = []
    for number, person in enumerate(people):
        left, top, right, bottom = person["box"]
        x, y = (left + right) / 2, (top + bottom) / 2
        for place, face in enumerate(faces):
            box = face["box"]
            if box["left"] <= x <= box["right"] and box["top"] <= y <= box["bottom"]:
                distance = abs(box["left"] + box["right"] - 2 * x) + abs(box["top"] + box["bottom"] - 2 * y)
                pairs.append((distance, number, place))
    matched: dict[int, int] = {}
    for _, number, place in sorted(pairs):
        if number not in matched and place not in matched.values():
            matched[number] = place
    return [
        (person, faces[matched[number]] if number in matched else None)
        for number, person in enumerate(people)
    ]


def _told(seen: list[Seen]) -> dict[str, float]:
    found = [each for each in seen if each.label]
    span_s = max(seen[-1].time_s - seen[0].time_s, 1e-9)
    labels = [each.label for each in found]
    return {
        "frames": len(seen),
        "found_percent": round(100 * len(found) / len(seen), 1),
        "right_percent": round(100 * float(np.mean([each.label == each.truth for each in found])), 1),
        "changes_per_s": round(_changes(labels) / span_s, 2),
        "true_changes_per_s": round(_changes([each.truth for each in seen]) / span_s, 2),
        "tracks": len({each.track for each in found if each.track}),
    }


def _changes(labels: list[Any]) -> int:
    return sum(one != other for one, other in pairwise(labels))


if __name__ == "__main__":
    main()
