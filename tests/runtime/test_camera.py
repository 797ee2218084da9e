"""A camera thread: the newest frame wins, the end is clean, and a lost camera is told or found again."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edgefer_runtime import camera as camera_module
from edgefer_runtime.camera import Camera, OpenCvCamera
from edgefer_runtime.errors import DataError, DeviceError, MissingError


def frame(number: int) -> np.ndarray:
    return np.full((2, 2, 3), number % 256, np.uint8)


class Fed:
    """A camera whose frames come when the test says so; None ends it."""

    def __init__(self) -> None:
        self.waiting: queue.Queue[np.ndarray | None] = queue.Queue()

    def __call__(self) -> np.ndarray | None:
        return self.waiting.get(timeout=20)

    def give(self, camera: Camera, count: int) -> None:
        """Let ``count`` frames arrive, and wait until they have."""
        wanted = camera.arrived + count
        for number in range(camera.arrived, wanted):
            self.waiting.put(frame(number))
        while camera.arrived < wanted:
            time.sleep(0.001)


def readers() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "edgefer camera"]


@pytest.fixture(autouse=True)
def nothing_left_running() -> Iterator[None]:
    yield
    assert not readers()


def test_the_newest_frame_wins_and_the_older_are_counted() -> None:
    with Camera(source := Fed()) as camera:
        for arrived, newest, dropped in ((5, 4, 4), (1, 5, 4), (3, 8, 6)):
            source.give(camera, arrived)
            shot = next(camera)
            assert (shot.number, shot.image[0, 0, 0], camera.dropped) == (newest, newest, dropped)
            assert 0 <= time.monotonic() - shot.time_s < 20
        source.give(camera, 2)
        source.waiting.put(None)
        assert [shot.number for shot in camera] == [10], "the last frame stays the newest"
    assert (camera.arrived, camera.dropped) == (11, 7)


def test_closing_stops_an_endless_camera_and_releases_it() -> None:
    released = threading.Event()

    def frames() -> Iterator[np.ndarray]:
        try:
            while True:
                yield frame(0)
        finally:
            released.set()

    with Camera(frames()) as camera:
        next(camera)
    assert released.is_set()
    with pytest.raises(StopIteration):
        next(camera)


def test_closing_wakes_who_waits() -> None:
    source = Fed()
    camera = Camera(source)
    closer = threading.Timer(0.05, camera.close)
    closer.start()
    assert list(camera) == []
    source.waiting.put(None)
    closer.join()


class Flaky:
    """A camera that is lost after each of its lives, and dead in the end."""

    def __init__(self, *lives: int) -> None:
        self.lives = list(lives)

    def __iter__(self) -> Iterator[np.ndarray]:
        if not self.lives:
            raise DeviceError("camera 0 cannot be opened")
        for _ in range(self.lives.pop(0)):
            time.sleep(0.01)
            yield frame(0)
        raise DeviceError("camera 0 was lost")


def test_a_lost_camera_is_an_error() -> None:
    with Camera(Flaky(2, 2)) as camera, pytest.raises(DeviceError, match="camera 0 was lost"):
        for shot in camera:
            assert shot.number < 2


def test_a_lost_camera_is_found_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(camera_module, "RETRY_S", 0.02)
    gone = r"cannot be opened, and did not come back within 0.2 s"
    with Camera(Flaky(2, 3, 0, 1), reconnect_s=0.2) as camera, pytest.raises(DeviceError, match=gone):
        list(camera)
    assert camera.arrived == 6


def test_a_camera_that_never_opened_is_told_at_once() -> None:
    begin = time.monotonic()
    with Camera(Flaky(), reconnect_s=30) as camera, pytest.raises(DeviceError, match="cannot be opened"):
        next(camera)
    assert time.monotonic() - begin < 10


def test_errors_of_the_source_are_passed_on() -> None:
    def frames() -> Iterator[np.ndarray]:
        yield frame(0)
        raise DataError("film damaged")

    with Camera(frames()) as camera, pytest.raises(DataError, match="film damaged"):
        list(camera)


def test_a_silent_camera_is_an_error() -> None:
    gate = threading.Event()

    def frames() -> Iterator[np.ndarray]:
        gate.wait(5)
        yield frame(0)

    with Camera(frames(), silence_s=0.05) as camera:
        with pytest.raises(DeviceError, match=r"gave nothing for 0.05 s"):
            next(camera)
        gate.set()


def test_without_opencv_the_message_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "cv2", None)
    with Camera(OpenCvCamera(0)) as camera, pytest.raises(MissingError) as caught:
        next(camera)
    assert 'pip install "edgefer-runtime[camera]"' in str(caught.value)


def test_opencv_reads_in_rgb_and_misses_what_is_not_there(tmp_path: Path) -> None:
    cv2 = pytest.importorskip("cv2")
    film = tmp_path / "red.avi"
    writer = cv2.VideoWriter(str(film), cv2.VideoWriter_fourcc(*"MJPG"), 30, (64, 48))
    for _ in range(3):
        writer.write(np.full((48, 64, 3), (0, 0, 250), np.uint8))  # BGR
    writer.release()
    frames = iter(OpenCvCamera(str(film)))
    image = next(frames)
    assert image.shape == (48, 64, 3) and image[..., 0].min() > 200 and image[..., 1:].max() < 50
    with pytest.raises(DeviceError, match="was lost"):
        list(frames)
    with pytest.raises(DeviceError, match="cannot be opened"):
        next(iter(OpenCvCamera(str(tmp_path / "none"))))
