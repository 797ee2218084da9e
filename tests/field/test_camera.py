"""Cameras and streams that do not answer, stall, hang or are not there, and what is shown of their passwords.

Streams are real ones, over loopback, and every run is a process of its own.
"""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edgefer.pipeline.footage import find_footage
from edgefer_runtime.camera import Camera, OpenCvCamera
from edgefer_runtime.capture import is_device, with_password
from edgefer_runtime.errors import DeviceError, UsageError
from edgefer_runtime.messages import open_publisher
from edgefer_runtime.messages.schema import decode_faces
from edgefer_runtime.redaction import redacted

pytest.importorskip("cv2", reason="NOT TESTED: no OpenCV")

SEEN = [(None, "http"), (None, "rtsp"), (60, "http"), (10**6, "http")]
SECRET = "s3same-0pen"
STARTS_S = 60
"""In which a process starts and stops on the busiest machine."""


def jpeg(level: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.full((120, 160, 3), level, np.uint8)).save(file, "JPEG")
    return file.getvalue()


class Stream:
    """A server of motion JPEG: ``frames`` of them at 25 a second, then silence; None never answers at all."""

    def __init__(self, frames: int | None) -> None:
        self.frames = frames
        self.given: list[float] = []  # time.time() of each, before it is sent
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._kept: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self._kept.append(connection)
            threading.Thread(target=self._give, args=(connection,), daemon=True).start()

    def _give(self, connection: socket.socket) -> None:
        if self.frames is None:
            return
        try:
            connection.recv(4096)
            head = b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=edge\r\n\r\n"
            connection.sendall(head)
            for number in range(self.frames):
                body = jpeg(number % 250)
                self.given.append(time.time())
                connection.sendall(
                    b"--edge\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(body)
                    + body
                    + b"\r\n"
                )
                time.sleep(0.04)
        except OSError:
            return

    def close(self) -> None:
        for each in (self._socket, *self._kept):
            each.close()


@pytest.fixture
def stream() -> Iterator[Callable[[int | None], Stream]]:
    opened: list[Stream] = []

    def serve(frames: int | None) -> Stream:
        opened.append(Stream(frames))
        return opened[-1]

    yield serve
    for each in opened:
        each.close()


def refusing() -> int:
    """A port at which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class Run:
    """`edgefer run` as a process; ``begun`` is when its engine's first words could have come."""

    def __init__(self, bundle: Path, source: str, *words: str, **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "edgefer.cli.main", "run", str(bundle), source, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )

    def end(self, timeout_s: float = STARTS_S) -> tuple[int, str]:
        try:
            out, err = self.process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise
        return self.process.returncode, out + err


def told(text: str) -> dict[str, Any]:
    """The JSON of a run among the lines that say how far it is."""
    found: dict[str, Any] = json.loads(text[text.index("{") : text.rindex("}") + 1])
    return found


def started(server: Stream, run: Run) -> None:
    """Wait until the process has connected: it is then underway."""
    until = time.monotonic() + STARTS_S
    while not server._kept and run.process.poll() is None:
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("frames", "scheme"), [(None, "http"), (None, "rtsp"), (60, "http"), (10**6, "http")]
)
def test_seconds_end_a_run_whatever_the_stream_does(
    stream: Callable[[int | None], Stream],
    colour_bundle: Path,
    tmp_path: Path,
    frames: int | None,
    scheme: str,
) -> None:
    """Waiting for a silent stream: `--seconds 3` took half a minute (opencv #20255, frigate #1431).

    Right: it ends a second later at the latest, counted from the first connection, whether the stream never
    answers, stalls after some frames, or goes on; what it gave is kept, and nothing at all is exit code 7.
    """
    server = stream(frames)
    output = tmp_path / "faces.jsonl"
    run = Run(
        colour_bundle, f"{scheme}://127.0.0.1:{server.port}/", "--seconds", "3", "-o", str(output), "--json"
    )
    started(server, run)
    begin_s = time.monotonic()
    code, text = run.end()
    # The engine is loaded after that began, which takes long on a busy machine.
    assert time.monotonic() - begin_s < 12, text
    if frames is None:
        assert code == 7 and "gave no frame within 3 s" in text and "/dev/video" not in text, text
        assert not list(tmp_path.iterdir())
    else:
        assert code == 0, text
        lines = [decode_faces(line) for line in output.read_bytes().splitlines()]
        assert lines and told(text)["frames"] == len(lines)


@pytest.mark.slow
@pytest.mark.parametrize("frames", [None, 60])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_run_that_waits_for_its_stream(
    stream: Callable[[int | None], Stream],
    colour_bundle: Path,
    tmp_path: Path,
    frames: int | None,
    number: signal.Signals,
) -> None:
    """Ctrl-C waited for a stream's 30 s. Right: within about a second, with what was seen kept."""
    server, output = stream(frames), tmp_path / "faces.jsonl"
    run = Run(colour_bundle, f"http://127.0.0.1:{server.port}/", "-o", str(output))
    started(server, run)
    if frames is None:
        time.sleep(4)  # the engine is loaded by now, mostly; before, a signal ends it as well
    else:
        until = time.monotonic() + STARTS_S
        while not (output.exists() and output.stat().st_size) and time.monotonic() < until:
            time.sleep(0.02)
        time.sleep(1.5)  # the stream has stalled
    begin_s = time.monotonic()
    run.process.send_signal(number)
    code, text = run.end()
    assert time.monotonic() - begin_s < 5, text
    assert code in (128 + number, -number), text
    assert output.exists() == (frames is not None)
    assert not list(tmp_path.glob(".*"))


@pytest.mark.slow
def test_a_signal_ends_a_run_that_waits_for_a_broker(
    stream: Callable[[int | None], Stream], colour_bundle: Path, tmp_path: Path
) -> None:
    """The same where it is the broker that stays silent: ten seconds of waiting are no reason to wait."""
    pytest.importorskip("paho.mqtt", reason="NOT TESTED: no paho-mqtt")
    server = stream(None)
    Image.new("RGB", (64, 48)).save(tmp_path / "face.png")
    address = f"mqtt://127.0.0.1:{server.port}/faces"
    run = Run(colour_bundle, str(tmp_path / "face.png"), "--publish", address)
    started(server, run)
    time.sleep(0.5)
    begin_s = time.monotonic()
    run.process.send_signal(signal.SIGINT)
    code, text = run.end()
    assert time.monotonic() - begin_s < 6 and code in (130, -signal.SIGINT), text


@pytest.mark.slow
def test_a_refused_stream_is_told_at_once_with_advice_that_fits(colour_bundle: Path) -> None:
    """A network address was answered with `ls -l /dev/video*`. Right: host, port, user and password."""
    code, text = Run(colour_bundle, f"rtsp://127.0.0.1:{refusing()}/live").end()
    assert code == 7 and "cannot be opened" in text, text
    assert "check host, port, path, user and password" in text and "/dev/video" not in text


def test_opening_and_reading_have_limits(stream: Callable[[int | None], Stream]) -> None:
    """OpenCV waits 30 s by itself. Right: as long as asked for, opening as well as between two frames."""
    for frames, found in ((None, "cannot be opened"), (60, "was lost")):
        server = stream(frames)
        begin_s = time.monotonic()
        with pytest.raises(DeviceError, match=found):
            list(OpenCvCamera(f"http://127.0.0.1:{server.port}/", answer_s=2))
        assert time.monotonic() - begin_s < 20


def test_a_frame_bears_the_time_at_which_it_came() -> None:
    """A live `captured_ns` was when a frame was picked up, up to 236 ms late: a robot looks up another pose.

    Right: the moment at which the reading thread got it, however late it is handed out, on both clocks.
    """
    gate = threading.Event()
    came: list[int] = []

    def frames() -> Iterator[np.ndarray]:
        came.append(time.time_ns())
        yield np.zeros((2, 2, 3), np.uint8)
        gate.wait(20)

    with Camera(frames()) as camera:
        while not camera.arrived:
            time.sleep(0.001)
        time.sleep(0.5)
        picked_up_ns, picked_up_s = time.time_ns(), time.monotonic()
        shot = next(camera)
        gate.set()
    assert came[0] <= shot.captured_ns < picked_up_ns - 4e8
    assert (picked_up_ns - shot.captured_ns) / 1e9 == pytest.approx(picked_up_s - shot.time_s, abs=0.05)


@pytest.mark.slow
def test_messages_of_a_stream_bear_the_time_at_which_it_gave_the_frame(
    stream: Callable[[int | None], Stream], colour_bundle: Path, tmp_path: Path
) -> None:
    """The same from end to end, against the server's own clock: stamps rise, none lies before its frame."""
    server, output = stream(10**6), tmp_path / "faces.jsonl"
    code, text = Run(
        colour_bundle, f"http://127.0.0.1:{server.port}/", "--seconds", "4", "-o", str(output), "--json"
    ).end()
    assert code == 0, text
    messages = [decode_faces(line) for line in output.read_bytes().splitlines()]
    stamps = [message["frame"]["captured_ns"] for message in messages]
    assert stamps == sorted({*stamps}) and len(stamps) > 2
    for message, stamp in zip(messages, stamps, strict=True):
        assert stamp / 1e9 >= server.given[int(message["frame"]["id"])] - 0.001
    assert told(text)["times"] == "arrival"


def test_udev_names_and_links_are_cameras(tmp_path: Path) -> None:
    """`/dev/v4l/by-id/...` was "no such file" (usb_cam #310). Right: a camera, whether plugged in or not."""
    link = tmp_path / "front-camera"
    link.symlink_to("/dev/null")
    (tmp_path / "film.mp4").write_bytes(b"a file")
    for name in ("/dev/v4l/by-id/usb-Maker_Camera-video-index0", "/dev/front_camera", str(link)):
        assert find_footage(name).is_camera and is_device(name)
    assert not is_device(str(tmp_path / "film.mp4")) and not is_device(str(tmp_path / "none.mp4"))
    with pytest.raises(DeviceError) as caught:
        list(OpenCvCamera("/dev/v4l/by-id/usb-Maker_Camera-video-index0"))
    assert "it is not there" in str(caught.value) and "/dev/v4l/by-id/" in caught.value.action
    with pytest.raises(DeviceError) as caught:
        list(OpenCvCamera(str(link)))
    assert "cannot be opened" in str(caught.value) and "not there" not in str(caught.value)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("rtsp://robot:s3same@10.0.0.7:554/live", "rtsp://robot:***@10.0.0.7:554/live"),
        ("rtsp://robot:a@b/c?d#e@host/live", "rtsp://robot:***@host/live"),
        ("rtsp:/robot:s3same@host/live", "rtsp:***@host/live"),
        ("http://cam/video.cgi?user=me&pwd=s3same&res=1", "http://cam/video.cgi?user=me&pwd=***&res=1"),
        ("https://cam/v?access_token=s3same#top", "https://cam/v?access_token=***#top"),
        ("rtsp://robot@host:554/live", "rtsp://robot@host:554/live"),
        ("mqtts://robot@host/t?password_file=secret.txt", "mqtts://robot@host/t?password_file=secret.txt"),
        ("http://[::1]:8080/stream", "http://[::1]:8080/stream"),
        ("film.mp4", "film.mp4"),
    ],
)
def test_passwords_are_hidden_wherever_an_address_is_shown(address: str, shown: str) -> None:
    """RTSP addresses were printed with their passwords. Right: three stars, whatever is in the password."""
    assert redacted(address) == shown


def test_a_password_may_come_from_the_environment() -> None:
    """What stands on a command line every user of the machine can read. Right: another way exists."""
    assert with_password("rtsp://robot@host:554/live", "a@b/c") == "rtsp://robot:a%40b%2Fc@host:554/live"
    for address in ("rtsp://host/live", "rtsp://robot:own@host/live", "rtsp://host/user@live"):
        assert with_password(address, "a") == address


@pytest.mark.slow
@pytest.mark.parametrize(
    "source",
    [
        "rtsp://robot:{secret}@127.0.0.1:{port}/live",
        "http://127.0.0.1:{port}/live?user=robot&pwd={secret}",
        "rtps://robot:{secret}@127.0.0.1/live",
    ],
)
@pytest.mark.parametrize("words", [(), ("--json",), ("--live", "-o", "x.docx")])
def test_no_output_holds_a_password(colour_bundle: Path, source: str, words: tuple[str, ...]) -> None:
    """The same for all that a process writes: its own words, OpenCV's, FFmpeg's, and a traceback."""
    address = source.format(secret=SECRET, port=refusing())
    code, text = Run(colour_bundle, address, *words, OPENCV_LOG_LEVEL="", PYTHONWARNINGS="always").end()
    assert code in (2, 7) and SECRET not in text, text


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="NOT TESTED: no /proc")
def test_the_list_of_processes_holds_no_password(
    stream: Callable[[int | None], Stream], colour_bundle: Path, tmp_path: Path
) -> None:
    """`ps` shows all users a command's words. Right: once it runs, the password is not among them."""
    server = stream(10**6)
    output = tmp_path / "faces.jsonl"
    address = f"http://robot:{SECRET}@127.0.0.1:{server.port}/"
    run = Run(colour_bundle, address, "-o", str(output), "--seconds", "3")
    started(server, run)
    words = Path(f"/proc/{run.process.pid}/cmdline").read_bytes().decode()
    threads = [path.read_text() for path in Path(f"/proc/{run.process.pid}/task").glob("*/comm")]
    code, text = run.end()
    assert code == 0, text
    assert "robot:***@127.0.0.1" in words and SECRET not in "".join([words, *threads])
    assert SECRET not in text and SECRET.encode() not in output.read_bytes()


@pytest.mark.parametrize(
    "address",
    [
        f"mqtt://robot:{SECRET}@host/topic",
        f"mqtt://robot:{SECRET}@host:port/topic",
        f"mqtt://robot:{SECRET}/1@host/topic",
        f"mqt://robot:{SECRET}@host/topic",
        f"mqtt://robot@host/topic?password={SECRET}",
        f"zenoh://robot:{SECRET}@host:port/key",
    ],
)
def test_a_publishers_refusal_holds_no_password(address: str) -> None:
    """A mistyped address of a broker was printed whole. Right: refused, and not repeated."""
    with pytest.raises(UsageError) as caught:
        open_publisher(address)
    cause: Any = caught.value
    while cause is not None:
        assert SECRET not in str(cause)
        cause = cause.__cause__
