"""The film that `edgefer run` is shown with: what is true of it, and how a run is held against that."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edgefer.data.faceset import EXPRESSIONS
from edgefer_runtime import Face
from edgefer_runtime.messages.schema import encode_faces, faces_as_json

TOOLS = Path(__file__).parents[2] / "tools"
CLASSES = tuple(EXPRESSIONS)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four frames, a tenth of a second apart, as pictures."""
    folder = tmp_path_factory.mktemp("made") / "film"
    words = [folder, "--seconds", "0.4", "--hz", "10", "--size", "192x108", "--workers", "1"]
    subprocess.run([sys.executable, TOOLS / "make_face_video.py", *words], check=True, capture_output=True)
    return folder


def truth(film: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in film.with_suffix(".truth.jsonl").read_text().splitlines()]


def test_everybody_is_where_the_truth_says(film: Path) -> None:
    lines = truth(film)
    pictures = [np.asarray(Image.open(film / f"{number:06}.jpg"), np.int16) for number in range(4)]
    assert [(line["frame"], line["time_s"]) for line in lines] == [(n, n / 10) for n in range(4)]
    for line, picture in zip(lines, pictures, strict=True):
        assert picture.shape == (108, 192, 3)
        assert len({person["person"] for person in line["people"]}) == len(line["people"]) >= 3
        for person in line["people"]:
            left, top, right, bottom = person["box"]
            assert person["label"] in CLASSES and 8 < right - left < 40 and 10 < bottom - top < 50
    for person in lines[0]["people"]:
        left, top, right, bottom = map(int, person["box"])
        red, _, blue = picture_mean = pictures[0][max(top, 0) : bottom, max(left, 0) : right].mean((0, 1))
        assert red > blue + 15, f"skin, not wall: {picture_mean}"
    changed = (np.abs(pictures[3] - pictures[0]).max(-1) > 40).mean()
    assert 0.005 < changed < 0.3, "they move, and the wall does not"


def judged(film: Path, lines: list[bytes], folder: Path) -> dict[str, dict[str, float]]:
    (folder / "faces.jsonl").write_bytes(b"\n".join(lines))
    words = [
        TOOLS / "judge_face_video.py",
        film.with_suffix(".truth.jsonl"),
        folder / "faces.jsonl",
        "--json",
    ]
    done = subprocess.run([sys.executable, *words], check=True, capture_output=True, text=True)
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def seen(box: list[float], label: str, track: int | None) -> Face:
    return Face(np.array(box), None, 1.0, label, np.eye(7)[CLASSES.index(label)], CLASSES, track)


def message(number: int, faces: list[Face]) -> bytes:
    return encode_faces(
        faces_as_json(faces, frame_id=number, captured_ns=0, width=192, height=108, model="truth")
    )


def test_a_run_is_held_against_the_truth(film: Path, tmp_path: Path) -> None:
    lines = truth(film)
    right = [
        message(n, [seen(one["box"], one["label"], one["person"]) for one in line["people"]])
        for n, line in enumerate(lines)
    ]
    told = judged(film, right, tmp_path)
    assert told["all"]["found_percent"] == told["all"]["right_percent"] == 100
    assert told["all"]["changes_per_s"] == told["all"]["true_changes_per_s"]
    assert all(values["tracks"] == 1 for name, values in told.items() if name != "all")

    def other(label: str) -> str:
        return CLASSES[(CLASSES.index(label) + 1) % 7]

    person = lines[0]["people"][-1]["person"]
    wrong = [
        message(n, [seen(one["box"], other(one["label"]) if n % 2 else one["label"], n)])
        for n, line in enumerate(lines[:3])
        for one in line["people"]
        if one["person"] == person
    ]
    told = judged(film, wrong, tmp_path)[str(person)]
    assert told["right_percent"] == pytest.approx(66.7)
    assert told["changes_per_s"] >= 2 / 0.2 - told["true_changes_per_s"]
    assert told["tracks"] == 2, "0 is none"
