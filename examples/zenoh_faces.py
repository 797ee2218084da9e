"""Frames in over zenoh, faces out: the network runs where the camera is not.

    python examples/zenoh_faces.py pattlite-int8 zenoh:robot/camera zenoh:robot/faces

A frame is a JPEG file, or pixels behind 32 bytes of head (edgefer_runtime.messages.frames); a sender is

    session.put("robot/camera", encode_frame(image, frame_id=number, captured_ns=time.time_ns()))
"""

import sys
import time

from edgefer_runtime import FaceAnalyzer
from edgefer_runtime.messages import faces_as_json
from edgefer_runtime.messages.zenoh import ZenohFrames, ZenohPublisher


def main(bundle: str, frames_from: str, faces_to: str) -> None:
    """Answer frames for ever, always the newest."""
    with (
        FaceAnalyzer.open(bundle) as analyzer,
        ZenohFrames(frames_from) as frames,
        ZenohPublisher(faces_to) as publisher,
    ):
        model = analyzer.classifier.bundle.manifest.name
        for frame in frames:
            faces, (height, width, _) = analyzer(frame.image), frame.image.shape
            publisher(
                faces_as_json(
                    faces,
                    frame_id=frame.id,
                    captured_ns=frame.captured_ns,
                    width=width,
                    height=height,
                    model=model,
                    latency_ns=max(0, time.time_ns() - frame.captured_ns),
                )
            )


if __name__ == "__main__":
    main(*sys.argv[1:])
