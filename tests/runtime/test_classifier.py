"""What a robot's program calls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import FrozenInstanceError
from pathlib import Path

import numpy as np
import pytest

from edgefer_runtime import Bundle, Classifier, Prediction
from edgefer_runtime.bundle import pack_zip
from edgefer_runtime.errors import DataError, MissingError

Make = Callable[..., Bundle]


def test_labels_a_crop(bundle: Bundle) -> None:
    with Classifier.open(bundle.path) as classifier:
        red, blue = np.zeros((9, 7, 3), np.uint8), np.zeros((4, 5, 3), np.uint8)
        red[..., 0], blue[..., 2] = 255, 255
        prediction = classifier(red)
        assert classifier(blue).label == "surprise"
    assert isinstance(prediction, Prediction)
    assert prediction.label == "happiness" and prediction.classes == ("happiness", "sadness", "surprise")
    assert prediction.confidence == prediction.probabilities.max() == pytest.approx(0.9647, abs=1e-3)
    with pytest.raises(FrozenInstanceError):
        prediction.label = "sadness"  # type: ignore[misc]


@pytest.mark.parametrize("batch", [1, 4, None])
@pytest.mark.parametrize("count", [1, 3, 4, 9])
def test_predict_takes_any_number(
    make_bundle: Make,
    expected: Callable[[np.ndarray], np.ndarray],
    faces: np.ndarray,
    batch: int | None,
    count: int,
) -> None:
    classifier = Classifier.open(make_bundle("onnxruntime", batch))
    probabilities = classifier.predict(faces[:count])
    assert probabilities.shape == (count, 3) and probabilities.dtype == np.float32
    assert np.abs(probabilities - expected(faces[:count])).max() < 1e-5
    assert np.array_equal(classifier(faces[0]).probabilities, classifier.predict(faces[:1])[0])


@pytest.mark.parametrize("crop", [np.zeros((8, 8), np.uint8), np.zeros((8, 8, 4), np.uint8), "face.png"])
def test_other_crops_are_refused(bundle: Bundle, crop: object) -> None:
    with pytest.raises(DataError, match="expected: a uint8 array, H x W x 3"):
        Classifier.open(bundle)(crop)  # type: ignore[arg-type]


def test_other_batches_are_refused(bundle: Bundle) -> None:
    for images in (np.zeros((2, 8, 8), np.uint8), np.zeros((0, 8, 8, 3), np.uint8), [1, 2]):
        with pytest.raises(DataError, match="expected: a uint8 array, N x H x W x 3"):
            Classifier.open(bundle).predict(images)  # type: ignore[arg-type]


def test_a_zip_works_and_leaves_nothing(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    packed = pack_zip(bundle, tmp_path / "tiny.edgefer")
    with Classifier.open(packed) as classifier:
        assert classifier(np.zeros((8, 8, 3), np.uint8)).probabilities.sum() == pytest.approx(1)
        assert len(list(scratch.iterdir())) == 1
    assert not list(scratch.iterdir())


def test_a_failed_opening_leaves_nothing(
    make_bundle: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    packed = pack_zip(make_bundle("openvino"), tmp_path / "tiny.edgefer")
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    monkeypatch.setitem(__import__("sys").modules, "openvino", None)
    with pytest.raises(MissingError) as caught:
        Classifier.open(packed)
    assert caught.traceback, "which keeps alive whatever was not closed"
    assert not list(scratch.iterdir())
