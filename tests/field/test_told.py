"""Silence: off a terminal a long command says what it is at, a line a stage; and it ends well when told to.

Where they came from: an export in a log file stood for five minutes at "0/3"; SIGTERM left a temporary folder
of an export behind; a full disk under `>` ended in a traceback.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edgefer.cli._ending import Terminated, unwinding
from edgefer.cli._progress import StageLines

FACES = "synthfer:eval[:70]"


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def report(told: list[str], clock: Clock) -> StageLines:
    return StageLines(told.append, clock)


def test_a_stage_is_told_when_it_begins_and_how_much_there_is(report: StageLines, told: list[str]) -> None:
    report("faces", 0, 3500)
    report("faces", 1, 3500)
    report("build", 0, 1)
    assert told == ["faces: 3,500", "build"]


def test_a_long_stage_says_how_many_minutes_are_left(
    report: StageLines, told: list[str], clock: Clock
) -> None:
    for done in range(0, 1001, 10):
        clock.now_s = done * 0.6
        report("faces", done, 1000)
    assert told[0] == "faces: 1,000" and told[-1] == "faces: done in 10 min"
    assert "faces: 100 of 1,000, about 9 min left" in told
    assert 15 < len(told) < 25, "one every half minute"


def test_a_short_stage_has_no_second_line(report: StageLines, told: list[str]) -> None:
    for done in range(101):
        report("faces", done, 100)
    report("faces", 100, 100)
    assert told == ["faces: 100"]


def test_what_is_at_hand_already_is_not_told(report: StageLines, told: list[str]) -> None:
    report("faces", 3500, 3500)
    assert told == []


def test_a_stage_of_unknown_length_counts(report: StageLines, told: list[str], clock: Clock) -> None:
    report("frames", 1, 0)
    clock.now_s = 40
    report("frames", 900, 0)
    assert told == ["frames: 1", "frames: 900"]


def test_stages_of_several_hosts_go_on_side_by_side(
    report: StageLines, told: list[str], clock: Clock
) -> None:
    for done in range(3):
        clock.now_s = 31.0 * done
        for host in ("a", "b"):
            report(f"{host}: timing", done, 10)
    assert [line.partition(":")[0] for line in told] == ["a", "b"] * 3


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A small export with --json in a folder of its own."""
    place = tmp_path_factory.mktemp("exported")
    words = ("export", "pattlite", "--int8", "--target", "onnxruntime", "--no-timing", "--json")
    words += ("--data", FACES, "--calibration", "synthfer:train[:140]")
    command = [sys.executable, "-m", "edgefer.cli.main", *words]
    return place, subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=600)


@pytest.mark.slow
def test_an_export_in_a_log_says_what_it_is_at(
    exported: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    """Right: a line for each engine's steps on standard error, and clean JSON on standard output."""
    done = exported[1]
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)) == 2
    lines = done.stderr.splitlines()
    steps = [
        "pattlite: export to ONNX",
        "pattlite: check the ONNX file",
        "onnxruntime fp32 (1 of 2): build",
        "onnxruntime fp32 (1 of 2): check",
        "onnxruntime int8 (2 of 2): quantize",
        "onnxruntime int8 (2 of 2): build",
        "onnxruntime int8 (2 of 2): check",
    ]
    assert [line for line in lines if line in steps] == steps, lines
    assert not any("0/" in line or "\r" in line or "\x1b" in line for line in lines)


@pytest.mark.slow
def test_a_bench_in_a_log_says_what_it_is_at(
    exported: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    bundles = sorted((exported[0] / "runs/pattlite").glob("*/manifest.json"))
    words = ("bench", *(str(path.parent) for path in bundles), "--data", FACES, "--duration", "0.3")
    command = [sys.executable, "-m", "edgefer.cli.main", *words]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    assert "open engines: 2" in lines
    assert any(line.startswith("records: ") for line in lines)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=["SIGTERM", "SIGHUP"])
def test_a_signal_unwinds_and_a_second_does_not_disturb(number: signal.Signals) -> None:
    """Right: what removes files runs to its end, whatever comes meanwhile; then all is as before."""
    before, tidied = signal.getsignal(number), []
    with pytest.raises(Terminated) as stop, unwinding():
        try:
            os.kill(os.getpid(), number)
            time.sleep(5)
        finally:
            os.kill(os.getpid(), number)
            tidied.append(True)
    assert (stop.value.number, tidied) == (number, [True])
    assert signal.getsignal(number) is before


def test_a_signal_that_is_ignored_from_outside_stays_ignored() -> None:
    """`nohup edgefer train` goes on when the terminal is closed."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with unwinding():
            os.kill(os.getpid(), signal.SIGHUP)
            time.sleep(0.1)
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "as_json"), [(signal.SIGTERM, False), (signal.SIGHUP, True)], ids=["SIGTERM", "SIGHUP as JSON"]
)
def test_an_export_that_is_told_to_end_leaves_nothing(
    tmp_path: Path, number: signal.Signals, as_json: bool
) -> None:
    """Right: no temporary folder, 128 + the signal's number, and one line."""
    (place := tmp_path / "here").mkdir()
    (temporary := tmp_path / "tmp").mkdir()
    words = ["export", "pattlite", "--data", FACES, *(["--json"] if as_json else [])]
    process = subprocess.Popen(
        [sys.executable, "-m", "edgefer.cli.main", *words],
        cwd=place,
        env={**os.environ, "TMPDIR": str(temporary)},
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 400
    try:
        while not list(temporary.glob("edgefer-export-*")):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(number)
        told = process.communicate(timeout=120)[1]
    finally:
        process.kill()
    assert process.returncode == 128 + number, told
    left = {path.name for path in temporary.iterdir() if not path.name.startswith("torchinductor_")}
    assert not left and not list(place.rglob("*.onnx"))  # torch keeps a folder of its own, with or without
    last = told.splitlines()[-1]
    assert "Traceback" not in told
    if as_json:
        assert json.loads(last)["exit_code"] == 128 + number
    else:
        assert last == f"terminated by {number.name}: nothing half-written was left behind"


@pytest.mark.parametrize("line", ["models", "models pattlite", "devices", "datasets", "doctor", "--help"])
def test_a_reader_that_left_is_no_failure(line: str) -> None:
    """`edgefer models | true` under `set -o pipefail`. Right: exit code 0 and nothing on standard error."""
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "edgefer.cli.main", *line.split()],
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        timeout=120,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_failure_stays_one_although_nobody_reads_the_result(tmp_path: Path) -> None:
    """`edgefer datasets check FOLDER | head -1`. Right: exit code 3, as without the pipe."""
    for name, faces in (("happy", 1), ("sad", 0)):
        (tmp_path / name).mkdir()
        for number in range(faces):
            (tmp_path / name / f"{number}.png").write_bytes(b"no picture")
    command = [sys.executable, "-m", "edgefer.cli.main", "datasets", "check", str(tmp_path)]
    read = subprocess.run(command, capture_output=True, text=True, timeout=120)
    reader, writer = os.pipe()
    os.close(reader)
    unread = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, timeout=120)
    os.close(writer)
    assert read.returncode == unread.returncode == 3, read.stdout + read.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
@pytest.mark.parametrize("words", [("models",), ("models", "--json"), ("devices",)])
def test_a_full_disk_under_standard_output_is_told(words: tuple[str, ...]) -> None:
    """Right: exit code 3 and what to do, no traceback."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "edgefer.cli.main", *words],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=120,
        )
    assert done.returncode == 3 and "standard output" in done.stderr
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr


def test_the_help_fits_a_terminal_of_80_columns() -> None:
    """12 of 16 summaries were cut. Right: every one whole, 45 characters at most, grouped."""
    done = subprocess.run(
        [sys.executable, "-m", "edgefer.cli.main", "--help"],
        env={**os.environ, "COLUMNS": "80"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    headings = [line for line in lines if line.endswith(":") and line[0] != " "]
    assert headings == ["Options:", "Data:", "Train:", "Export:", "Measure:", "Run:"]
    summaries = [line.split(None, 1)[1] for line in lines[lines.index("Data:") :] if line.startswith("  ")]
    assert len(summaries) == 16 and max(map(len, summaries)) <= 45
    assert not any("..." in summary for summary in summaries)
