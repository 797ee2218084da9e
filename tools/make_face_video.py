"""A film of rendered people who sway, turn and change their expressions, and what is true of each frame.

    python tools/make_face_video.py film.mp4

writes film.mp4 (or, where the name has no ending, a folder of pictures), and beside it film.truth.jsonl: a
line a frame with each person's number, the box around the front of the face, and the expression shown.

The people are those of SynthFER's eval split, whom no network was trained on. Three stand in front; the
fourth walks by behind them. Each holds an expression for two seconds and goes over to the next within 0.4;
the truth changes in the middle of that. Now and then they blink, which is noise to a network.
"""

from __future__ import annotations

import argparse
import json
import math
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from edgefer.data.faceset import EXPRESSIONS
from edgefer.data.synthetic.arrays import Bytes, Floats
from edgefer.data.synthetic.camera import Camera, project, rotation
from edgefer.data.synthetic.expressions import Units, perform, within_limits
from edgefer.data.synthetic.head import head
from edgefer.data.synthetic.identity import identity
from edgefer.data.synthetic.lighting import Light
from edgefer.data.synthetic.performance import act
from edgefer.data.synthetic.photograph import background, developed
from edgefer.data.synthetic.render import head_before
from edgefer.data.synthetic.shaping import smoothstep
from edgefer.data.synthetic.streams import stream
from edgefer.pipeline.footage import Footage, Frame
from edgefer.pipeline.recording import record
from edgefer_runtime.files import write_whole
from edgefer_runtime.messages.schema import faces_as_json

HOLD_S, FADE_S = 2.4, 0.4
BLINK_EVERY_S, BLINK_S = 3.1, 0.2
DISTANCE = 12.0
REACH, LOWERED = 2.15, 0.25
"""Half the side of the square that holds head and bust, and how far it lies below the pivot; decimetres."""
LIGHT = Light(np.array([0.35, 0.5, 0.79], np.float32), np.ones(3, np.float32), key=1.5, sky=0.45, fill=0.2)
EXPOSURE, NOISE = 0.62, 0.008


@dataclass(frozen=True)
class Actor:
    """Somebody in the film.

    Attributes:
        number: identity.
        size: pixels a decimetre over the film's height.
        home: where the head is, in shares of width and height.
        sway: half of what the head moves by, in the same shares.
        turn: largest yaw, in degrees.
        period_s: of one sway.
        walks: whether he crosses the picture instead, once a period.
    """

    number: int
    size: float
    home: tuple[float, float]
    sway: tuple[float, float]
    turn: float
    period_s: float
    walks: bool = False


CAST = (
    Actor(431, 0.082, (0.5, 0.30), (0.0, 0.012), 55, 11.0, walks=True),
    Actor(439, 0.132, (0.19, 0.42), (0.05, 0.05), 28, 6.1),
    Actor(411, 0.142, (0.52, 0.46), (0.06, 0.04), 32, 7.3),
    Actor(408, 0.128, (0.84, 0.40), (0.05, 0.06), 26, 5.3),
)
"""From the back to the front."""


def main() -> None:
    """Render the film."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("film", type=Path, help="a video's name, or a new folder's")
    parser.add_argument("--seconds", type=float, default=12)
    parser.add_argument("--hz", type=float, default=30)
    parser.add_argument("--size", default="960x540", help="width x height in pixels")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    count = round(options.seconds * options.hz)
    film = Footage(str(options.film), lambda: iter(()), options.hz, count)
    lines = []
    with record(options.film, film) as recording:
        for number, (image, people) in enumerate(
            shoot(count, options.hz, width, height, workers=options.workers)
        ):
            frame = Frame(image, number, number / options.hz, 0)
            message = faces_as_json(
                (), frame_id=number, captured_ns=0, width=width, height=height, model="truth"
            )
            recording.add(frame, message, partial(np.asarray, image))
            lines.append(json.dumps({"frame": number, "time_s": number / options.hz, "people": people}))
            print(f"\r{number + 1} of {count}", end="", flush=True)
    print()
    write_whole(options.film.with_suffix(".truth.jsonl"), "\n".join([*lines, ""]).encode())


def shoot(
    count: int, hz: float, width: int, height: int, *, workers: int = 1
) -> Iterator[tuple[Bytes, list[dict[str, Any]]]]:
    """Frames of the film (uint8, H x W x 3) and who is to be seen in each."""
    jobs = [(number / hz, width, height) for number in range(count)]
    if workers == 1:
        yield from map(_frame, jobs)
        return
    with ProcessPoolExecutor(workers) as pool:
        yield from pool.map(_frame, jobs)


def _frame(job: tuple[float, int, int]) -> tuple[Bytes, list[dict[str, Any]]]:
    time_s, width, height = job
    picture = _wall(width, height).copy()
    people = []
    for actor in CAST:
        people += _play(actor, time_s, picture)
    draws = stream("film noise", round(time_s * 1000))
    image = developed(picture * np.float32(EXPOSURE), draws, wild=False).astype(np.float32)
    image += draws.normal(0, 255 * NOISE, image.shape).astype(np.float32)
    return image.clip(0, 255).astype(np.uint8), people


@cache
def _wall(width: int, height: int) -> Floats:
    side = max(width, height)
    wall: Floats = background(stream("film wall", 17), side, wild=True)[:height, :width] * np.float32(0.5)
    return wall


def _play(actor: Actor, time_s: float, picture: Floats) -> list[dict[str, Any]]:
    """Draw an actor into the picture; who he is and what he shows, unless he is out of it."""
    height, width = picture.shape[:2]
    turn = 2 * math.pi * (time_s / actor.period_s + actor.number / 7)
    scale = actor.size * height * (1 + 0.05 * math.sin(turn * 0.6))
    x = (actor.home[0] + actor.sway[0] * math.sin(turn)) * width
    y = (actor.home[1] + actor.sway[1] * math.sin(1.7 * turn)) * height
    yaw = actor.turn * math.sin(0.8 * turn + 1)
    if actor.walks:
        across = (time_s / actor.period_s + 0.35) % 1
        x, yaw = (1.15 - 1.3 * across) * width, -actor.turn * (0.4 + 0.3 * math.sin(turn))
    size = math.ceil(2 * REACH * scale)
    left, top = math.floor(x - size / 2), math.floor(y + LOWERED * scale - size / 2)
    if left >= width or left + size <= 0:
        return []
    label, units = _expression(actor.number, time_s)
    angles = np.deg2rad([yaw, 5 * math.sin(0.9 * turn), 4 * math.sin(1.3 * turn)])
    window = (left + size / 2 - x) / scale, (y - top - size / 2) / scale, size / 2 / scale
    camera = Camera(rotation(*angles), DISTANCE, window=window)
    seen = act(actor.number, EXPRESSIONS.index(label), units)
    _put_torso(picture, x, y, scale, seen.person.looks.clothes)
    rows, columns = _clip(top, size, height), _clip(left, size, width)
    ground = np.pad(
        picture[rows, columns],
        [
            (rows.start - top, top + size - rows.stop),
            (columns.start - left, left + size - columns.stop),
            (0, 0),
        ],
        mode="edge",
    )
    bust = head_before(ground, seen, camera, LIGHT)
    down = ((np.arange(size) + top - y) / scale).astype(np.float32)[:, None, None]
    bust = ground + (bust - ground) * smoothstep(1.95, 1.3, down)
    picture[rows, columns] = bust[
        rows.start - top : rows.stop - top, columns.start - left : columns.stop - left
    ]
    front = head().front
    px, py, _ = project(camera, head(), seen.mesh.vertices[: len(head().base)], size)
    box = [left + px[front].min(), top + py[front].min(), left + px[front].max(), top + py[front].max()]
    return [{"person": actor.number, "label": label, "box": [round(float(side), 1) for side in box]}]


def _expression(number: int, time_s: float) -> tuple[str, Units]:
    """What somebody shows, and the face units of it."""
    phase_s = time_s + number % 7 * 0.37
    place, into_s = divmod(phase_s, HOLD_S)
    share = float(smoothstep(0, 1, np.array(into_s / FADE_S, np.float32)))
    before, now = (_held(number, int(place) - 1 + step) for step in (0, 1))
    units = {
        name: before[1].get(name, 0.0) * (1 - share) + now[1].get(name, 0.0) * share
        for name in {*before[1], *now[1]}
    }
    open_ = abs((phase_s + number) % BLINK_EVERY_S / BLINK_S * 2 - 1)
    for side in ("Left", "Right"):
        units[f"eyeBlink{side}"] = max(units.get(f"eyeBlink{side}", 0.0), 1 - open_)
    return (now if share >= 0.5 else before)[0], within_limits(units)


@cache
def _held(number: int, place: int) -> tuple[str, Units]:
    """What somebody shows in one place of his part: all expressions in turn, in an order of his own."""
    order = stream("film order", number).permutation(len(EXPRESSIONS))
    label = EXPRESSIONS[order[place % len(EXPRESSIONS)]]
    return label, perform(stream("film", number, place + 1), label, identity(number).habits)


def _put_torso(picture: Floats, x: float, y: float, scale: float, color: Floats) -> None:
    """A body in the clothes' colour below a head, down to the picture's edge: the head's mesh ends early."""
    height, width = picture.shape[:2]
    across = np.abs((np.arange(width) + 0.5 - x) / scale).astype(np.float32)
    down = ((np.arange(height) + 0.5 - y) / scale).astype(np.float32)[:, None]
    shoulder = 1.12 + 0.22 * (across / 1.9) ** 4
    share = smoothstep(-0.03, 0.03, down - shoulder) * smoothstep(0.04, -0.04, across - 2.0 - 0.06 * down)
    shaded = color * (1.3 - 0.3 * (across / 2) ** 2 - 0.12 * (down - 1))[..., None]
    picture += (shaded - picture) * share[..., None]


def _clip(start: int, length: int, limit: int) -> slice:
    return slice(max(start, 0), min(start + length, limit))


if __name__ == "__main__":
    main()
