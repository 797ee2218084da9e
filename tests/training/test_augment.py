"""Augmentation: the identity, each part alone, and determinism."""

from dataclasses import fields, replace

import pytest
import torch

from edgefer.training.augment import augment
from edgefer.training.predict import preprocess
from edgefer.training.recipe import Augmentation
from edgefer_runtime.contract import InputContract

CONTRACT = InputContract(48, 40, "RGB", (0.0,) * 3, (1.0,) * 3)
SQUARE = replace(CONTRACT, height=32, width=32)
EVERYTHING = Augmentation(0.5, 15, 0.2, 0.1, 0.3, 0.3, 0.2, 0.3, 0.5, 10, 0.5, 0.5)


def faces(count: int = 8, height: int = 32, width: int = 32) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (count, height, width, 3), generator=generator, dtype=torch.uint8)


def run(
    images: torch.Tensor, how: Augmentation, contract: InputContract = SQUARE, seed: int = 0
) -> torch.Tensor:
    return augment(images, contract, how, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("color", ["RGB", "GRAY"])
@pytest.mark.parametrize("size", [(32, 32), (50, 37), (128, 128)])
def test_switched_off_it_is_the_preprocessing(size, color):
    channels = 3 if color == "RGB" else 1
    contract = InputContract(48, 40, color, (127.5,) * channels, (127.5,) * channels)
    images = faces(3, *size)
    torch.testing.assert_close(
        run(images, Augmentation(), contract), preprocess(images, contract), atol=2e-4, rtol=0
    )


def test_the_generator_decides():
    images = faces()
    assert torch.equal(run(images, EVERYTHING), run(images, EVERYTHING))
    assert not torch.equal(run(images, EVERYTHING), run(images, EVERYTHING, seed=1))


def test_all_parts_stay_in_range():
    varied = run(faces(64), replace(EVERYTHING, noise=200))
    assert varied.shape == (64, 3, 32, 32)
    assert varied.dtype == torch.float32
    assert varied.min() >= -0.001
    assert varied.max() <= 255.001


def test_flip_mirrors():
    images = faces()
    torch.testing.assert_close(run(images, Augmentation(flip=1)), run(images.flip(2), Augmentation()))


def test_gray_removes_colour_and_keeps_luma():
    gray = run(faces(), Augmentation(gray=1))
    torch.testing.assert_close(gray[:, 0], gray[:, 1])
    torch.testing.assert_close(
        gray[:, 0],
        (run(faces(), Augmentation()) * torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(1),
        atol=1e-3,
        rtol=0,
    )


def test_brightness_is_a_factor_within_its_range():
    images = faces(64) // 2
    ratio = run(images, Augmentation(brightness=0.2)).sum((1, 2, 3)) / run(images, Augmentation()).sum(
        (1, 2, 3)
    )
    assert 0.8 <= ratio.min() < 0.9
    assert 1.1 < ratio.max() <= 1.2001


def test_contrast_keeps_the_mean():
    images = faces() // 4 + 96
    plain, varied = run(images, Augmentation()), run(images, Augmentation(contrast=0.4))
    luma = torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)
    torch.testing.assert_close(
        (plain * luma).sum(1).mean((1, 2)), (varied * luma).sum(1).mean((1, 2)), atol=1e-2, rtol=0
    )
    assert (plain.std((1, 2, 3)) - varied.std((1, 2, 3))).abs().min() > 1e-3


def test_noise_has_the_stated_spread():
    images = torch.full((256, 32, 32, 3), 128, dtype=torch.uint8)
    spread = run(images, Augmentation(noise=9)).std((1, 2, 3))
    assert spread.max() <= 9.5
    assert spread.mean() == pytest.approx(4.5, abs=0.6)


def test_blur_smooths_and_keeps_flat_areas():
    flat = torch.full((4, 32, 32, 3), 77, dtype=torch.uint8)
    torch.testing.assert_close(run(flat, Augmentation(blur=1)), run(flat, Augmentation()))
    assert (
        run(faces(), Augmentation(blur=1)).std((1, 2, 3)) < 0.6 * run(faces(), Augmentation()).std((1, 2, 3))
    ).all()


def test_erasing_covers_one_rectangle_of_the_stated_size():
    images = torch.full((200, 64, 64, 3), 0, dtype=torch.uint8)
    contract = replace(SQUARE, height=64, width=64)
    covered = (run(images, Augmentation(erasing=1, erasing_side=0.4), contract) > 0).any(1)
    rows, columns = covered.any(2).sum(1), covered.any(1).sum(1)
    assert torch.equal(covered.sum((1, 2)), rows * columns)
    assert 0.05 * 64 <= rows.min() < rows.max() <= 0.42 * 64


def marked(height: int, width: int, row: int, column: int) -> torch.Tensor:
    image = torch.zeros(64, height, width, 3, dtype=torch.uint8)
    image[:, row - 2 : row + 3, column - 2 : column + 3] = 255
    return image


def centres(varied: torch.Tensor) -> torch.Tensor:
    """Centre of mass, N x 2 (row, column), relative to the image's centre, in pixels."""
    mass = varied.mean(1)
    total = mass.sum((1, 2))
    rows = torch.arange(mass.shape[1]) - (mass.shape[1] - 1) / 2
    columns = torch.arange(mass.shape[2]) - (mass.shape[2] - 1) / 2
    return torch.stack([(mass.sum(2) * rows).sum(1) / total, (mass.sum(1) * columns).sum(1) / total], 1)


def test_rotation_is_rigid_in_pixels_and_within_its_range():
    contract = replace(CONTRACT, height=81, width=121)
    at = centres(run(marked(81, 121, 40, 80), Augmentation(rotation_degrees=20), contract))
    torch.testing.assert_close(at.norm(dim=1), torch.full((64,), 20.0), atol=0.3, rtol=0)
    angles = torch.rad2deg(torch.atan2(at[:, 0], at[:, 1]))
    assert -20.5 < angles.min() < -14
    assert 14 < angles.max() < 20.5


def test_zoom_and_shift_are_within_their_ranges():
    contract = replace(CONTRACT, height=101, width=101)
    zoomed = centres(run(marked(101, 101, 50, 80), Augmentation(scale=0.2), contract))[:, 1] / 30
    assert 0.79 < zoomed.min() < 0.87
    assert 1.13 < zoomed.max() < 1.21
    enlarged = centres(run(marked(101, 101, 50, 80), Augmentation(scale=(1.0, 1.5)), contract))[:, 1] / 30
    assert 0.99 < enlarged.min() < 1.1
    assert 1.4 < enlarged.max() < 1.51
    shifted = centres(run(marked(101, 101, 50, 50), Augmentation(translation=0.1), contract))
    assert 8 < shifted.abs().max() < 10.5
    assert shifted.mean().abs() < 2


@pytest.mark.parametrize("part", [item.name for item in fields(Augmentation) if item.name != "erasing_side"])
def test_each_part_changes_something(part):
    strength = {"rotation_degrees": 20, "noise": 10}.get(part, 0.5)
    images = faces(32)
    assert (run(images, Augmentation(**{part: strength})) - run(images, Augmentation())).abs().max() > 1
