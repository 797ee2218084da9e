"""One classifier, many processes: forked in the middle of calls, spawned, ended and killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgefer_runtime import Bundle, Classifier
from edgefer_runtime.bundle import pack_zip
from edgefer_runtime.errors import DeviceError

PATIENCE_S = 120


def in_a_fork(task: Callable[[], bool]) -> int:
    """Exit status of a forked process: 0 where ``task`` was true, 14 where it hung."""
    process = os.fork()
    if not process:
        signal.alarm(PATIENCE_S)
        try:
            os._exit(0 if task() else 1)
        finally:
            os._exit(2)
    return os.waitpid(process, 0)[1]


def test_a_fork_in_the_middle_of_calls_may_use_its_parents_classifier(
    bundle: Bundle, faces: np.ndarray
) -> None:
    classifier = Classifier.open(bundle, threads=2)
    expected = classifier.predict(faces[:3])
    over = threading.Event()

    def call() -> None:
        while not over.is_set():
            classifier(faces[0])

    callers = [threading.Thread(target=call) for _ in range(2)]
    for caller in callers:
        caller.start()
    try:
        for _ in range(3):
            assert in_a_fork(lambda: np.array_equal(classifier.predict(faces[:3]), expected)) == 0
    finally:
        over.set()
        for caller in callers:
            caller.join()
    assert np.array_equal(classifier.predict(faces[:3]), expected)


def test_a_fork_opens_an_engine_of_its_own_once(bundle: Bundle, faces: np.ndarray) -> None:
    classifier = Classifier.open(bundle, threads=2)
    parents = classifier.engine._run

    def reopened() -> bool:
        classifier(faces[0])
        own = classifier.engine._run
        classifier(faces[0])
        return own is not parents and classifier.engine._run is own

    assert in_a_fork(reopened) == 0


@pytest.mark.parametrize(
    ("target", "provider"), [("onnxruntime", "CUDAExecutionProvider"), ("openvino", None)]
)
def test_any_other_engine_refuses_in_a_fork(
    make_bundle: Callable[..., Bundle], faces: np.ndarray, target: str, provider: str | None
) -> None:
    pytest.importorskip(target)
    classifier = Classifier.open(make_bundle(target))
    classifier.engine.provider = provider or classifier.engine.provider  # no machine of the tests has CUDA

    def refused() -> bool:
        with pytest.raises(DeviceError, match="opened before this process was forked"):
            classifier(faces[0])
        return True

    assert in_a_fork(refused) == 0


def test_a_fork_that_ends_leaves_its_parents_files(bundle: Bundle, tmp_path: Path) -> None:
    packed = pack_zip(bundle, tmp_path / "tiny.edgefer")
    code = f"""
import os, sys
from edgefer_runtime import Bundle
opened = Bundle.open({str(packed)!r})
if not os.fork():
    sys.exit()
os.wait()
print(opened.entry.is_file(), opened.folder)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    there, folder = done.stdout.split()
    assert there == "True" and not Path(folder).exists()


def answer(path: str, face: np.ndarray, answers: multiprocessing.SimpleQueue) -> None:
    answers.put(Classifier.open(path, threads=1)(face).probabilities)


def test_a_spawned_process_opens_its_own(bundle: Bundle, faces: np.ndarray) -> None:
    expected = Classifier.open(bundle)(faces[0]).probabilities
    context = multiprocessing.get_context("spawn")
    answers = context.SimpleQueue()
    process = context.Process(target=answer, args=(str(bundle.path), faces[0], answers))
    process.start()
    process.join(PATIENCE_S)
    assert process.exitcode == 0 and np.array_equal(answers.get(), expected)


def test_a_killed_robot_starts_again(bundle: Bundle, tmp_path: Path) -> None:
    packed = pack_zip(bundle, tmp_path / "tiny.edgefer")
    code = f"""
import numpy
from edgefer_runtime import Classifier
classifier = Classifier.open({str(packed)!r})
while True:
    print(classifier(numpy.full((20, 20, 3), 255, numpy.uint8)).probabilities.tobytes().hex(), flush=True)
"""
    answers = []
    for _ in range(2):
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as robot:
            assert robot.stdout
            answers += [robot.stdout.readline() for _ in range(3)]
            robot.kill()
    assert len({*answers}) == 1 and answers[0].strip()
