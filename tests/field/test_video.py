"""Films: when their frames are shown, whether they are whole, and JSON lines that are safe to the last one.

The videos are ffmpeg's own, and ffprobe says when each frame is shown.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edgefer.pipeline.containers import Declared, read_declared
from edgefer.pipeline.footage import find_footage
from edgefer.pipeline.recording import record
from edgefer.pipeline.video import Clock, missing_of
from edgefer_runtime import Classifier, FaceAnalyzer
from edgefer_runtime.errors import DataError
from edgefer_runtime.faces import Detection
from edgefer_runtime.messages.schema import decode_faces

pytest.importorskip("cv2", reason="NOT TESTED: no OpenCV")
needs_ffmpeg = pytest.mark.skipif(
    not (shutil.which("ffmpeg") and shutil.which("ffprobe")), reason="NOT TESTED: apt install ffmpeg"
)

PATTERN = "-f lavfi -i testsrc=size=128x96:rate={}:duration=2"
VARIABLE = "-vf select='not(between(n,10,30))*not(eq(mod(n,7),3))' -fps_mode vfr"
COMMAND = (sys.executable, "-m", "edgefer.cli.main", "run")
X264, VP9 = "-c:v libx264", "-c:v libvpx-vp9 -deadline realtime -cpu-used 8"
FILMS = {
    "variable.mp4": f"{PATTERN.format(30)} {VARIABLE} {X264} -bf 0",
    "variable-b-frames.mp4": f"{PATTERN.format(30)} {VARIABLE} {X264} -bf 3",
    "variable-b-frames.mkv": f"{PATTERN.format(30)} {VARIABLE} {X264} -bf 3",
    "variable-mpeg4.mp4": f"{PATTERN.format(30)} {VARIABLE} -c:v mpeg4",
    "variable.webm": f"{PATTERN.format(30)} {VARIABLE} {VP9}",
    "variable-mjpeg.mkv": f"{PATTERN.format(30)} {VARIABLE} -c:v mjpeg",
    "slow-motion.mov": f"{PATTERN.format(60)} -vf setpts='if(lt(N,30),N,4*N-90)/60/TB' -fps_mode vfr {X264}",
    "ntsc.mp4": f"{PATTERN.format('24000/1001')} {X264} -bf 3",
    "ntsc.avi": f"{PATTERN.format('24000/1001')} -c:v mpeg4",
    "ntsc.webm": f"{PATTERN.format('24000/1001')} {VP9}",
    "begins-at-5.mp4": f"{PATTERN.format(30)} -vf setpts=PTS+5/TB {X264} -bf 3",
    "begins-at-5.mkv": f"{PATTERN.format(30)} -vf setpts=PTS+5/TB {X264} -bf 3",
    "transport.ts": f"{PATTERN.format(30)} {X264} -bf 3",
    "program.mpg": f"{PATTERN.format(30)} -c:v mpeg2video -bf 2",
    "b-frames.avi": f"{PATTERN.format(30)} -c:v mpeg4 -bf 2",
    "fragments.mp4": f"{PATTERN.format(30)} {X264} -bf 3 -movflags frag_keyframe+empty_moov",
    "late.webm": f"-itsoffset 0.5 {PATTERN.format(30)} -f lavfi -i sine=duration=2 {VP9} -c:a libopus",
    "late.mp4": f"-itsoffset 0.5 {PATTERN.format(30)} -f lavfi -i sine=duration=3 {X264} -c:a aac",
}


def ffmpeg(words: str, path: Path) -> Path:
    """A video that ffmpeg makes."""
    subprocess.run(["ffmpeg", "-v", "error", "-y", *words.split(), str(path)], check=True)
    return path


def shown_s(path: Path) -> list[float]:
    """When each frame is shown, by ffprobe, counted from the first; NaN where it does not know."""
    words = "ffprobe -v error -select_streams v:0 -show_entries frame=best_effort_timestamp_time -of json"
    done = subprocess.run([*words.split(), str(path)], capture_output=True, check=True)
    frames = json.loads(done.stdout)["frames"]
    times = [float(frame.get("best_effort_timestamp_time", "nan")) for frame in frames]
    return [each - times[0] for each in times]


@pytest.fixture
def run(colour_bundle: Path) -> Callable[..., tuple[int, str, str]]:
    """``run(source, *words)`` in a process of its own: code, standard output, standard error."""

    def call(source: Path, *words: str, **options: Any) -> tuple[int, str, str]:
        done = subprocess.run(
            [*COMMAND, str(colour_bundle), str(source), *words],
            capture_output=True,
            text=True,
            timeout=300,
            **options,
        )
        return done.returncode, done.stdout, done.stderr

    return call


@needs_ffmpeg
@pytest.mark.parametrize("name", FILMS)
def test_frames_have_the_times_at_which_they_are_shown(name: str, tmp_path: Path) -> None:
    """Variable rates: number over mean rate was up to 1.7 s off (opencv #8834, #15749).

    Right: ffprobe's presentation times, counted from the first frame, to a millisecond; they never fall.
    """
    path = ffmpeg(FILMS[name], tmp_path / name)
    footage = find_footage(str(path))
    frames = list(footage.frames())
    times = [frame.time_s for frame in frames]
    truth = shown_s(path)
    assert len(times) == len(truth) and np.isnan(truth).sum() <= 1
    known = ~np.isnan(truth)
    assert np.array(times)[known] == pytest.approx(np.array(truth)[known], abs=0.0011)
    assert times == sorted(times) and footage.times == "container"
    assert [frame.captured_ns for frame in frames] == [round((each or 0) * 1e9) for each in times]


@needs_ffmpeg
def test_a_cut_with_hidden_frames_is_whole(tmp_path: Path) -> None:
    """A copy that begins between key frames hides its first ones (edit list): nothing is missing there."""
    whole = ffmpeg(f"{PATTERN.format(30)} {X264} -bf 3 -g 15", tmp_path / "whole.mp4")
    cut = ffmpeg(f"-ss 0.7 -i {whole} -c copy", tmp_path / "cut.mp4")
    assert [frame.time_s for frame in find_footage(str(cut)).frames()] == pytest.approx(
        shown_s(cut), abs=0.0011
    )


@needs_ffmpeg
@pytest.mark.slow
def test_a_film_without_times_has_its_mean_rate_and_says_so(
    run: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    """A bare H.264 stream tells no times at all. Right: the mean rate, and a word about it."""
    bare = ffmpeg(f"{PATTERN.format(25)} {X264} -bf 2", tmp_path / "bare.h264").rename(tmp_path / "bare.mp4")
    footage = find_footage(str(bare))
    times = [frame.time_s for frame in footage.frames()]
    assert times == pytest.approx([number / 25 for number in range(50)]) and footage.times == "mean rate"
    code, out, err = run(bare, "--json")
    assert code == 0 and json.loads(out)["times"] == "mean rate", err
    code, out, err = run(bare, "--seconds", "0")
    assert code == 0 and "times are those of its mean rate" in err


@pytest.mark.parametrize(
    ("positions", "times"),
    [
        ([5.0, 5.1, 5.3], [0, 0.1, 0.3]),
        ([0.0, 0.1, 0.1, 0.2], [0, 0.1, 0.1, 0.2]),
        ([0.0, 0.2, 0.1, 0.3], [0, 0.2, 0.2, 0.3]),
        ([0.0, 9.0, 0.0, 0.5], [0, 9, 9.04, 9.54]),  # two recordings, one behind the other
        ([0.0, float("nan"), 0.08], [0, 0.04, 0.08]),
        ([0.0, float("inf"), 0.08], [0, 0.04, 0.08]),
    ],
)
def test_times_never_fall_and_are_finite(positions: list[float], times: list[float]) -> None:
    """Whatever a decoder tells: smoothing and tracking divide by what passes between two frames."""
    clock = Clock(0.04)
    assert [clock(position) for position in positions] == pytest.approx(times)


@needs_ffmpeg
@pytest.mark.slow
def test_lines_and_video_carry_the_times(run: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    """A film of variable rate was written at a steady one, and frames of its fast parts were left out."""
    path = ffmpeg(FILMS["variable-b-frames.mp4"], tmp_path / "variable.mp4")
    code, _, err = run(path, "-o", str(tmp_path / "seen.mp4"), "-o", str(tmp_path / "faces.jsonl"))
    assert code == 0, err
    truth = shown_s(path)
    lines = [decode_faces(line) for line in (tmp_path / "faces.jsonl").read_bytes().splitlines()]
    assert [line["frame"]["captured_ns"] / 1e9 for line in lines] == pytest.approx(truth, abs=0.0011)
    written = find_footage(str(tmp_path / "seen.mp4"))
    pictures = [frame for frame in written.frames() if frame.time_s is not None]
    original = list(find_footage(str(path)).frames())
    for frame, time_s in zip(original, truth, strict=True):
        (near,) = [each for each in pictures if abs((each.time_s or 0.0) - time_s) < 0.5 / 30]
        assert np.abs(near.image.astype(int) - frame.image.astype(int)).mean() < 8, time_s
    assert pictures[-1].time_s == pytest.approx(truth[-1], abs=0.04)


@pytest.mark.parametrize("ending", ["gif", "webp", "png"])
def test_animations_have_their_own_durations(ending: str, tmp_path: Path) -> None:
    """Each frame of a GIF, WebP or APNG says how long it is shown; where it does not, a tenth of a second."""
    durations = [40, 500, 0, 120, 30]
    shades = [Image.new("RGB", (64, 48), (40 * number, 80, 200)) for number in range(5)]
    path = tmp_path / f"film.{ending}"
    shades[0].save(path, save_all=True, append_images=shades[1:], duration=durations)
    times = [frame.time_s for frame in find_footage(str(path)).frames()]
    assert times == pytest.approx([0, 0.04, 0.54, 0.64, 0.76])


def cut(path: Path, share: float) -> Path:
    """The same file without its end."""
    shorter = path.with_name(f"cut-{path.name}")
    shorter.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    return shorter


def emptied(path: Path, share: float) -> Path:
    """The same file with zeros for an end: what a broken download or a failing card leaves."""
    content = path.read_bytes()
    keep = int(share * len(content))
    holed = path.with_name(f"emptied-{path.name}")
    holed.write_bytes(content[:keep] + bytes(len(content) - keep))
    return holed


CUTTABLE = {
    "film.mp4": f"{X264} -bf 3 -movflags +faststart",
    "film.mov": "-c:v mpeg4 -movflags +faststart",
    "film.mkv": f"{X264} -bf 3",
    "film.webm": VP9,
    "film.avi": "-c:v mjpeg",
}


@needs_ffmpeg
@pytest.mark.parametrize("name", CUTTABLE)
@pytest.mark.parametrize("damage", [cut, emptied])
def test_a_film_that_is_cut_is_an_error_after_its_last_frame(
    name: str, damage: Callable[[Path, float], Path], tmp_path: Path
) -> None:
    """22 of 65 frames, and exit code 0. Right: all that is there, then an error: how many of how many."""
    whole = ffmpeg(f"-f lavfi -i testsrc=size=160x120:rate=30:duration=4 {CUTTABLE[name]}", tmp_path / name)
    assert len(list(find_footage(str(whole)).frames())) == 120
    seen = 0
    with pytest.raises(DataError) as caught:
        for _ in find_footage(str(damage(whole, 0.45))).frames():
            seen += 1
    assert 5 < seen < 115 and f"{seen} of " in caught.value.found and "120 frames" in caught.value.found


@needs_ffmpeg
@pytest.mark.slow
def test_a_cut_films_run_keeps_what_was_seen(
    run: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    """The same through the command: exit code 3, with lines and video of the frames before, whole."""
    pattern = "-f lavfi -i testsrc=size=160x120:rate=30:duration=2"
    path = cut(ffmpeg(f"{pattern} {CUTTABLE['film.mp4']}", tmp_path / "film.mp4"), 0.5)
    code, _, err = run(path, "-o", str(tmp_path / "seen.mp4"), "-o", str(tmp_path / "faces.jsonl"))
    lines = [decode_faces(line) for line in (tmp_path / "faces.jsonl").read_bytes().splitlines()]
    assert code == 3 and f"{len(lines)} of 60 frames" in err and "bytes" in err, err
    assert len(err.splitlines()) < 15, "the decoder's own thousands of lines are not the user's"
    assert len(shown_s(tmp_path / "seen.mp4")) == len(lines) > 5


@needs_ffmpeg
@pytest.mark.parametrize("words", ["", "-f lavfi -i sine=duration=5 -c:a libopus"])
def test_films_that_were_written_as_a_stream_are_whole(words: str, tmp_path: Path) -> None:
    """WebM from a pipe tells no length, and one with longer sound a length that is not its pictures'."""
    path = tmp_path / "stream.webm"
    source = f"{PATTERN.format(30)} {words}"
    if words:
        ffmpeg(f"{source} {VP9}", path)
    else:
        parts = f"ffmpeg -v error {source} {VP9} -f webm -".split()
        path.write_bytes(subprocess.run(parts, capture_output=True, check=True).stdout)
    assert len(list(find_footage(str(path)).frames())) == 60
    assert read_declared(path).duration_s is None


@needs_ffmpeg
def test_a_damaged_head_is_no_crash(tmp_path: Path) -> None:
    """Bytes of a head that are anything: what cannot be read says nothing."""
    random = np.random.default_rng(7)
    for name, words in CUTTABLE.items():
        path = ffmpeg(f"{PATTERN.format(10)} {words}", tmp_path / name)
        content = np.frombuffer(path.read_bytes(), np.uint8)
        for _ in range(150):
            damaged = content[: random.integers(1, len(content))].copy()
            places = random.integers(0, min(len(damaged), 1500), 6)
            damaged[places] = random.integers(0, 256, 6)
            path.write_bytes(damaged.tobytes())
            assert isinstance(read_declared(path), Declared)


def test_estimates_are_judged_generously() -> None:
    """A last frame may be shown for long, and an estimate is no promise."""
    assert (
        missing_of(
            Declared(),
            10,
            0.4,
            25,
        )
        is None
    )
    assert missing_of(Declared(0, None, 10.0), 200, 8.0, 25) is None
    assert missing_of(Declared(0, None, 10.0), 100, 4.0, 25) == "about 250"
    assert missing_of(Declared(0, 250, 10.0), 240, 9.6, 25) is None
    assert missing_of(Declared(0, 250, 10.0), 200, 8.0, 25) == "250"
    assert missing_of(Declared(9, 250, 10.0), 249, 9.96, 25) == "250"
    assert missing_of(Declared(9, 250, 10.0), 250, 10.0, 25) is None


def folder_of(count: int, folder: Path) -> Path:
    """A folder with so many pictures."""
    folder.mkdir()
    Image.new("RGB", (160, 120), (200, 40, 40)).save(folder / "00000.png")
    for number in range(1, count):
        os.link(folder / "00000.png", folder / f"{number:05}.png")
    return folder


@pytest.mark.slow
def test_json_lines_survive_a_kill(colour_bundle: Path, tmp_path: Path) -> None:
    """A power cut or `kill -9` lost all lines: they lay in a hidden file. Right: whole lines, to the last."""
    source, output = folder_of(3000, tmp_path / "in"), tmp_path / "faces.jsonl"
    output.write_text("an older run's\n")
    process = subprocess.Popen(
        [*COMMAND, str(colour_bundle), str(source), "--hz", "30", "-o", str(output)],
        stderr=subprocess.DEVNULL,
    )
    until = time.monotonic() + 100
    while output.stat().st_size < 3000 and process.poll() is None:
        assert output.read_text() == "an older run's\n" or output.read_bytes().endswith(b"\n")
        assert time.monotonic() < until
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    content = output.read_bytes()
    assert content.endswith(b"\n")
    lines = [decode_faces(line) for line in content.splitlines()]
    assert [line["frame"]["id"] for line in lines] == list(range(len(lines))) and len(lines) > 5


@pytest.mark.slow
def test_a_full_disk_keeps_whole_lines_and_is_told(
    run: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    """A full disk lost all lines. Right: the whole ones stay, exit code 3, and the message counts them.

    The system's limit on a file's size stops a write in its middle, as a full disk does.
    """
    source, output = folder_of(60, tmp_path / "in"), tmp_path / "faces.jsonl"

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))

    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    code, _, err = run(source, "--hz", "30", "-o", str(output), preexec_fn=limit, env=environment)
    lines = [decode_faces(line) for line in output.read_bytes().splitlines()]
    assert output.read_bytes().endswith(b"\n") and 3 < len(lines) < 60
    assert (
        code == 3 and f"{output}: cannot be written" in err and f"first {len(lines)} lines are whole" in err
    )
    assert f"holds the first {len(lines)} frames" in err and "Traceback" not in err


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="NOT TESTED: no /dev/full")
def test_a_full_disk_behind_standard_output_is_told(colour_bundle: Path, tmp_path: Path) -> None:
    """The same where the shell writes the file: no traceback, no second complaint as Python ends."""
    source = folder_of(3, tmp_path / "in")
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*COMMAND, str(colour_bundle), str(source), "-o", "-"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=200,
        )
    assert done.returncode == 3 and "standard output: cannot be written (No space left" in done.stderr
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr


def test_a_run_without_a_line_leaves_what_was_there(tmp_path: Path) -> None:
    """A run that fails before its first frame is no reason to lose the last one's lines."""
    film = tmp_path / "film.gif"
    shades = [Image.new("RGB", (64, 48), (90 * number, 80, 200)) for number in range(2)]
    shades[0].save(film, save_all=True, append_images=shades[1:], duration=100)
    (tmp_path / "faces.jsonl").write_text("kept\n")
    with record(tmp_path / "faces.jsonl", find_footage(str(film))):
        pass
    assert (tmp_path / "faces.jsonl").read_text() == "kept\n"
    assert {path.name for path in tmp_path.iterdir()} == {"film.gif", "faces.jsonl"}


FRAME = np.full((90, 160, 3), 100, np.uint8)


@pytest.mark.parametrize(
    "box",
    [(-50, 10, -1, 40), (160, 10, 200, 40), (10, -40, 40, 0), (10, 90, 40, 130), (1e6, 1e6, 2e6, 2e6)],
)
def test_a_box_outside_the_frame_is_refused(colour_bundle: Path, box: tuple[float, ...]) -> None:
    """A box that shares no pixel with its frame was given a label. Right: an error that names both."""
    with Classifier.open(colour_bundle) as classifier:
        analyzer = FaceAnalyzer(classifier, None)
        for look in (analyzer, analyzer.analyze):
            with pytest.raises(DataError, match="outside its frame") as caught:
                look(FRAME, boxes=[(10, 10, 40, 40), box])
            assert "160 x 90" in str(caught.value)
            assert look(FRAME, boxes=[(-20, 10, 1, 40)])[0].label, "a part of it is inside"


def test_a_face_that_has_left_the_frame_is_no_longer_labelled(colour_bundle: Path) -> None:
    """Between two detections a face's box moves on, over the border and beyond: there is nobody to label."""
    places = iter([(130.0, 20.0, 158.0, 48.0), (131.0, 20.0, 159.0, 48.0), (700.0, 20.0, 728.0, 48.0)])

    def detector(frame: np.ndarray) -> list[Detection]:
        return [Detection(np.array(next(places), np.float32), None, 1.0)]

    with Classifier.open(colour_bundle) as classifier:
        analyzer = FaceAnalyzer(classifier, detector, detect_every=2, smoothing_s=0)
        found = [len(analyzer(FRAME, time_s=time_s)) for time_s in (0.0, 0.001, 0.002, 0.2, 0.3)]
    assert found == [1, 1, 1, 0, 0]


@pytest.mark.parametrize("time_s", [float("nan"), float("inf"), -float("inf"), 0.9, "soon", 10**400])
def test_a_time_that_cannot_be_is_refused(colour_bundle: Path, time_s: Any) -> None:
    """`time_s=nan`, infinite or falling gave labels all the same. Right: an error, and the tracks stay."""
    with Classifier.open(colour_bundle) as classifier:
        analyzer = FaceAnalyzer(classifier, None)
        for before in (0.9, 1.0, 1.0):
            (face,) = analyzer(FRAME, boxes=[(10, 10, 40, 40)], time_s=before)
        with pytest.raises(DataError, match="time_s="):
            analyzer(FRAME, boxes=[(10, 10, 40, 40)], time_s=time_s)
        (again,) = analyzer(FRAME, boxes=[(10, 10, 40, 40)], time_s=np.float64(1.1))
        assert again.track == face.track is not None
        analyzer.reset()
        assert analyzer(FRAME, boxes=[(10, 10, 40, 40)], time_s=0.0)
