"""Eight at once, all at once, and a camera: what each counts, of subjects whose timing is known."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np
import pytest

from edgefer_runtime.bundle import Bundle
from edgefer_runtime.classifier import Classifier
from edgefer_runtime.errors import DataError
from edgefer_runtime.faces import Detection
from edgefer_runtime.frames import pipeline
from edgefer_runtime.scenarios import camera, multi_stream, offline


def wait(seconds: float) -> Callable[[np.ndarray], None]:
    return lambda _: time.sleep(seconds)


def test_a_query_is_eight_faces_and_all_faces_come_round(faces: np.ndarray) -> None:
    seen: list[np.ndarray] = []
    found = multi_stream(lambda query: seen.append(query), faces, duration_s=0.05)
    assert found["streams"] == 8 and len(found["latency_ns"]) == len(seen) > 9
    assert {query.shape for query in seen} == {(8, 24, 20, 3)}
    assert np.array_equal(np.concatenate(seen[:9])[:70], faces)
    assert np.array_equal(seen[8][6:], faces[:2]), "the last query is filled up from the start"


def test_offline_counts_every_worker(faces: np.ndarray) -> None:
    calls: list[int] = []
    lock = threading.Barrier(2)

    def run(batch: np.ndarray) -> None:
        if len(calls) < 2:
            lock.wait(5)  # only two workers at once get past this
        calls.append(len(batch))
        time.sleep(0.002)

    found = offline(run, [faces[:2], faces[2:4]], duration_s=0.1, workers=2)
    assert found["images"] == sum(calls) == 2 * len(calls)
    assert found["images_per_s"] == pytest.approx(found["images"] / found["seconds"])
    assert found["seconds"] >= 0.1


def test_a_camera_that_is_kept_up_with(faces: np.ndarray) -> None:
    found = camera(wait(0), list(faces), hz=50, duration_s=0.4)
    assert (found["hz"], found["arrived"]) == (50, 20)
    assert len(found["latency_ns"]) + found["dropped"] == 20
    assert min(found["latency_ns"]) >= 0, "a frame is answered after it came, never before"
    assert len(found["jitter_ns"]) == len(found["latency_ns"]) - 1
    assert found["missed"] == sum(latency > 20_000_000 for latency in found["latency_ns"])


def test_a_camera_that_is_too_fast_drops_all_but_the_newest(faces: np.ndarray) -> None:
    # 25 ms of work at 100 Hz: by the time a frame is done, two or more have come and all but one are old.
    found = camera(wait(0.025), list(faces), hz=100, duration_s=0.5)
    answered = len(found["latency_ns"])
    assert found["arrived"] == 50 and found["dropped"] == 50 - answered
    assert 2 <= answered <= 20
    assert found["missed"] == answered
    assert min(found["latency_ns"]) >= 25_000_000


def test_a_pipeline_follows_the_face_in_the_middle_of_each_frame(bundle: Bundle) -> None:
    red, blue = np.zeros((2, 30, 30, 3), dtype=np.uint8)
    red[..., 0] = blue[..., 2] = 255
    with Classifier.open(bundle, threads=1) as classifier:
        look, frames = pipeline(classifier, None, [red, blue, red], 2)
        assert [frame.shape for frame in frames] == [(480, 640, 3)] * 2
        assert np.array_equal(frames[1][225:255, 305:335], blue)
        for track in (None, 1):
            (face,) = look(frames[0])
            assert (face.label, face.track) == ("happiness", track)
            assert face.box.tolist() == [305, 225, 335, 255]


def test_a_pipeline_with_a_detector_takes_frames_that_show_a_face(bundle: Bundle, faces: np.ndarray) -> None:
    def every_other(frame: np.ndarray) -> list[Detection]:
        seen = int(frame[228, 310, 0])
        return [Detection(np.array([300, 220, 340, 260]), None, 0.7)] if seen % 2 else []

    with Classifier.open(bundle, threads=1) as classifier:
        look, frames = pipeline(classifier, every_other, list(faces), 5)
        assert len(frames) == 5 and all(frame[228, 310, 0] % 2 for frame in frames)
        assert [face.score for face in look(frames[0])] == [0.7]
        shown = sum(int(face[0, 0, 0]) % 2 for face in faces)
        assert 5 < shown < 70
        with pytest.raises(DataError, match=f"finds a face in {shown} of 70 frames"):
            pipeline(classifier, every_other, list(faces), 70)


def test_a_crop_larger_than_vga_has_a_frame_of_its_size(bundle: Bundle) -> None:
    with Classifier.open(bundle, threads=1) as classifier:
        look, (frame,) = pipeline(classifier, None, [np.ones((600, 700, 3), dtype=np.uint8)], 1)
        assert frame.shape == (600, 700, 3) and (frame == 1).all()
        assert look(frame)[0].box.tolist() == [0, 0, 700, 600]
