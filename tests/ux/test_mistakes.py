"""A user's mistakes: a clear message, the right exit code, no traceback, nothing half-written."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

TEXT = "this is no picture and no network"


def left_behind(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("export", "pattlight"), 2, "pattlite"),
        (("export", "pattlite", "--variant", "batch"), 4, "module 'attention' mixes the faces of a batch"),
        (("export", "pattlite", "--target", "coreml"), 2, "onnxruntime"),
        (("export", "notes.txt"), 3, "checkpoint"),
        (("eval", "pattlite", "--data", "synthfer:trian"), 2, "synthfer:train"),
        (("eval", "pattlite", "--data", "folder:empty"), 3, "empty"),
        (("train", "pattlite", "--data", "folder:empty"), 3, "empty"),
        (("train", "pattlite", "--resume"), 2, "resume"),
        (("bench",), 3, "edgefer export"),
        (("bench", "notes.txt"), 3, "notes.txt"),
        (("bench", "--device", "jetson"), 7, "jetson"),
        (("bench", "--duration", "-1"), 2, "duration"),
        (("models", "resnet"), 2, "pattlite"),
        (("pack", "notes.txt"), 3, "not a bundle"),
        (("pack", "pattlite"), 3, "no such bundle"),
        (("pack", "notes.txt", "--version", "one"), 2, "PEP 440"),
        (("frobnicate",), 2, "frobnicate"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_a_mistake_is_explained(
    edgefer, tmp_path: Path, words: tuple[str, ...], code: int, told: str
) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "notes.txt").write_text(TEXT)
    (tmp_path / "empty").mkdir()
    done = edgefer(*words)
    assert done.returncode == code, done.stderr
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert left_behind(tmp_path) == ["empty", "notes.txt"]


def test_debug_shows_the_traceback(edgefer) -> None:  # type: ignore[no-untyped-def]
    assert "Traceback" in edgefer("--debug", "models", "resnet").stderr


@pytest.mark.parametrize(
    "content", [b"", b"\x80\x04\x95pickle", TEXT.encode()], ids=["empty", "pickle", "text"]
)
def test_a_file_that_is_no_checkpoint(edgefer, tmp_path: Path, content: bytes) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "model.pt").write_bytes(content)
    done = edgefer("eval", "model.pt", "--data", "synthfer:test[:1]")
    assert done.returncode == 3
    assert "model.pt" in done.stderr


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        (("datasets", "show", "synthfer:train-large[:2100]"), 4.0),
        (("train", "pattlite", "--data", "synthfer:train[:140]", "--validation", "synthfer:val[:70]"), 15.0),
        (
            (
                "export",
                "pattlite",
                "--int8",
                "--data",
                "synthfer:eval[:70]",
                "--calibration",
                "synthfer:train[:140]",
            ),
            9.0,
        ),
    ],
    ids=["rendering", "training", "export"],
)
def test_ctrl_c_leaves_nothing_half_written(tmp_path: Path, words: tuple[str, ...], seconds: float) -> None:
    environment = {**os.environ}
    if words[0] == "datasets":
        environment["EDGEFER_CACHE"] = str(tmp_path / "cache")
    process = subprocess.Popen(
        [sys.executable, "-m", "edgefer.cli.main", *words],
        cwd=tmp_path,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    time.sleep(seconds)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the whole group
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130, told
    assert "Traceback" not in told
    names = [Path(name).name for name in left_behind(tmp_path)]
    assert not [name for name in names if name.startswith(".")], "temporary files are left"
    assert not (tmp_path / "runs/pattlite/onnxruntime-int8").exists()


@pytest.mark.parametrize(
    "words",
    [
        ("datasets", "show", "synthfer:test[:70]"),
        (
            "train",
            "pattlite",
            "--data",
            "synthfer:train[:70]",
            "--validation",
            "synthfer:val[:35]",
            "--epochs",
            "1",
        ),
        ("export", "pattlite", "--data", "synthfer:eval[:35]"),
    ],
    ids=["rendering", "training", "export"],
)
def test_a_disk_that_takes_no_more_is_told_and_leaves_nothing(tmp_path: Path, words: tuple[str, ...]) -> None:
    """The kernel refuses every write past a megabyte, as a full disk would."""
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    if words[0] == "datasets":
        environment["EDGEFER_CACHE"] = str(tmp_path / "cache")
    done = subprocess.run(
        [sys.executable, "-m", "edgefer.cli.main", *words],
        cwd=tmp_path,
        env=environment,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20)),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 3, done.stderr
    assert "cannot be written" in done.stderr or "disk" in done.stderr
    assert "Traceback" not in done.stderr
    assert not [path for path in tmp_path.rglob("*") if path.is_file()], "something half-written is left"
