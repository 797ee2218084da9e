"""Time what finding and cropping faces takes, on one thread, interleaved; medians in milliseconds.

    python tools/time_faces.py

Frames are made of the twelve rendered faces that the tests look at: 640 x 480 and 1920 x 1080 pixels, and one
with forty faces.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from edgefer_runtime.contract import InputContract
from edgefer_runtime.faces import BlazeFace, crop_face
from edgefer_runtime.faces.blazeface import GRIDS
from edgefer_runtime.faces.letterbox import letterbox
from edgefer_runtime.images import load_image

FACES = Path(__file__).parents[1] / "tests" / "runtime" / "golden" / "faces.webp"
ROUNDS = 60


def main() -> None:
    """Time every part in turn, again and again."""
    vga = load_image(FACES)
    large = np.asarray(Image.fromarray(vga).resize((1920, 1080)))
    forty = np.tile(vga[36:126, 196:280], (5, 8, 1))
    detectors = {name: BlazeFace.open(name, threads=1) for name in GRIDS}
    parts: dict[str, Callable[[], object]] = {}
    for name, detector in detectors.items():
        square = letterbox(480, 640, detector.manifest.input.height).fill(vga)
        parts[f"{name}, 640 x 480"] = lambda detector=detector: detector(vga)  # type: ignore[misc]
        parts[f"{name}, its network alone"] = (  # type: ignore[misc]
            lambda detector=detector, square=square: detector.engine.run(square)
        )
    parts["full-range, 1920 x 1080"] = lambda: detectors["full-range"](large)
    parts["full-range, forty faces"] = lambda: detectors["full-range"](forty)
    near, far = detectors["full-range"](large)[0], detectors["full-range"](vga)[0]
    for side in (64, 224):
        contract = InputContract(side, side, "RGB", (0.0,) * 3, (1.0,) * 3)
        for frame, face in ((vga, far), (large, near)):
            name = f"crop of {side} x {side} from a box of {face.box[2] - face.box[0]:.0f} pixels"
            parts[name] = lambda frame=frame, face=face, contract=contract: crop_face(frame, face, contract)  # type: ignore[misc]
    times: dict[str, list[float]] = {name: [] for name in parts}
    for _ in range(ROUNDS):
        for name, part in parts.items():
            begin_s = time.perf_counter()
            part()
            times[name].append(time.perf_counter() - begin_s)
    for name, taken_s in times.items():
        print(f"{name:45} {1e3 * np.median(taken_s[3:]):6.2f} ms, at best {1e3 * min(taken_s):5.2f}")


if __name__ == "__main__":
    main()
