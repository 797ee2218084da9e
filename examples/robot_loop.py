"""A robot's loop: the newest frame, the faces in it, and what to do about them.

python examples/robot_loop.py pattlite-int8
"""

import sys

from edgefer_runtime import FaceAnalyzer
from edgefer_runtime.camera import Camera, OpenCvCamera


def greet(analyzer: FaceAnalyzer, camera: Camera) -> None:
    """Greet everybody once, as soon as they look happy."""
    greeted = set()
    for shot in camera:
        for face in analyzer(shot.image, time_s=shot.time_s):
            if face.track is not None and face.track not in greeted and face.label == "happiness":
                greeted.add(face.track)
                print(f"hello, number {face.track} ({face.confidence:.0%} happy)", flush=True)


if __name__ == "__main__":
    with FaceAnalyzer.open(sys.argv[1]) as analyzer, Camera(OpenCvCamera(0), reconnect_s=60) as camera:
        greet(analyzer, camera)
