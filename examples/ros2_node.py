"""A ROS 2 node: images in, faces out. UNTESTED in ROS: only `as_detections` has tests.

    ros2 run ... or: python examples/ros2_node.py pattlite-int8

Subscribes to `image_raw` (sensor_msgs/Image, rgb8 or bgr8) and publishes `faces`
(vision_msgs/Detection2DArray): a detection a face, its track as id, a hypothesis a class.
"""

import sys
from typing import Any

import numpy as np

from edgefer_runtime import FaceAnalyzer
from edgefer_runtime.messages import FacesMessage, faces_as_json


def as_detections(message: FacesMessage) -> list[dict[str, Any]]:
    """The fields of a vision_msgs/Detection2D for each face: box as centre and size, classes best first."""
    detections = []
    for face in message["faces"]:
        box = face["box"]
        best_first = sorted(face["probabilities"].items(), key=lambda item: -item[1])
        detections.append(
            {
                "id": "" if face["track"] is None else str(face["track"]),
                "center": ((box["left"] + box["right"]) / 2, (box["top"] + box["bottom"]) / 2),
                "size": (box["right"] - box["left"], box["bottom"] - box["top"]),
                "results": [{"class_id": name, "score": score} for name, score in best_first],
            }
        )
    return detections


def as_image(height: int, width: int, encoding: str, step: int, data: bytes) -> np.ndarray:
    """The pixels of a sensor_msgs/Image as uint8, H x W x 3, RGB; rows may be padded."""
    if encoding not in ("rgb8", "bgr8"):
        raise ValueError(f"an image of encoding {encoding}; expected rgb8 or bgr8")
    rows = np.frombuffer(data, np.uint8).reshape(height, step)[:, : 3 * width]
    image = rows.reshape(height, width, 3)
    return image[..., ::-1] if encoding == "bgr8" else image


def main(bundle: str) -> None:
    """Run the node."""
    import rclpy
    from sensor_msgs.msg import Image
    from vision_msgs.msg import Detection2D, Detection2DArray, ObjectHypothesisWithPose

    rclpy.init()
    node = rclpy.create_node("edgefer")
    publisher = node.create_publisher(Detection2DArray, "faces", 10)
    analyzer = FaceAnalyzer.open(bundle)
    model = analyzer.classifier.bundle.manifest.name

    def answer(image: Image) -> None:
        stamp = image.header.stamp
        faces = analyzer(as_image(image.height, image.width, image.encoding, image.step, bytes(image.data)))
        message = faces_as_json(
            faces,
            frame_id=0,
            captured_ns=stamp.sec * 1_000_000_000 + stamp.nanosec,
            width=image.width,
            height=image.height,
            model=model,
        )
        array = Detection2DArray(header=image.header)
        for fields in as_detections(message):
            detection = Detection2D(header=image.header, id=fields["id"])
            detection.bbox.center.position.x, detection.bbox.center.position.y = fields["center"]
            detection.bbox.size_x, detection.bbox.size_y = fields["size"]
            for result in fields["results"]:
                hypothesis = ObjectHypothesisWithPose()
                hypothesis.hypothesis.class_id = result["class_id"]
                hypothesis.hypothesis.score = result["score"]
                detection.results.append(hypothesis)
            array.detections.append(detection)
        publisher.publish(array)

    node.create_subscription(Image, "image_raw", answer, 1)
    rclpy.spin(node)


if __name__ == "__main__":
    main(sys.argv[1])
