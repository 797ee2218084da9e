"""`edgefer run`: what it looks at, what it writes, and what is left when it is interrupted."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from edgefer.cli.main import app
from edgefer.cli.run import run as command
from edgefer.pipeline import footage as footage_module
from edgefer.pipeline.footage import Playback, find_footage
from edgefer.pipeline.recording import record
from edgefer_runtime.analyzer import SMOOTHING_S
from edgefer_runtime.errors import DataError, MissingError, UsageError
from edgefer_runtime.messages.schema import decode_faces
from edgefer_runtime.overlay import Overlay

SHEET = Path(__file__).parents[2] / "docs" / "synthfer.jpg"
FACES = ((225, 556), (353, 556))
"""Left and top of two laughing faces on the contact sheet, 128 pixels a side."""
WIDTH, HEIGHT, HZ = 320, 180, 10


@pytest.fixture(scope="module")
def bundle(colour_bundle: Path) -> Path:
    """An engine that tells which of red, green and blue there is most of."""
    return colour_bundle


@pytest.fixture(scope="module")
def frames() -> list[np.ndarray]:
    """Two faces that drift apart over a grey ground."""
    sheet = Image.open(SHEET)
    heads = [np.asarray(sheet.crop((left, top, left + 128, top + 128))) for left, top in FACES]
    made = []
    for number in range(6):
        frame = np.full((HEIGHT, WIDTH, 3), 100, np.uint8)
        for head, left in zip(heads, (20 - 2 * number, 170 + 2 * number), strict=True):
            frame[30:158, left : left + 128] = head
        made.append(frame)
    return made


@pytest.fixture
def film(frames: list[np.ndarray], tmp_path: Path) -> Path:
    """An animation; it needs no OpenCV."""
    first, *rest = map(Image.fromarray, frames)
    first.save(tmp_path / "film.webp", save_all=True, append_images=rest, duration=1000 // HZ, lossless=True)
    return tmp_path / "film.webp"


@pytest.fixture
def run(bundle: Path) -> Callable[..., dict[str, Any]]:
    """``run(source, *words)``: the summary as JSON; the code is 0."""

    def call(source: Path, *words: str) -> dict[str, Any]:
        done = CliRunner().invoke(app, ["run", str(bundle), str(source), "--threads", "1", "--json", *words])
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)  # type: ignore[no-any-return]

    return call


def refused(bundle: Path, source: Path | str, *words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["run", str(bundle), str(source), *words])
    return done.exit_code, done.output


def test_an_animation_becomes_json_lines(run: Callable[..., Any], film: Path, tmp_path: Path) -> None:
    summary = run(film, "-o", str(tmp_path / "faces.jsonl"), "--smoothing", "0")
    assert (summary["frames"], summary["faces"], summary["tracks"], summary["dropped"]) == (6, 12, 2, 0)
    assert summary["model"] == "colour-onnxruntime-fp32" and not summary["interrupted"]
    assert summary["latency_p50_ms"] > 0 and summary["latency_p99_ms"] is None, "six frames tell no p99"
    assert 0 < summary["cpu_ms_per_frame"] < 1000 * summary["seconds"]
    assert summary["label_changes_per_s"] == 0
    messages = [decode_faces(line) for line in (tmp_path / "faces.jsonl").read_bytes().splitlines()]
    assert [message["frame"]["id"] for message in messages] == list(range(6))
    assert [message["frame"]["captured_ns"] for message in messages] == [n * 10**8 for n in range(6)]
    assert {face["label"] for message in messages for face in message["faces"]} == {"red"}
    left, right = sorted(messages[-1]["faces"], key=lambda face: face["box"]["left"])
    assert {left["track"], right["track"]} == {1, 2}
    assert left["box"]["right"] < 150 < 170 < right["box"]["left"]


def test_faces_are_published_as_they_are_written(run: Callable[..., Any], film: Path, tmp_path: Path) -> None:
    zenoh = pytest.importorskip("zenoh", reason="NOT TESTED: no zenoh")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{free.getsockname()[1]}"
    config = zenoh.Config()
    config.insert_json5("scouting/multicast/enabled", "false")
    config.insert_json5("listen/endpoints", json.dumps([f"tcp/{place}"]))
    received: list[bytes] = []
    with zenoh.open(config) as session:
        session.declare_subscriber("robot/faces", lambda sample: received.append(bytes(sample.payload)))
        address = f"zenoh://{place}/robot/faces"
        summary = run(film, "-o", str(tmp_path / "faces.jsonl"), "--publish", address)
        until_s = time.monotonic() + 30
        while len(received) < 6 and time.monotonic() < until_s:
            time.sleep(0.01)
    assert summary["published"] == [{"address": address, "sent": 6, "dropped": 0}]
    assert received == (tmp_path / "faces.jsonl").read_bytes().splitlines()


def test_a_picture_on_its_own(
    run: Callable[..., Any], bundle: Path, frames: list[np.ndarray], tmp_path: Path
) -> None:
    Image.fromarray(frames[0]).save(tmp_path / "two.png")
    summary = run(tmp_path / "two.png", "-o", str(tmp_path / "seen.png"))
    (message,) = summary["pictures"]
    assert message["frame"]["id"] == "two.png" and [face["track"] for face in message["faces"]] == [None] * 2
    drawn = np.asarray(Image.open(tmp_path / "seen.png"))
    assert drawn.shape == frames[0].shape and (drawn != frames[0]).any(-1).mean() > 0.02
    code, text = refused(bundle, tmp_path / "two.png")
    assert code == 0 and text.count("two.png: red 100% at") == 2 and "2 faces" in text


def test_a_folder_of_pictures_and_as_a_film(
    run: Callable[..., Any], frames: list[np.ndarray], tmp_path: Path
) -> None:
    (tmp_path / "in" / "b").mkdir(parents=True)
    for number, frame in enumerate(frames[:4]):
        Image.fromarray(frame).save(tmp_path / "in" / ("b" if number > 1 else "") / f"{number}.png")
    loose = run(tmp_path / "in", "-o", str(tmp_path / "out"))
    assert (loose["tracks"], loose["label_changes_per_s"], len(loose["pictures"])) == (0, None, 4)
    assert {face["track"] for picture in loose["pictures"] for face in picture["faces"]} == {None}
    written = sorted(
        path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.png")
    )
    assert written == ["0.png", "1.png", "b/2.png", "b/3.png"]
    film = run(tmp_path / "in", "--hz", "10", "-o", str(tmp_path / "film"))
    assert film["tracks"] == 2 and "pictures" not in film
    assert sorted(path.name for path in (tmp_path / "film").iterdir()) == [f"{n:06}.jpg" for n in range(4)]


def test_a_video_in_and_out(run: Callable[..., Any], film: Path, tmp_path: Path) -> None:
    cv2 = pytest.importorskip("cv2")
    once = run(film, "-o", str(tmp_path / "once.mp4"), "-o", str(tmp_path / "once.jsonl"))
    assert once["outputs"] == [str(tmp_path / "once.mp4"), str(tmp_path / "once.jsonl")]
    again = ["-o", str(tmp_path / "twice.avi"), "-o", str(tmp_path / "twice.jsonl")]
    twice = run(tmp_path / "once.mp4", *again, "--detector", "short-range")
    assert twice["frames"] == 6 and twice["faces"] == 12
    messages = map(decode_faces, (tmp_path / "twice.jsonl").read_bytes().splitlines())
    assert {face["label"] for message in messages for face in message["faces"]} == {"red"}, (
        "in RGB, both ways"
    )
    video = cv2.VideoCapture(str(tmp_path / "twice.avi"))
    assert (video.get(cv2.CAP_PROP_FRAME_COUNT), video.get(cv2.CAP_PROP_FPS)) == (6, HZ)
    there, picture = video.read()
    assert there and picture.shape == (HEIGHT, WIDTH, 3)


def test_json_lines_to_standard_output(bundle: Path, film: Path) -> None:
    done = CliRunner().invoke(app, ["run", str(bundle), str(film), "-o", "-", "--seconds", "0"])
    assert done.exit_code == 0
    (message,) = map(decode_faces, done.stdout.splitlines())
    assert message["frame"]["id"] == 0 and "1 frame" in done.stderr


def test_a_film_played_live_drops_what_it_has_no_time_for(
    run: Callable[..., Any], film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = Overlay.draw

    def slowly(self: Overlay, *arguments: Any) -> np.ndarray:
        time.sleep(0.25)
        return draw(self, *arguments)

    monkeypatch.setattr(Overlay, "draw", slowly)
    summary = run(film, "--live", "-o", str(tmp_path / "seen"), "-o", str(tmp_path / "faces.jsonl"))
    ids = [json.loads(line)["frame"]["id"] for line in (tmp_path / "faces.jsonl").open()]
    assert ids == sorted({*ids}) and ids[-1] == 5 and len(ids) == summary["frames"]
    assert summary["dropped"] == 6 - summary["frames"] >= 2
    assert summary["seconds"] >= 0.5 - 1 / HZ, "by the clock"


def test_changes_of_label_are_counted_over_the_time_of_tracks(
    run: Callable[..., Any], frames: list[np.ndarray], tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    for number, frame in enumerate(frames):
        shown = frame if number < 3 else frame[..., ::-1]  # red faces turn blue
        Image.fromarray(shown).save(tmp_path / "in" / f"{number}.png")
    summary = run(tmp_path / "in", "--hz", "10", "--smoothing", "0")
    assert summary["tracks"] == 2 and summary["faces"] == 12
    # Each of both is followed from the second frame on, for 0.4 s, and changes once.
    assert summary["label_changes_per_s"] == pytest.approx(2 / 0.8)


def test_playback_keeps_a_films_time(film: Path) -> None:
    begin = time.monotonic()
    assert len(list(Playback(find_footage(str(film))).shots())) == 6
    assert time.monotonic() - begin >= 0.5


def test_frames_that_were_dropped_leave_a_videos_pace_as_it_was(film: Path, tmp_path: Path) -> None:
    cv2 = pytest.importorskip("cv2")
    footage = find_footage(str(film))
    with record(tmp_path / "gaps.avi", footage) as recording:
        for frame in footage.frames():
            if frame.id in (0, 4, 5):
                recording.add(frame, None, lambda: frame.image)  # type: ignore[arg-type]  # noqa: B023
    assert cv2.VideoCapture(str(tmp_path / "gaps.avi")).get(cv2.CAP_PROP_FRAME_COUNT) == 6


def endless(folder: Path, frames: list[np.ndarray]) -> Path:
    """A folder with more pictures than anybody waits for."""
    folder.mkdir()
    for number, frame in enumerate(frames):
        Image.fromarray(frame).save(folder / f"{number:05}.png")
    for number in range(len(frames), 4000):
        os.link(folder / f"{number % len(frames):05}.png", folder / f"{number:05}.png")
    return folder


@pytest.fixture
def interrupted(bundle: Path, frames: list[np.ndarray], tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Run over an endless folder and send a signal once ``ready`` says so."""
    started: list[subprocess.Popen[str]] = []

    def call(ready: Callable[[], bool], number: int, *outputs: str) -> tuple[int, str]:
        words = ["run", str(bundle), str(endless(tmp_path / "endless", frames)), "--hz", "30"]
        for output in outputs:
            words += ["-o", output]
        process = subprocess.Popen(
            [sys.executable, "-m", "edgefer.cli.main", *words],
            cwd=tmp_path,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        while not ready() and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(number)
        _, text = process.communicate(timeout=60)
        return process.returncode, text

    yield call
    for process in started:
        process.kill()
        process.wait()


@pytest.mark.slow
def test_ctrl_c_leaves_whole_files_of_what_was_done(interrupted: Callable[..., Any], tmp_path: Path) -> None:
    cv2 = pytest.importorskip("cv2")

    def underway() -> bool:
        return (tmp_path / "some.jsonl").is_file() and (tmp_path / "some.jsonl").stat().st_size > 2000

    code, text = interrupted(underway, signal.SIGINT, "some.jsonl", "some.mp4", "some")
    assert code == 130
    lines = [decode_faces(line) for line in (tmp_path / "some.jsonl").read_bytes().splitlines()]
    assert 0 < len(lines) < 4000 and [line["frame"]["id"] for line in lines] == list(range(len(lines)))
    assert cv2.VideoCapture(str(tmp_path / "some.mp4")).get(cv2.CAP_PROP_FRAME_COUNT) == len(lines)
    assert len(list((tmp_path / "some").iterdir())) == len(lines)
    assert f"interrupted: some.jsonl, some.mp4, some hold the first {len(lines)} frames" in text
    assert not list(tmp_path.glob(".some*"))


def test_ctrl_c_before_the_first_frame_leaves_nothing(
    interrupted: Callable[..., Any], tmp_path: Path
) -> None:
    code, _ = interrupted(lambda: True, signal.SIGINT, "some.jsonl")
    assert code in (130, -signal.SIGINT) and not (tmp_path / "some.jsonl").exists()
    assert not list(tmp_path.glob(".some*"))


def test_a_film_that_ends_in_an_error_keeps_what_was_seen(
    bundle: Path, frames: list[np.ndarray], tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    for number, frame in enumerate(frames[:3]):
        Image.fromarray(frame).save(tmp_path / "in" / f"{number}.png")
    (tmp_path / "in" / "3.png").write_bytes(b"cut")
    code, text = refused(bundle, tmp_path / "in", "--hz", "10", "-o", str(tmp_path / "some.jsonl"))
    assert code == 3 and "3.png: cannot be read as an image" in text
    assert f"{tmp_path / 'some.jsonl'} holds the first 3 frames" in text
    assert len((tmp_path / "some.jsonl").read_bytes().splitlines()) == 3


def test_a_video_that_did_not_fit_on_the_disk_is_told(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cv2 = pytest.importorskip("cv2")
    footage = find_footage(str(film))
    with pytest.raises(DataError, match="a video of"), record(tmp_path / "cut.avi", footage) as recording:
        for frame in footage.frames():
            recording.add(frame, None, lambda: frame.image)  # type: ignore[arg-type]  # noqa: B023
        # What a full disk does to it: OpenCV says nothing, and the file ends early.
        release = type(recording._writer).release  # type: ignore[attr-defined]

        class Cut:
            def release(self) -> None:
                release(writer)
                (temporary,) = tmp_path.glob(".cut*")
                os.truncate(temporary, 400)

        writer, recording._writer = recording._writer, Cut()  # type: ignore[attr-defined]
    assert [path.name for path in tmp_path.iterdir()] == ["film.webp"]
    assert cv2


@pytest.mark.parametrize(
    ("source", "words", "code", "found"),
    [
        ("nothing.mp4", (), 2, "no such file"),
        ("film.webp", ("--hz", "5"), 2, "--hz 5"),
        ("film.webp", ("-o", "out.docx"), 2, "out.docx"),
        ("film.webp", ("-o", "film.webp"), 2, "one picture for many frames"),
        ("pictures", ("-o", "out.mp4"), 2, "no film"),
        ("pictures", ("-o", "pictures"), 2, "what is to be read"),
        ("film.webp", ("-o", "pictures"), 2, "there already"),
        ("pictures", ("--live",), 2, "--live"),
        ("film.webp", ("-o", "-", "--json"), 2, "both write to standard output"),
        ("empty", (), 3, "holds no pictures"),
        ("damaged.png", (), 3, "cannot be read as an image"),
        ("damaged.mp4", (), 3, "cannot be read as a video"),
        ("camera:97", (), 7, "camera 97 cannot be opened"),
        ("film.webp", ("-o", "file/below.jsonl"), 3, "cannot be written"),
    ],
)
def test_mistakes_are_explained(
    bundle: Path,
    film: Path,
    frames: list[np.ndarray],
    monkeypatch: pytest.MonkeyPatch,
    source: str,
    words: tuple[str, ...],
    code: int,
    found: str,
) -> None:
    folder = film.parent
    (folder / "empty").mkdir()
    (folder / "pictures").mkdir()
    Image.fromarray(frames[0]).save(folder / "pictures" / "0.png")
    for name in ("damaged.png", "damaged.mp4", "file"):
        (folder / name).write_bytes(b"no picture")
    monkeypatch.chdir(folder)
    exit_code, text = refused(bundle, source, *words)
    assert exit_code == code and found in text, text
    assert not list(folder.rglob(".*"))


def test_without_opencv_videos_are_missed_and_animations_are_not(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    (tmp_path / "film.mp4").write_bytes(b"anything")
    footage = find_footage(str(film))
    assert len(list(footage.frames())) == 6
    for call in (
        lambda: find_footage(str(tmp_path / "film.mp4")),
        lambda: record(tmp_path / "a.mp4", footage).__enter__(),
    ):
        with pytest.raises(MissingError) as caught:
            call()
        assert 'pip install "edgefer-runtime[camera]"' in str(caught.value)


def test_frames_of_a_video_keep_their_size(film: Path, tmp_path: Path) -> None:
    pytest.importorskip("cv2")
    footage = find_footage(str(film))
    frame = next(footage.frames())
    other = footage_module.Frame(frame.image[:100], 1, 0.1, 0)
    with pytest.raises(DataError, match="320 x 100"), record(tmp_path / "a.mp4", footage) as recording:
        for each in (frame, other):
            recording.add(each, None, lambda: each.image)  # type: ignore[arg-type]  # noqa: B023
    assert not (tmp_path / "a.mp4").exists()


def test_sources_by_name() -> None:
    for source in ("camera", "camera:2", "rtsp://robot/stream", "/dev/video3"):
        found = find_footage(source)
        assert found.is_camera and found.total is None
    with pytest.raises(UsageError):
        find_footage("camera2")


def test_the_command_smooths_as_the_runtime_does() -> None:
    assert signature(command).parameters["smoothing"].default == SMOOTHING_S
