"""The one definition of preprocessing, against torch, ONNX Resize and what must hold for any image."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from edgefer_runtime.contract import InputContract
from edgefer_runtime.errors import DataError
from edgefer_runtime.preprocess import preprocess, resize

SIZES = [
    (128, 128, 224, 224),
    (180, 173, 224, 224),
    (97, 131, 90, 100),
    (500, 640, 112, 112),
    (2, 300, 48, 48),
]
sides = st.integers(1, 90)


def plain(height: int, width: int, color: str = "RGB") -> InputContract:
    channels = {"RGB": 3, "GRAY": 1}[color]
    return InputContract(height, width, color, mean=(0.0,) * channels, std=(1.0,) * channels)


def noise(height: int, width: int) -> np.ndarray:
    """The hardest image to interpolate: neighbours have nothing to do with each other."""
    return np.random.default_rng(height * 1000 + width).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize(("height", "width", "to_height", "to_width"), SIZES)
def test_resize_is_torch_interpolate(height: int, width: int, to_height: int, to_width: int) -> None:
    image = noise(height, width)
    tensor = torch.from_numpy(image.transpose(2, 0, 1)[None].astype(np.float32))
    reference = torch.nn.functional.interpolate(
        tensor, (to_height, to_width), mode="bilinear", align_corners=False, antialias=False
    )
    assert np.abs(preprocess(image, plain(to_height, to_width)) - reference.numpy()).max() < 1e-4


@pytest.mark.parametrize(("height", "width", "to_height", "to_width"), SIZES)
def test_resize_is_onnx_resize(height: int, width: int, to_height: int, to_width: int) -> None:
    node = helper.make_node(
        "Resize", ["x", "", "", "size"], ["y"], mode="linear", coordinate_transformation_mode="half_pixel"
    )
    graph = helper.make_graph(
        [node],
        "resize",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, height, width])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [helper.make_tensor("size", TensorProto.INT64, [4], [1, 3, to_height, to_width])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    image = noise(height, width)
    (reference,) = session.run(None, {"x": image.transpose(2, 0, 1)[None].astype(np.float32)})
    # two float32 roundings of a coordinate, times the steepest edge there is, along both axes
    tolerance = 1e-4 + 255 * 2 * np.finfo(np.float32).eps * (height + width)
    assert np.abs(preprocess(image, plain(to_height, to_width)) - reference).max() < tolerance


def test_same_size_is_left_alone() -> None:
    image = noise(40, 30)
    assert np.array_equal(preprocess(image, plain(40, 30))[0], image.transpose(2, 0, 1))


@settings(max_examples=60, deadline=None)
@given(height=sides, width=sides, to_height=sides, to_width=sides, level=st.integers(0, 255))
def test_a_plain_image_stays_plain(
    height: int, width: int, to_height: int, to_width: int, level: int
) -> None:
    resized = resize(np.full((height, width, 3), level, np.uint8), to_height, to_width)
    assert resized.shape == (3, to_height, to_width) and resized.dtype == np.float32
    assert np.abs(resized - level).max() <= 1e-4


@settings(max_examples=60, deadline=None)
@given(height=sides, width=sides, to_height=sides, to_width=sides)
def test_resize_mirrors_and_stays_within_the_image(
    height: int, width: int, to_height: int, to_width: int
) -> None:
    image = noise(height, width)
    resized = resize(image, to_height, to_width)
    assert image.min() - 1e-4 <= resized.min() and resized.max() <= image.max() + 1e-4
    mirrored = resize(image[::-1, ::-1], to_height, to_width)[:, ::-1, ::-1]
    assert np.abs(mirrored - resized).max() < 255 * 4 * np.finfo(np.float32).eps * (height + width) + 1e-4


def test_normalises_by_channel() -> None:
    contract = InputContract(4, 4, "RGB", mean=(10, 20, 30), std=(1, 2, 5))
    values = preprocess(np.full((4, 4, 3), 40, np.uint8), contract)[0, :, 0, 0]
    assert values.tolist() == [30, 10, 2]


def test_grey_is_bt601() -> None:
    pixels = np.zeros((1, 3, 3), np.uint8)
    pixels[0, np.arange(3), np.arange(3)] = 100
    grey = preprocess(pixels, plain(1, 3, "GRAY"))
    assert grey.shape == (1, 1, 1, 3)
    assert grey.ravel() == pytest.approx([29.9, 58.7, 11.4], abs=1e-4)


def test_a_batch_is_its_images() -> None:
    images = np.stack([noise(31, 27), noise(31, 28)[:, :27]])
    contract = InputContract(48, 44, "GRAY", mean=(127.5,), std=(64.0,))
    single = np.concatenate([preprocess(image, contract) for image in images])
    assert np.array_equal(preprocess(images, contract), single)


def test_input_is_not_touched() -> None:
    image = noise(20, 20)
    image.flags.writeable = False
    preprocess(image, plain(20, 20))
    preprocess(image, plain(30, 10))


@pytest.mark.parametrize(
    ("image", "action"),
    [
        (np.zeros((8, 8), np.uint8), "repeat"),
        (np.zeros((8, 8, 1), np.uint8), "repeat"),
        (np.zeros((8, 8, 4), np.uint8), r"\[\.\.\., :3\]"),
        (np.zeros((2, 8, 8, 4), np.uint8), r"\[\.\.\., :3\]"),
        (np.zeros((3, 8, 8), np.uint8), "last axis"),
        (np.zeros((8, 8, 3), np.float32), "astype"),
        (np.zeros((0, 8, 3), np.uint8), "box"),
        (np.zeros((0, 8, 8, 3), np.uint8), "box"),
        ([[1, 2, 3]], "asarray"),
    ],
)
def test_other_arrays_are_refused_with_the_remedy(image: np.ndarray, action: str) -> None:
    with pytest.raises(DataError, match=action):
        preprocess(image, plain(8, 8))
