"""What it costs that the robot finds and crops its faces itself.

    python tools/measure_crops.py runs/pattlite/onnxruntime-int8 --faces 500
    python tools/measure_crops.py runs/pattlite/onnxruntime-int8 --faces 500 --detector back

Heads of SynthFER's test people are rendered with what is around them, inclined at random (standard
deviation 12 degrees) and 60 to 130 pixels large, in frames of 640 x 480. Of each face, the network labels two
crops: where SynthFER would have cut its picture, and where detector and crop_face cut it.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import cos, radians, sin, sqrt
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgefer.data.faceset import EXPRESSIONS
from edgefer.data.synthetic.camera import PIVOT, YAWS, Camera, draw_camera
from edgefer.data.synthetic.head import head
from edgefer.data.synthetic.lighting import draw_light
from edgefer.data.synthetic.performance import Performance, stage
from edgefer.data.synthetic.photograph import background, blurred, developed, exposed
from edgefer.data.synthetic.render import head_before
from edgefer.data.synthetic.splits import SPLITS, shots
from edgefer.data.synthetic.streams import stream
from edgefer_runtime import Classifier
from edgefer_runtime.faces import BlazeFace, Detection, crop_face
from edgefer_runtime.faces.sampling import Square, sample

WIDER = 2.6
"""Side of what is rendered over that of SynthFER's crop."""
SIDES = (60, 90, 130)
"""Of SynthFER's crop in the frame, pixels."""
INCLINATION = 12.0
"""Standard deviation, degrees; SynthFER's own comes on top."""
NEAR = 0.6
"""Of a crop's side: how far from its centre a detection may be and still be of this face."""


@dataclass(frozen=True)
class Shown:
    """One face in a frame.

    Attributes:
        frame: uint8, 480 x 640 x 3.
        square: where SynthFER would have cut its picture.
        label: what the person shows.
        yaw: degrees, without sign.
    """

    frame: NDArray[np.uint8]
    square: Square
    label: str
    yaw: int


def show(count: int, seed: int) -> Iterator[Shown]:
    """``count`` faces, all five views of one performance after another."""
    draws = np.random.default_rng(seed)
    people = [*SPLITS["test"].identities]
    for number in range(-(-count // len(YAWS))):
        person = people[number % len(people)]
        shot = shots(person, SPLITS["test"].shots_each)[draws.integers(70)]
        covered = (
            "none" if shot.occlusion == "patch" else shot.occlusion
        )  # it lies on the picture, not the face
        seen = stage(person, shot.expression, bool(shot.session), covered)
        for view in range(min(len(YAWS), count - number * len(YAWS))):
            yield _show(seen, view, draws)


def _show(seen: Performance, view: int, draws: np.random.Generator) -> Shown:
    looks = stream("view", seen.person.number, seen.expression, int(seen.wild), view)
    camera = draw_camera(looks, YAWS[view], seen.wild)
    light = draw_light(looks, seen.wild)
    side = float(draws.choice(SIDES))
    angle = radians(draws.normal(0, INCLINATION))
    x, y = draws.uniform(-0.25, 0.25, 2)  # of the picture's side, from its middle, y upwards
    turn = np.array([[cos(angle), -sin(angle), 0], [sin(angle), cos(angle), 0], [0, 0, 1]], np.float32)
    centre_x, centre_y, half = _cut(seen, camera)
    turned_x, turned_y = turn[:2, :2] @ [centre_x, centre_y]
    wide = replace(
        camera,
        rotation=turn @ camera.rotation,
        window=(turned_x - 2 * x * half * WIDER, turned_y - 2 * y * half * WIDER, half * WIDER),
    )
    size = round(side * WIDER)
    picture = background(looks, size, seen.wild) * np.float32(0.6 * light.sky + 0.5)
    picture = exposed(head_before(picture, seen, wide, light), looks, seen.wild)
    if seen.wild and looks.random_sample() < 0.35:
        picture = blurred(picture, looks.uniform(0.4, 1.3) * side / 128)
    frame = np.full((480, 640, 3), 90, np.uint8)
    top, left = (480 - size) // 2, (640 - size) // 2
    frame[top : top + size, left : left + size] = developed(picture, looks, wild=False)
    square = Square(left + size * (0.5 + x), top + size * (0.5 - y), side, cos(angle), -sin(angle))
    return Shown(frame, square, EXPRESSIONS[seen.expression], abs(YAWS[view]))


def _cut(seen: Performance, camera: Camera) -> tuple[float, float, float]:
    """Centre and half side of SynthFER's crop, in decimetres at the pivot's distance."""
    turned = (seen.mesh.vertices[head().front] - PIVOT) @ camera.rotation.T
    points = turned[:, :2] * (camera.distance / (camera.distance - turned[:, 2:]))
    low, high = points.min(axis=0), points.max(axis=0)
    half = float((high - low).max()) / 2 * camera.crop_scale
    x, y = (low + high) / 2 + camera.crop_shift * half
    return float(x), float(y), half


def find(faces: list[Detection], square: Square) -> Detection | None:
    """The surest detection of the face whose crop is ``square``."""
    for face in faces:
        x, y = (face.box[:2] + face.box[2:]) / 2
        if max(abs(x - square.x), abs(y - square.y)) < NEAR * square.side:
            return face
    return None


def main() -> None:
    """Show, detect, crop, label, compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--faces", type=int, default=500)
    parser.add_argument("--detector", default="full-range")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    classifier = Classifier.open(given.bundle, threads=1)
    contract = classifier.bundle.manifest.input
    detector = BlazeFace.open(given.detector, threads=1)
    seen: list[tuple[Shown, bool]] = []
    right: list[tuple[Shown, bool, bool]] = []
    for shown in show(given.faces, given.seed):
        face = find(detector(shown.frame), shown.square)
        seen.append((shown, face is not None))
        if face is not None:
            theirs = sample(shown.frame, shown.square, contract.height, contract.width)
            ours = crop_face(shown.frame, face, contract)
            right.append((shown, *(classifier(crop).label == shown.label for crop in (theirs, ours))))
    print("faces                 found    SynthFER's crop    robot's crop    drop in points (95 %)")
    kinds: dict[str, Callable[[Shown], bool]] = {"all": lambda shown: True}
    kinds |= {f"yaw {yaw}": lambda shown, yaw=yaw: shown.yaw == yaw for yaw in (0, 45, 90)}  # type: ignore[misc]
    kinds |= {f"{side} px": lambda shown, side=side: shown.square.side == side for side in SIDES}  # type: ignore[misc]
    for name, of_kind in kinds.items():
        found = [was_found for shown, was_found in seen if of_kind(shown)]
        pairs = np.array([both for shown, *both in right if of_kind(shown)], float).reshape(-1, 2)
        lost = pairs[:, 0] - pairs[:, 1]
        reach = 1.96 * lost.std() / sqrt(max(len(lost), 1))
        print(
            f"{name:8} {sum(found):5} of {len(found):4} {100 * np.mean(found):6.1f} % "
            f"{100 * pairs[:, 0].mean():15.1f} % {100 * pairs[:, 1].mean():13.1f} % "
            f"{100 * lost.mean():9.1f} +- {100 * reach:.1f}"
        )


if __name__ == "__main__":
    main()
