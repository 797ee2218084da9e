"""What a camera sees, to an MQTT broker: one message a frame, and the robot's own status beside it.

python examples/mqtt_faces.py pattlite-int8 mqtt://broker/robot/faces            # camera 0
python examples/mqtt_faces.py pattlite-int8 mqtt://broker/robot/faces pictures   # a folder, in a row
mosquitto_sub -h broker -v -t 'robot/#'
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from edgefer_runtime import FaceAnalyzer
from edgefer_runtime.camera import Camera, OpenCvCamera
from edgefer_runtime.images import load_image
from edgefer_runtime.messages import faces_as_json, open_publisher
from edgefer_runtime.shots import Shot, now


def shots(folder: str | None) -> Iterator:
    """Frames of the camera, the newest each time, or all pictures of a folder; each with its time."""
    if folder is not None:
        for number, path in enumerate(sorted(Path(folder).iterdir())):
            yield Shot(load_image(path), number, *now())
        return
    with Camera(OpenCvCamera(0), reconnect_s=60) as camera:
        yield from camera


def main(bundle: str, address: str, folder: str | None = None) -> None:
    """Publish until the frames end."""
    with FaceAnalyzer.open(bundle) as analyzer, open_publisher(address) as publisher:
        model = analyzer.classifier.bundle.manifest.name
        for shot in shots(folder):
            height, width, _ = shot.image.shape
            publisher(
                faces_as_json(
                    analyzer(shot.image, time_s=shot.time_s),
                    frame_id=shot.number,
                    captured_ns=shot.captured_ns,
                    width=width,
                    height=height,
                    model=model,
                )
            )
    print(f"{publisher.sent} sent, {publisher.dropped} dropped")


if __name__ == "__main__":
    main(*sys.argv[1:])
