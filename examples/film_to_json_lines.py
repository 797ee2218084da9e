"""A film, or a folder of its frames, to JSON lines on standard output.

    python examples/film_to_json_lines.py pattlite-int8 film.mp4 > faces.jsonl       # at the film's own times
    python examples/film_to_json_lines.py pattlite-int8 frames --hz 25 > faces.jsonl

`edgefer run` does this and more; here it is with the runtime alone.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from edgefer_runtime import FaceAnalyzer
from edgefer_runtime.images import load_image
from edgefer_runtime.messages import encode_faces, faces_as_json


def frames(source: Path, hz: float) -> Iterator:
    """Every frame, RGB, and its time in seconds."""
    if source.is_dir():
        for number, path in enumerate(sorted(source.iterdir())):
            yield load_image(path), number / hz
        return
    import cv2

    film = cv2.VideoCapture(str(source))
    while (frame := film.read())[0]:
        # Films rarely have one rate throughout: the number of a frame is not its time.
        yield cv2.cvtColor(frame[1], cv2.COLOR_BGR2RGB), film.get(cv2.CAP_PROP_POS_MSEC) / 1000


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("bundle")
parser.add_argument("source", type=Path)
parser.add_argument("--hz", type=float, default=25, help="frames a second of a folder")
options = parser.parse_args()

with FaceAnalyzer.open(options.bundle) as analyzer:
    model = analyzer.classifier.bundle.manifest.name
    for number, (image, time_s) in enumerate(frames(options.source, options.hz)):
        faces, (height, width, _) = analyzer(image, time_s=time_s), image.shape
        message = faces_as_json(
            faces, frame_id=number, captured_ns=int(time_s * 1e9), width=width, height=height, model=model
        )
        sys.stdout.buffer.write(encode_faces(message) + b"\n")
