"""``python -m edgefer_runtime``: answers, exit codes, and no traceback for a user's mistake."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from edgefer_runtime.__main__ import main
from edgefer_runtime.bundle import Bundle, pack_zip
from edgefer_runtime.errors import DataError


@pytest.fixture
def red(tmp_path: Path) -> Path:
    Image.new("RGB", (30, 40), (255, 0, 0)).save(tmp_path / "red.png")
    return tmp_path / "red.png"


def test_predict_as_a_robot_calls_it(bundle: Bundle, red: Path, tmp_path: Path) -> None:
    packed = pack_zip(bundle, tmp_path / "tiny.edgefer")
    command = [sys.executable, "-m", "edgefer_runtime", "predict", str(packed), str(red), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    answer = json.loads(done.stdout)
    assert answer["label"] == "happiness" and answer["provider"] == "CPUExecutionProvider"
    assert answer["probabilities"]["happiness"] == pytest.approx(0.9647, abs=1e-3)
    assert answer["doubt"] == "this does not look like a face crop: no face was found in it"
    assert answer["doubt"] in done.stderr and "edgefer run" in done.stderr


def test_predict_ranks_the_classes(bundle: Bundle, red: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", str(bundle.path), str(red), "--threads", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["happiness", "96.5%"] and len(lines) == 3


def test_a_device_that_is_not_here_is_told_by_exit_code(
    bundle: Bundle, red: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [str(bundle.path), "--device", "CUDA"]
    assert main(["predict", *words, str(red)]) == main(["probe", *words]) == 7
    assert "CUDAExecutionProvider" in capsys.readouterr().err
    assert main(["probe", *words, "--allow-fallback"]) == 0
    assert "CPUExecutionProvider" in capsys.readouterr().out


def test_verify_believes_no_file(bundle: Bundle, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(bundle.path)]) == 0
    assert "tiny onnxruntime-fp32, 1 engine files" in capsys.readouterr().out
    assert main(["verify", str(bundle.path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["manifest"]["schema"] == "edgefer.bundle/1"
    bundle.entry.write_bytes(b"altered")
    assert main(["verify", str(bundle.path)]) == 3
    assert "model.onnx has 7 bytes" in capsys.readouterr().err


def test_probe_and_environment_answer(bundle: Bundle, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["probe", str(bundle.path), "--threads", "1"]) == 0
    assert "CPUExecutionProvider, 1 threads" in capsys.readouterr().out
    assert main(["environment", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["cores"] >= 1
    assert main(["environment"]) == 0
    assert "kernel" in capsys.readouterr().out


def test_mistakes_have_their_exit_code_and_no_traceback(
    make_bundle: Callable[..., Bundle],
    red: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bundle = make_bundle()
    text = tmp_path / "text.png"
    text.write_text("not a face")
    cuda = make_bundle(batch=None, options={"provider": "CUDAExecutionProvider"})
    mistakes = [
        (["predict", str(bundle.path), str(text)], 3, "cannot be read as an image"),
        (["predict", str(text), str(red)], 3, "not a bundle"),
        (["predict", str(tmp_path / "nowhere"), str(red)], 3, "no such bundle"),
        (["predict", str(bundle.path), str(red), "--threads", "0"], 2, "0 threads"),
        (["probe", str(cuda.path)], 7, "CUDAExecutionProvider"),
    ]
    for words, code, message in mistakes:
        assert main(words) == code
        captured = capsys.readouterr()
        assert message in captured.err and "Traceback" not in captured.err and not captured.out
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert main(["predict", str(bundle.path), str(red)]) == 6
    assert 'pip install "edgefer-runtime[onnxruntime]"' in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "PIL", None)
    assert main(["predict", str(bundle.path), str(red)]) == 6
    assert 'pip install "edgefer-runtime[images]"' in capsys.readouterr().err


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        main(["verify", str(tmp_path), "--debug"])


def test_wrong_words_are_usage_errors(capsys: pytest.CaptureFixture[str]) -> None:
    for words in ([], ["fly"], ["predict"], ["verify", "a", "b"]):
        with pytest.raises(SystemExit) as caught:
            main(words)
        assert caught.value.code == 2
    assert "usage: python -m edgefer_runtime" in capsys.readouterr().err


def test_interrupting_is_130(
    bundle: Bundle, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Bundle, "open", interrupted)
    assert main(["verify", str(bundle.path)]) == 130
    assert capsys.readouterr().err == "interrupted\n"
