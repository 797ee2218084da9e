"""Frame in, faces out: found, followed, smoothed, batched as the engine likes; or each frame for itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from edgefer_runtime import Classifier, Face, FaceAnalyzer
from edgefer_runtime.bundle import Bundle, pack_zip
from edgefer_runtime.errors import DataError, UsageError
from edgefer_runtime.faces import BlazeFace, Detection, crop_face

Make = Callable[..., Bundle]
COLORS = {"happiness": (255, 0, 0), "sadness": (0, 255, 0), "surprise": (0, 0, 255)}
SIDE = 40


def scene(**faces: str) -> np.ndarray:
    """A grey frame with coloured squares for faces: ``scene(at20="happiness")``, 20 from the left."""
    frame = np.full((120, 640, 3), 90, np.uint8)
    for place, label in faces.items():
        left = int(place.removeprefix("at"))
        frame[36 : 44 + SIDE, left - 4 : left + SIDE + 4] = COLORS[label]
    return frame


def box(left: float) -> tuple[float, float, float, float]:
    return (left, 40, left + SIDE, 40 + SIDE)


def squares(frame: np.ndarray) -> list[Detection]:
    """A detector of coloured squares, left to right."""
    colored = (frame[60].max(-1) == 255).astype(int)
    starts = np.flatnonzero(np.diff(colored) == 1) + 5
    return [Detection(np.array(box(left)), None, 0.8) for left in starts]


@pytest.fixture
def classifier(bundle: Bundle) -> Classifier:
    return Classifier.open(bundle, threads=1)


def labels(faces: list[Face]) -> list[str]:
    return [face.label for face in faces]


def tracks(faces: list[Face]) -> list[int | None]:
    return [face.track for face in faces]


def test_a_frame_becomes_faces(classifier: Classifier) -> None:
    analyzer = FaceAnalyzer(classifier, squares)
    frame = scene(at100="happiness", at300="surprise")
    for expected in ([None, None], [1, 2]):
        faces = analyzer(frame, time_s=0.0)
        assert labels(faces) == ["happiness", "surprise"] and tracks(faces) == expected
    face = faces[1]
    assert face.box.tolist() == list(box(300)) and face.landmarks is None and face.score == 0.8
    assert face.classes == ("happiness", "sadness", "surprise")
    assert face.confidence == face.probabilities.max() == pytest.approx(0.9647, abs=1e-3)
    assert face.probabilities.dtype == np.float32
    assert analyzer(scene(), time_s=0.1) == []


@pytest.mark.parametrize("batch", [1, 3, None])
@pytest.mark.parametrize("count", [1, 2, 7])
def test_every_batch_size_says_what_single_crops_say(
    make_bundle: Make, batch: int | None, count: int
) -> None:
    frame = np.random.default_rng(count).integers(0, 256, (200, 300, 3), dtype=np.uint8)
    boxes = [(30.0 * n, 10.0 * n, 30.0 * n + 25 + n, 10.0 * n + 40) for n in range(count)]
    classifier = Classifier.open(make_bundle(batch=batch), threads=1)
    calls: list[int] = []
    run = classifier.engine.run
    classifier.engine.run = lambda images: (calls.append(len(images)), run(images))[1]  # type: ignore
    faces = FaceAnalyzer(classifier, None).analyze(frame, boxes=boxes)
    whole, rest = divmod(count, batch) if batch else (0, 0)
    assert calls == ([batch] * (whole + bool(rest)) if batch else [count])
    contract = classifier.bundle.manifest.input
    for face, corners in zip(faces, boxes, strict=True):
        crop = crop_face(frame, Detection(np.array(corners), None, 1.0), contract)
        np.testing.assert_allclose(face.probabilities, classifier(crop).probabilities, atol=1e-6)
        assert face.score == 1.0 and face.track is None


def test_a_change_is_believed_in_time_not_in_frames(classifier: Classifier) -> None:
    """At 100 Hz and at 10 Hz the label turns in the same tenth of a second."""
    turned_s = []
    for hz in (10, 100):
        analyzer = FaceAnalyzer(classifier, squares, smoothing_s=0.5)
        for number in range(3 * hz):
            now_s = number / hz
            frame = scene(at100="happiness" if now_s <= 2 else "sadness")
            (face,) = analyzer(frame, time_s=now_s)
            assert face.probabilities.sum() == pytest.approx(1, abs=1e-5)
            if face.label == "sadness":
                turned_s.append(now_s - 2)
                break
    assert turned_s[0] == pytest.approx(0.4) and 0.3 < turned_s[1] < 0.4


def test_without_smoothing_every_frame_speaks_for_itself(classifier: Classifier) -> None:
    analyzer = FaceAnalyzer(classifier, squares, smoothing_s=0)
    for number, label in enumerate(["happiness", "sadness", "happiness", "surprise"]):
        assert labels(analyzer(scene(at50=label), time_s=number / 30)) == [label]


def test_beliefs_stay_with_their_faces(classifier: Classifier) -> None:
    analyzer = FaceAnalyzer(classifier, squares, smoothing_s=10)
    for number in range(20):
        left = 40 + 6 * number
        faces = analyzer(
            scene(**{f"at{left}": "happiness", f"at{500 - left}": "surprise"}), time_s=number / 30
        )
    by_place = sorted(faces, key=lambda face: face.box[0])
    assert labels(by_place) == ["happiness", "surprise"] and tracks(by_place) == [1, 2]


def test_between_detections_boxes_go_on_as_they_did(classifier: Classifier) -> None:
    seen: list[int] = []

    def detector(frame: np.ndarray) -> list[Detection]:
        seen.append(number)
        return squares(frame)

    analyzer = FaceAnalyzer(classifier, detector, detect_every=3, smoothing_s=0)
    for number in range(12):
        left = 100 + 5 * number
        (face,) = analyzer(scene(**{f"at{left}": "sadness"}), time_s=number / 30)
        assert face.label == "sadness"
        if number >= 3:
            assert face.box == pytest.approx(box(left), abs=0.01)
    assert seen == [0, 3, 6, 9]
    number = 12
    assert analyzer(scene(), time_s=0.4) == [] and seen[-1] == 12
    assert analyzer(scene(at100="sadness"), time_s=0.43) == [], "a face that was not seen is not carried"


def test_the_callers_boxes_take_the_detectors_place(classifier: Classifier) -> None:
    def detector(frame: np.ndarray) -> list[Detection]:
        raise AssertionError("was asked")

    analyzer = FaceAnalyzer(classifier, detector, detect_every=5)
    frame = scene(at100="happiness", at300="surprise")
    for _ in range(2):
        faces = analyzer(frame, boxes=[box(300), box(100)], time_s=0.0)
    assert labels(faces) == ["surprise", "happiness"] and tracks(faces) == [1, 2]
    assert analyzer(frame, boxes=[], time_s=0.1) == []
    assert labels(analyzer(frame, boxes=np.array([box(300)]), time_s=0.2)) == ["surprise"]


def test_a_frame_that_stands_alone_leaves_no_trace(classifier: Classifier) -> None:
    analyzer = FaceAnalyzer(classifier, squares, smoothing_s=5)
    for _ in range(2):
        (before,) = analyzer(scene(at100="happiness"), time_s=0.0)
    (alone,) = analyzer.analyze(scene(at100="sadness"))
    assert alone.label == "sadness" and alone.track is None
    (after,) = analyzer(scene(at100="happiness"), time_s=0.0)
    assert after.track == before.track == 1
    assert np.array_equal(after.probabilities, before.probabilities)


def test_many_threads_at_once(classifier: Classifier) -> None:
    analyzer = FaceAnalyzer(classifier, squares)
    frames = [scene(at100=label, at400="happiness") for label in COLORS] * 20

    def look(frame: np.ndarray) -> list[str]:
        return labels(analyzer.analyze(frame))

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(look, frames)) == [[label, "happiness"] for label in COLORS] * 20


def test_followed_frames_wait_for_each_other_and_others_do_not(classifier: Classifier) -> None:
    inside, most = 0, 0
    counting = threading.Lock()

    def detector(frame: np.ndarray) -> list[Detection]:
        nonlocal inside, most
        with counting:
            inside += 1
            most = max(most, inside)
        time.sleep(0.005)
        with counting:
            inside -= 1
        return squares(frame)

    analyzer = FaceAnalyzer(classifier, detector)
    frames = [scene(at100="sadness")] * 16
    with ThreadPoolExecutor(4) as pool:
        assert all(labels(faces) == ["sadness"] for faces in pool.map(analyzer, frames))
        assert most == 1
        assert all(labels(faces) == ["sadness"] for faces in pool.map(analyzer.analyze, frames))
        assert most > 1


def test_forgetting(classifier: Classifier) -> None:
    analyzer = FaceAnalyzer(classifier, squares, smoothing_s=5)
    for _ in range(2):
        analyzer(scene(at100="happiness"), time_s=0.0)
    analyzer.reset()
    (face,) = analyzer(scene(at100="sadness"), time_s=0.0)
    assert face.label == "sadness" and face.track is None


@pytest.mark.parametrize(
    "boxes", [[1, 2, 3, 4], [[1, 2, 3]], [[5, 5, 5, 9]], [[0, 0, float("nan"), 4]], "all", [None]]
)
def test_boxes_that_are_none_are_refused(classifier: Classifier, boxes: object) -> None:
    analyzer = FaceAnalyzer(classifier, None)
    for call in (analyzer, analyzer.analyze):
        with pytest.raises(DataError, match="left, top, right, bottom"):
            call(scene(), boxes=boxes)  # type: ignore[operator]


@pytest.mark.parametrize("frame", [np.zeros((8, 8), np.uint8), np.zeros((8, 8, 3), np.float32), None])
def test_frames_that_are_none_are_refused(classifier: Classifier, frame: object) -> None:
    analyzer = FaceAnalyzer(classifier, lambda frame: [])
    for call in (analyzer, analyzer.analyze):
        with pytest.raises(DataError, match="a uint8 array, H x W x 3"):
            call(frame)  # type: ignore[operator]


def test_somebody_must_know_where_the_faces_are(classifier: Classifier) -> None:
    with pytest.raises(UsageError, match="no detector"):
        FaceAnalyzer(classifier, None)(scene())


@pytest.mark.parametrize("setting", [{"detect_every": 0}, {"smoothing_s": -1}, {"birth": 0}, {"death": 0}])
def test_settings_out_of_range(classifier: Classifier, setting: dict[str, int]) -> None:
    with pytest.raises(UsageError, match=next(iter(setting))):
        FaceAnalyzer(classifier, None, **setting)  # type: ignore[arg-type]


def test_an_analyzer_closes_what_it_opened(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    packed = pack_zip(bundle, tmp_path / "tiny.edgefer")
    with FaceAnalyzer.open(packed, detector=squares, threads=1) as analyzer:
        assert labels(analyzer.analyze(scene(at50="surprise"))) == ["surprise"]
        engine = analyzer.classifier.engine
        assert (engine.threads, engine.size) == (1, (32, 32))
        assert len(list(scratch.iterdir())) == 1
    assert not list(scratch.iterdir())
    with pytest.raises(UsageError):
        FaceAnalyzer.open(packed, detector=squares, threads=1, detect_every=0)
    assert not list(scratch.iterdir())


def test_the_detector_of_the_runtime_finds_no_face_in_a_wall(bundle: Bundle) -> None:
    with FaceAnalyzer.open(bundle, threads=1) as analyzer:
        assert isinstance(analyzer.detector, BlazeFace) and analyzer.detector.engine.threads == 1
        assert analyzer(np.full((48, 64, 3), 127, np.uint8)) == []
