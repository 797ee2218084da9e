"""The input contract: what a network takes, from the zoo to the robot.

One frozen object travels from the model's registration through checkpoint, export and bundle to the
runtime, so that training and robot cannot disagree about size, colour or range.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, Any, TypeAlias

from edgefer_runtime.errors import DataError
from edgefer_runtime.tables import Within, read_table, require_fields

COLOR_CHANNELS = {"RGB": 3, "GRAY": 1}

INPUT, OUTPUT = "images", "probabilities"
"""What an exported graph, and every engine made of it, calls what it takes and what it gives."""
PREPROCESSING = "preprocess/"
"""What the names of the graph's nodes between the camera and the network begin with."""

Side: TypeAlias = Annotated[int, Within(1, 4096)]
Deviation: TypeAlias = Annotated[float, Within(0, above=True)]
CropScale: TypeAlias = Annotated[float, Within(0.1, 10)]
"""A crop of less shows a pore, one of more a crowd: every face would have the same label."""


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

    height: Side
    width: Side
    color: str
    mean: tuple[float, ...]
    std: tuple[Deviation, ...]
    crop_scale: CropScale = 1.05

    def __post_init__(self) -> None:
        require_fields(self, "input contract")
        if self.color not in COLOR_CHANNELS:
            raise DataError(
                f"input contract with colour order {self.color!r}",
                expected=f"one of {', '.join(COLOR_CHANNELS)}",
                action="mend the field `color`",
            )
        if len(self.mean) != self.channels or len(self.std) != self.channels:
            raise DataError(
                f"input contract with {len(self.mean)} means and {len(self.std)} standard deviations",
                expected=f"{self.channels} of each for {self.color}",
                action="mend the contract where it was written",
            )

    @property
    def channels(self) -> int:
        """Channels of the network's input."""
        return COLOR_CHANNELS[self.color]

    def to_json(self) -> dict[str, Any]:
        """The contract as a JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Any) -> InputContract:
        """The contract written by :meth:`to_json`.

        Raises:
            DataError: a field is missing, unknown or of the wrong kind.
        """
        return read_table(cls, value, "input contract")
