"""The input contract: what a network takes, from the zoo to the robot.

One frozen object travels from the model's registration through checkpoint, export and bundle to the
runtime, so that training and robot cannot disagree about size, colour or range.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from edgefer_runtime.errors import DataError

COLOR_CHANNELS = {"RGB": 3, "GRAY": 1}

INPUT, OUTPUT = "images", "probabilities"
"""What an exported graph, and every engine made of it, calls what it takes and what it gives."""
PREPROCESSING = "preprocess/"
"""What the names of the graph's nodes between the camera and the network begin with."""


@dataclass(frozen=True, slots=True)
class InputContract:
    """How a uint8 RGB face crop becomes a network's input.

    The crop is resized to ``height`` x ``width`` (bilinear, half-pixel centres, no antialiasing),
    turned into ``color`` (grey by ITU-R BT.601: 0.299 R + 0.587 G + 0.114 B) and normalised as
    ``(pixel - mean) / std`` with ``mean`` and ``std`` per channel on the 0..255 scale.

    Attributes:
        height, width: network input in pixels.
        color: ``"RGB"`` or ``"GRAY"``; fixes the number of channels.
        mean, std: one value a channel, on the 0..255 scale.
        crop_scale: side of the square face crop over the larger side of the face's bounding box.
    """

    height: int
    width: int
    color: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    crop_scale: float = 1.05

    def __post_init__(self) -> None:
        if self.color not in COLOR_CHANNELS:
            raise DataError(
                f"input contract with colour order {self.color!r}",
                expected=f"one of {', '.join(COLOR_CHANNELS)}",
                action="mend the field `color`",
            )
        if (
            min(self.height, self.width) < 1
            or len(self.mean) != self.channels
            or len(self.std) != self.channels
        ):
            raise DataError(
                f"input contract {self.height} x {self.width} with {len(self.mean)} means and "
                f"{len(self.std)} standard deviations",
                expected=f"positive sizes and {self.channels} of each for {self.color}",
                action="mend the contract where it was written",
            )

        if not all(value > 0 for value in self.std):
            raise DataError(
                f"input contract with standard deviations {self.std}",
                expected="positive numbers",
                action="mend the field `std`",
            )

    @property
    def channels(self) -> int:
        """Channels of the network's input."""
        return COLOR_CHANNELS[self.color]

    def to_json(self) -> dict[str, Any]:
        """The contract as a JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> InputContract:
        """The contract written by :meth:`to_json`.

        Raises:
            DataError: a field is missing, unknown or of the wrong kind.
        """
        try:
            return cls(**{**value, "mean": tuple(value["mean"]), "std": tuple(value["std"])})
        except (AttributeError, KeyError, TypeError) as error:
            raise DataError(
                f"an input contract that cannot be read ({error})",
                expected="height, width, color, mean, std, crop_scale",
                action="use a file written by this version of edgefer",
            ) from error
