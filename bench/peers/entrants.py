"""Who enters, each in an environment of its own, and what came of it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import venv
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from edgefer_runtime.files import write_whole
from peers.tools import contract

HERE = Path(__file__).parent
TOOLS, REQUIREMENTS = HERE / "tools", HERE / "requirements"
RUNTIME = HERE.parents[1] / "runtime"
LIMIT_S = 900
INSTALL_LIMIT_S = 1800


@dataclass(frozen=True)
class Entrant:
    """A way to quantize.

    Attributes:
        name: of its script in :data:`TOOLS`.
        title: what tables call it.
        target: where its model is meant to run, ``"onnxruntime"`` or ``"openvino"``.
        environment: its file in :data:`REQUIREMENTS`; "" runs it in this interpreter.
    """

    name: str
    title: str
    target: str
    environment: str = ""


OURS = (
    Entrant("edgefer_onnxruntime", "edgefer", "onnxruntime"),
    Entrant("edgefer_openvino", "edgefer", "openvino"),
)
PEERS = (
    Entrant("onnxruntime_default", "ONNX Runtime, default", "onnxruntime", "onnxruntime"),
    Entrant("onnxruntime_recommended", "ONNX Runtime, as its guide says", "onnxruntime", "onnxruntime"),
    Entrant("olive_static", "Olive, static quantization", "onnxruntime", "olive"),
    Entrant("neural_compressor", "ONNX Neural Compressor", "onnxruntime", "neural_compressor"),
    Entrant("quark_u8s8", "AMD Quark, U8S8", "onnxruntime", "quark"),
    Entrant("aimet_default", "AIMET", "onnxruntime", "aimet"),
    Entrant("nncf_openvino", "NNCF on OpenVINO, default", "openvino", "nncf"),
    Entrant("nncf_onnx", "NNCF on ONNX, default", "openvino", "nncf"),
    Entrant("nncf_accuracy_control", "NNCF, accuracy control", "openvino", "nncf"),
)


@dataclass(frozen=True)
class Outcome:
    """What came of an entrant.

    Attributes:
        entrant: who.
        model: what it wrote; None when it failed.
        failure: why there is no model, in one line; "" when there is one.
        result: its ``result.json``; empty when it failed.
    """

    entrant: Entrant
    model: Path | None
    failure: str = ""
    result: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The outcome as a JSON object, without the place of its model."""
        return {"entrant": asdict(self.entrant), "failure": self.failure, **self.result}


def enter(entrant: Entrant, given: Path, out: Path, cache: Path, *, limit_s: float = LIMIT_S) -> Outcome:
    """Let ``entrant`` quantize what is in ``given``; whatever goes wrong is told, not raised.

    What another tool made of the same files before is taken as it is.

    Args:
        entrant: who.
        given: a folder by :func:`peers.handover.hand_over`.
        out: its folder; emptied first.
        cache: where environments are kept.
        limit_s: seconds it may take, its environment aside.
    """
    stamp, digest = out / "given.sha256", _digest(entrant, given)
    if not entrant.environment or not stamp.exists() or stamp.read_text() != digest:
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        if failure := _run(entrant, given, out, cache, limit_s):
            return Outcome(entrant, None, failure)
        stamp.write_text(digest)
    written = (out / contract.ONNX_MODEL, out / contract.OPENVINO_MODEL)
    model = next((path for path in written if path.exists()), None)
    if model is None:
        return Outcome(entrant, None, f"wrote neither {' nor '.join(path.name for path in written)}")
    return Outcome(entrant, model, result=json.loads((out / contract.RESULT).read_text()))


def _digest(entrant: Entrant, given: Path) -> str:
    """sha256 of all that an entrant's model depends on, when it has an environment of its own."""
    files = [TOOLS / f"{entrant.name}.py", REQUIREMENTS / f"{entrant.environment}.txt"]
    files += [given / name for name in (contract.NETWORK, contract.CALIBRATION, contract.VALIDATION)]
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.read_bytes() if path.is_file() else b"")
    return digest.hexdigest()


def _run(entrant: Entrant, given: Path, out: Path, cache: Path, limit_s: float) -> str:
    """Run a tool to its end; why it failed, or ""."""
    log_path = out / "log.txt"
    try:
        with log_path.open("w") as log:
            python = interpreter(entrant.environment, cache)
            script = TOOLS / f"{entrant.name}.py"
            command = [str(path) for path in (python, script, given.resolve(), out.resolve())]
            runtime = {"PYTHONPATH": str(RUNTIME)} if entrant.environment else {}
            _finish(command, log, {**os.environ, **runtime}, out, limit_s)
    except subprocess.TimeoutExpired as error:
        return f"not done within {error.timeout:g} s"
    except subprocess.CalledProcessError as error:
        return str(error.stderr or _last_line(log_path))
    return ""


def interpreter(environment: str, cache: Path) -> Path:
    """The Python of an environment, made and filled on first use and whenever its requirements change.

    Raises:
        CalledProcessError: pip failed; ``stderr`` is its last line.
    """
    if not environment:
        return Path(sys.executable)
    requirements = REQUIREMENTS / f"{environment}.txt"
    folder = cache.absolute() / environment
    python, stamp = folder / "bin" / "python", folder / "requirements.sha256"
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != digest:
        venv.create(folder, clear=True, with_pip=True)
        command = [str(python), "-m", "pip", "install", "-q", "-r", str(requirements)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_LIMIT_S, check=False)
        if done.returncode:
            said = (done.stderr.strip() or "pip failed").splitlines()[-1]
            raise subprocess.CalledProcessError(done.returncode, command, stderr=said)
        write_whole(stamp, digest.encode())
    return python


def _finish(
    command: list[str], log: IO[str], environment: dict[str, str], folder: Path, limit_s: float
) -> None:
    """Run ``command`` in ``folder`` with its children to its end, or end them all when time is up."""
    process = subprocess.Popen(
        command, stdout=log, stderr=subprocess.STDOUT, env=environment, cwd=folder, start_new_session=True
    )
    try:
        returncode = process.wait(limit_s)
    except BaseException:  # time is up, or Ctrl-C
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
    if returncode:
        raise subprocess.CalledProcessError(returncode, command)


def _last_line(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1].strip() if lines else "ended without a word"
