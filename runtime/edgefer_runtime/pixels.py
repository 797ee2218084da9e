"""Pixels of every kind that a picture file may hold, as those of its 8-bit RGB version.

- 8 bits a channel are taken as they are: grey, colour, palettes, 1 bit, CMYK (by Pillow's plain formula,
  without colour profiles).
- 16-bit grey is scaled by what the type can hold (65535 becomes 255), or by what the file says that it holds:
  the largest value of a PGM, the bits of a TIFF. Of 16-bit colour the upper bytes are taken.
- Floats are brightness from 0 to 1. Other floats, 32-bit and signed integers, and LAB are refused: nothing
  says what white is.
- Transparent parts lie on white.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgefer_runtime.errors import DataError

Image = NDArray[np.uint8]

OPAQUE = ("1", "L", "P", "RGB", "RGBX", "CMYK", "YCbCr")
TRANSPARENT = ("LA", "La", "PA", "RGBA", "RGBa")
"""Pillow's modes of 8 bits a channel that it converts to RGB as a viewer would."""
SIXTEEN_BITS = ("PNG", "PPM", "JPEG2000")
"""Kinds of files whose deep grey Pillow gives in 16 bits, all of them used."""
FEW_BITS = 12
"""Of sixteen; a picture that uses no more is nearly black."""

BITS_PER_SAMPLE, PHOTOMETRIC, SAMPLE_FORMAT = 258, 262, 339
"""Tags of TIFF."""
SIGNED, WHITE_IS_ZERO = 2, 0
"""Values of the last two, the other way around."""


def rgb(image: Any, name: str) -> Image:
    """The frame that an opened picture of Pillow's is at, as it is stored.

    Returns:
        uint8, H x W x 3, RGB; an array of its own.

    Raises:
        DataError: nothing says which of its values is white.
    """
    from PIL import Image as Pillow

    mode, tags = image.mode, getattr(image, "tag_v2", {})
    if SIGNED in tags.get(SAMPLE_FORMAT, ()):
        raise _unscaled(name, f"signed integers (mode {mode})")
    if mode == "F":
        return _colour(_of_floats(image, name, inverted=tags.get(PHOTOMETRIC) == WHITE_IS_ZERO))
    if mode.startswith("I"):
        return _colour(_of_integers(image, name, tags))
    if mode in TRANSPARENT or (mode in OPAQUE and image.has_transparency_data):
        if mode == "La":  # which Pillow takes back in two steps alone
            image = image.convert("LA")
        image = image.convert("RGBA")
        ground = Pillow.new("RGB", image.size, "white")
        ground.paste(image, mask=image)
        return np.array(ground)
    if mode not in OPAQUE:
        raise _unscaled(name, f"pixels of mode {mode}")
    return np.array(image if mode == "RGB" else image.convert("RGB"))


def _of_integers(image: Any, name: str, tags: Any) -> Image:
    """Grey of up to 16 bits, by what white is in it."""
    if image.format == "TIFF" and image.mode != "I":
        white = (1 << tags[BITS_PER_SAMPLE][0]) - 1
    elif image.format in SIXTEEN_BITS:
        white = 65535
    else:
        raise _unscaled(name, f"integers of mode {image.mode} in a {image.format} file")
    values = np.asarray(image).astype(np.uint16)
    if white == 65535 and 0 < (bits := int(values.max()).bit_length()) <= FEW_BITS:
        warnings.warn(
            f"a 16-bit picture that uses {bits} bits is nearly black: white is 65535. "
            f"If it should fill them, multiply its values by {1 << (16 - bits)}",
            stacklevel=2,
        )
    table = (np.arange(65536).clip(max=white) * 255 + white // 2) // white
    if tags.get(PHOTOMETRIC) == WHITE_IS_ZERO:
        table = 255 - table
    grey: Image = table.astype(np.uint8)[values]
    if (transparent := image.info.get("transparency")) is not None:
        grey[values == transparent] = 255
    return grey


def _of_floats(image: Any, name: str, *, inverted: bool) -> Image:
    values: NDArray[np.float32] = np.asarray(image)
    low, high = float(values.min()), float(values.max())
    if not (low >= -1e-6 and high <= 1 + 1e-6):  # also where they are no numbers
        raise _unscaled(name, f"floats from {low:g} to {high:g} (mode F)")
    values = values.clip(0, 1)
    return np.rint(255 * (1 - values if inverted else values)).astype(np.uint8)


def _colour(grey: Image) -> Image:
    return np.repeat(grey[..., None], 3, axis=-1)


def _unscaled(name: str, found: str) -> DataError:
    return DataError(
        f"{name}: {found}: nothing says what white is",
        expected="8 bits a channel, unsigned 16 bits, or floats from 0 to 1",
        action="scale it, and save it with 8 or 16 bits a channel",
    )
