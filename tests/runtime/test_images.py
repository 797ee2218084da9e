"""Image files that are, and files that are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgefer_runtime.errors import DataError
from edgefer_runtime.images import check_crop, check_images, decode_image, load_image


def test_reads_what_was_written(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "face.png")
    assert np.array_equal(load_image(tmp_path / "face.png"), pixels)


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1"])
def test_every_mode_becomes_rgb(tmp_path: Path, mode: str) -> None:
    Image.new(mode, (7, 5)).save(tmp_path / "face.png")
    assert check_crop(load_image(tmp_path / "face.png")).shape == (1, 5, 7, 3)


def test_a_turned_photograph_is_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera lay on its side
    Image.new("RGB", (8, 4)).save(tmp_path / "photo.jpg", exif=exif)
    assert load_image(tmp_path / "photo.jpg").shape == (8, 4, 3)


def test_a_text_a_half_and_a_missing_file_are_data_errors(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("not a face")
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(
        tmp_path / "whole.png"
    )
    (tmp_path / "half.png").write_bytes((tmp_path / "whole.png").read_bytes()[:2000])
    for name in ("text.png", "half.png", "missing.png", "."):
        with pytest.raises(DataError, match="cannot be read as an image"):
            load_image(tmp_path / name)


def test_a_batch_and_a_crop_are_told_apart() -> None:
    crop = np.zeros((4, 4, 3), np.uint8)
    assert check_crop(crop).base is crop, "no copy"
    with pytest.raises(DataError, match="image\\[None\\]"):
        check_images(crop)
    with pytest.raises(DataError, match=r"Classifier\.predict"):
        check_crop(crop[None])


def test_what_came_over_a_network_is_held_to_fewer_kinds_and_pixels(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    content = {}
    for name in ("face.png", "face.bmp"):
        Image.fromarray(pixels).save(tmp_path / name)
        content[name] = (tmp_path / name).read_bytes()
    assert np.array_equal(decode_image(content["face.png"]), pixels)
    with pytest.raises(DataError, match=r"no known kind.*\n.*JPEG, PNG, WEBP"):
        decode_image(content["face.bmp"])
    with pytest.raises(DataError, match="7 x 9 pixels\nexpected: at most 62 pixels"):
        decode_image(content["face.png"], pixel_limit=62)
    with pytest.raises(DataError, match="image received"):
        decode_image(content["face.png"][:60])
