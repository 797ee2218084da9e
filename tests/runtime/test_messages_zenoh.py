"""zenoh over loopback, without multicast: messages out, frames in, and the other side going away."""

from __future__ import annotations

import io
import json
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edgefer_runtime.errors import DeviceError
from edgefer_runtime.messages import decode_faces, faces_as_json, open_publisher
from edgefer_runtime.messages.frames import Frame, encode_frame

zenoh = pytest.importorskip("zenoh")
from edgefer_runtime.messages.zenoh import ZenohFrames, ZenohPublisher  # noqa: E402

PATIENCE_S = 30.0


def message(number: int) -> Any:
    return faces_as_json([], frame_id=number, captured_ns=1, width=4, height=3, model="m")


@pytest.fixture
def port(free_port: Callable[[], int]) -> int:
    return free_port()


def session(**settings: object) -> Any:
    config = zenoh.Config()
    config.insert_json5("scouting/multicast/enabled", "false")
    for key, value in settings.items():
        config.insert_json5(key.replace("_", "/"), json.dumps(value))
    return zenoh.open(config)


class Reader:
    """A zenoh peer of its own that listens, and keeps what it is told."""

    def __init__(self, port: int) -> None:
        self.faces: queue.Queue[int] = queue.Queue()
        self.alive: queue.Queue[bool] = queue.Queue()
        self.session = session(listen_endpoints=[f"tcp/127.0.0.1:{port}"])
        self._faces = self.session.declare_subscriber(
            "robot/faces",
            lambda sample: self.faces.put(decode_faces(bytes(sample.payload))["frame"]["id"]),
        )
        self._alive = self.session.liveliness().declare_subscriber(
            "robot/faces/status",
            lambda sample: self.alive.put(sample.kind == zenoh.SampleKind.PUT),
            history=True,
        )

    def next_faces(self, count: int) -> list[int]:
        return [self.faces.get(timeout=PATIENCE_S) for _ in range(count)]

    def close(self) -> None:
        self.session.close()


def test_messages_arrive_once_and_in_order_while_a_token_stands(port: int) -> None:
    reader = Reader(port)
    with open_publisher(f"zenoh://127.0.0.1:{port}/robot/faces") as publisher:
        publisher.wait(PATIENCE_S)
        assert reader.alive.get(timeout=PATIENCE_S)
        for number in range(300):
            publisher(message(number))
            publisher.flush(PATIENCE_S)
        assert reader.next_faces(300) == [*range(300)]
        assert (publisher.sent, publisher.dropped) == (300, 0)
    assert not reader.alive.get(timeout=PATIENCE_S)
    reader.close()


def test_the_newest_wait_for_a_reader_that_comes_late_or_again(port: int) -> None:
    with open_publisher(f"zenoh://127.0.0.1:{port}/robot/faces?queue=3") as publisher:
        for first in (0, 10):
            for number in range(first, first + 7):
                publisher(message(number))
            with pytest.raises(DeviceError, match="nobody reached"):
                publisher.wait(0.1)
            reader = Reader(port)
            assert reader.next_faces(3) == [first + 4, first + 5, first + 6]
            reader.close()
            with publisher._changed:
                assert publisher._changed.wait_for(lambda: not publisher._reachable, PATIENCE_S)
        assert (publisher.sent, publisher.dropped) == (6, 8)


def test_a_robot_that_died_is_missed(port: int) -> None:
    reader = Reader(port)
    code = f"""
import time
from edgefer_runtime.messages import open_publisher
publisher = open_publisher("zenoh://127.0.0.1:{port}/robot/faces")
time.sleep(60)
"""
    robot = subprocess.Popen([sys.executable, "-c", code])
    assert reader.alive.get(timeout=PATIENCE_S)
    robot.send_signal(signal.SIGKILL)
    assert not reader.alive.get(timeout=PATIENCE_S)
    robot.wait()
    reader.close()


def test_a_publisher_may_be_the_one_who_listens(port: int) -> None:
    with ZenohPublisher("zenoh:robot/faces", listen=f"tcp/127.0.0.1:{port}") as publisher:
        reader = session(connect_endpoints=[f"tcp/127.0.0.1:{port}"], listen_endpoints=[])
        got = queue.Queue[bytes]()
        subscriber = reader.declare_subscriber("robot/faces", lambda sample: got.put(bytes(sample.payload)))
        publisher(message(5))
        assert decode_faces(got.get(timeout=PATIENCE_S))["frame"]["id"] == 5
        with pytest.raises(DeviceError, match="zenoh cannot be opened"):
            ZenohPublisher("zenoh:robot/other", listen=f"tcp/127.0.0.1:{port}")
        subscriber.undeclare()
        reader.close()


@pytest.fixture
def frames(port: int) -> Iterator[ZenohFrames]:
    with ZenohFrames("zenoh:robot/camera", listen=f"tcp/127.0.0.1:{port}") as frames:
        yield frames


@pytest.fixture
def camera(port: int, frames: ZenohFrames) -> Iterator[Any]:
    """A publisher of frames that knows its reader."""
    other = session(connect_endpoints=[f"tcp/127.0.0.1:{port}"], listen_endpoints=[])
    publisher = other.declare_publisher("robot/camera")
    deadline_s = time.monotonic() + PATIENCE_S
    while not publisher.matching_status.matching and time.monotonic() < deadline_s:
        time.sleep(0.01)
    yield publisher
    other.close()


def read_next(frames: ZenohFrames) -> Frame:
    return next(iter(frames))


def test_frames_come_in_as_pixels_or_jpeg(frames: ZenohFrames, camera: Any) -> None:
    image = np.random.default_rng(0).integers(0, 256, (480, 640, 3), dtype=np.uint8)
    camera.put(encode_frame(image, frame_id=7, captured_ns=123))
    frame = read_next(frames)
    assert (frame.id, frame.captured_ns) == (7, 123) and np.array_equal(frame.image, image)
    file = io.BytesIO()
    Image.new("RGB", (32, 16), (200, 10, 10)).save(file, "JPEG")
    camera.put(encode_frame(file.getvalue(), frame_id=8, captured_ns=456))
    frame = read_next(frames)
    assert (frame.id, frame.captured_ns, frame.image.shape) == (8, 456, (16, 32, 3))
    before_ns = time.time_ns()
    camera.put(file.getvalue())
    frame = read_next(frames)
    assert frame.id == 2 and frame.captured_ns >= before_ns and abs(int(frame.image[5, 5, 0]) - 200) < 4


def test_a_slow_reader_gets_the_newest_frame_and_the_count_of_the_others(
    frames: ZenohFrames, camera: Any
) -> None:
    image = np.zeros((2, 2, 3), np.uint8)
    for number in range(20):
        camera.put(encode_frame(image, frame_id=number, captured_ns=0))
    deadline_s = time.monotonic() + PATIENCE_S
    while frames.missed < 19 and time.monotonic() < deadline_s:
        time.sleep(0.01)
    assert read_next(frames).id == 19 and frames.missed == 19


def test_what_is_no_frame_is_counted_and_passed_over(frames: ZenohFrames, camera: Any) -> None:
    got: list[int] = []
    thread = threading.Thread(target=lambda: got.extend(frame.id for frame in frames))
    thread.start()
    for count, payload in enumerate((b"", b"hello", b"EFF1rgb8" + bytes(40), b"\xff\xd8\xffno"), start=1):
        camera.put(payload)
        deadline_s = time.monotonic() + PATIENCE_S
        while frames.damaged < count and time.monotonic() < deadline_s:
            time.sleep(0.01)
    camera.put(encode_frame(np.zeros((2, 2, 3), np.uint8), frame_id=3, captured_ns=0))
    while not got and time.monotonic() < deadline_s:
        time.sleep(0.01)
    frames.close()
    thread.join(PATIENCE_S)
    assert not thread.is_alive() and got == [3] and frames.damaged == 4
