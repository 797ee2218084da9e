"""What a camera sees, to an MQTT broker: one message a frame, and the robot's own status beside it.

python examples/mqtt_faces.py pattlite-int8 mqtt://broker/robot/faces            # camera 0
python examples/mqtt_faces.py pattlite-int8 mqtt://broker/robot/faces pictures   # a folder, in a row
mosquitto_sub -h broker -v -t 'robot/#'
"""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

from edgefer_runtime import FaceAnalyzer
from edgefer_runtime.camera import Camera, OpenCvCamera
from edgefer_runtime.images import load_image
from edgefer_runtime.messages import faces_as_json, open_publisher


def images(folder: str | None) -> Iterator:
    """Frames of the camera, the newest each time, or all pictures of a folder."""
    if folder is not None:
        yield from map(load_image, sorted(Path(folder).iterdir()))
        return
    with Camera(OpenCvCamera(0), reconnect_s=60) as camera:
        yield from (shot.image for shot in camera)


def main(bundle: str, address: str, folder: str | None = None) -> None:
    """Publish until the frames end."""
    with FaceAnalyzer.open(bundle) as analyzer, open_publisher(address) as publisher:
        model = analyzer.classifier.bundle.manifest.name
        for number, image in enumerate(images(folder)):
            taken_ns = time.time_ns()
            faces, (height, width, _) = analyzer(image), image.shape
            publisher(
                faces_as_json(
                    faces, frame_id=number, captured_ns=taken_ns, width=width, height=height, model=model
                )
            )
    print(f"{publisher.sent} sent, {publisher.dropped} dropped")


if __name__ == "__main__":
    main(*sys.argv[1:])
