"""The examples do what they say, with real faces, a real broker and real peers."""

from __future__ import annotations

import importlib.util
import json
import queue
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edgefer.data import load
from edgefer_runtime import Bundle, FaceAnalyzer
from edgefer_runtime.camera import Camera
from edgefer_runtime.faces import BlazeFace
from edgefer_runtime.messages import decode_faces
from edgefer_runtime.messages.frames import encode_frame

EXAMPLES = Path(__file__).parents[2] / "examples"
PATIENCE_S = 600.0
"""No measure of anything: until then something must have happened even on a machine that is busy."""


def module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec and spec.loader
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def run(name: str, *words: str) -> str:
    command = [sys.executable, EXAMPLES / f"{name}.py", *words]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=PATIENCE_S).stdout


@pytest.fixture(scope="module")
def frame() -> np.ndarray:
    """A reddish frame, which the tiny engine calls happy, with one face that BlazeFace finds."""
    detector = BlazeFace.open(threads=1)
    for crop in load("synthfer:test[:24]").images[:]:
        image = np.full((240, 320, 3), (150, 110, 110), np.uint8)
        image[60 : 60 + len(crop), 100 : 100 + len(crop)] = crop
        if len(detector(image)) == 1:
            return image
    raise AssertionError("no face found in 24 pictures")


@pytest.fixture
def pictures(frame: np.ndarray, tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(4):
        Image.fromarray(frame).save(folder / f"{number}.png")
    return folder


def test_the_robot_greets_a_happy_face_once(
    bundle: Bundle, frame: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    def paced() -> Iterator[np.ndarray]:
        for _ in range(20):
            time.sleep(0.05)
            yield frame

    robot_loop = module("robot_loop")
    with FaceAnalyzer.open(bundle) as analyzer, Camera(paced()) as camera:
        robot_loop.greet(analyzer, camera)
    assert analyzer(frame)[0].label == "happiness"
    said = capsys.readouterr().out
    assert said.startswith("hello, number 1 (") and said.count("hello") == 1
    assert len((EXAMPLES / "robot_loop.py").read_text().splitlines()) <= 30


def test_a_film_becomes_json_lines(bundle: Bundle, pictures: Path) -> None:
    lines = run("film_to_json_lines", str(bundle.path), str(pictures), "--hz", "10").splitlines()
    messages = [decode_faces(line) for line in lines]
    assert [message["frame"]["id"] for message in messages] == [0, 1, 2, 3]
    assert [message["frame"]["captured_ns"] for message in messages] == [0, 10**8, 2 * 10**8, 3 * 10**8]
    assert [len(message["faces"]) for message in messages] == [1, 1, 1, 1]
    assert messages[3]["faces"][0]["track"] is not None


@pytest.mark.skipif(
    not shutil.which("mosquitto"), reason="NOT TESTED: no mosquitto (apt-get install mosquitto)"
)
def test_faces_reach_a_broker(bundle: Bundle, pictures: Path, start_broker: Callable[..., Any]) -> None:
    pytest.importorskip("paho.mqtt.client")
    address = f"mqtt://127.0.0.1:{start_broker().port}/robot/faces"
    assert run("mqtt_faces", str(bundle.path), address, str(pictures)) == "4 sent, 0 dropped\n"


def encoded(frame: np.ndarray) -> bytes:
    return encode_frame(frame, frame_id=77, captured_ns=time.time_ns())


def first_answer(
    example: subprocess.Popen[bytes], got: queue.Queue[bytes], send: Callable[[], None]
) -> bytes:
    """Send as a camera does, again and again, until the example answers or ends."""
    give_up_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < give_up_s:
        assert example.poll() is None, f"the example ended with {example.returncode}"
        send()
        with suppress(queue.Empty):
            return got.get(timeout=0.5)
    raise AssertionError(f"no answer in {PATIENCE_S:.0f} s")


def test_frames_in_faces_out(bundle: Bundle, frame: np.ndarray, free_port: Callable[[], int]) -> None:
    zenoh = pytest.importorskip("zenoh")
    endpoint = f"tcp/127.0.0.1:{(port := free_port())}"
    config = zenoh.Config()
    for key, value in {"scouting/multicast/enabled": False, "listen/endpoints": [endpoint]}.items():
        config.insert_json5(key, json.dumps(value))
    got = queue.Queue[bytes]()
    with zenoh.open(config) as session:
        subscriber = session.declare_subscriber("robot/faces", lambda sample: got.put(bytes(sample.payload)))
        camera = session.declare_publisher("robot/camera")
        keys = [f"zenoh://127.0.0.1:{port}/robot/{name}" for name in ("camera", "faces")]
        command = [sys.executable, EXAMPLES / "zenoh_faces.py", str(bundle.path), *keys]
        with subprocess.Popen(command) as example:
            try:
                message = decode_faces(first_answer(example, got, lambda: camera.put(encoded(frame))))
            finally:
                example.kill()
        subscriber.undeclare()
    assert message["frame"]["id"] == 77 and len(message["faces"]) == 1 and message["latency_ns"] > 0


def test_ros_messages_are_mapped_without_ros() -> None:
    node = module("ros2_node")
    face = {
        "box": {"left": 10.0, "top": 20.0, "right": 30.0, "bottom": 60.0},
        "landmarks": None,
        "score": 0.9,
        "label": "b",
        "probabilities": {"a": 0.25, "b": 0.75},
        "track": 4,
    }
    assert node.as_detections({"faces": [face, {**face, "track": None}]}) == [
        {
            "id": name,
            "center": (20.0, 40.0),
            "size": (20.0, 40.0),
            "results": [{"class_id": "b", "score": 0.75}, {"class_id": "a", "score": 0.25}],
        }
        for name in ("4", "")
    ]
    rows = bytes([1, 2, 3, 4, 5, 6, 0, 0, 7, 8, 9, 10, 11, 12, 0, 0])
    assert node.as_image(2, 2, "rgb8", 8, rows).tolist() == [
        [[1, 2, 3], [4, 5, 6]],
        [[7, 8, 9], [10, 11, 12]],
    ]
    assert node.as_image(2, 2, "bgr8", 8, rows)[0, 0].tolist() == [3, 2, 1]
    with pytest.raises(ValueError, match="mono8"):
        node.as_image(2, 2, "mono8", 2, bytes(4))
