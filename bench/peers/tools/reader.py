"""The calibration faces as ONNX Runtime's quantizers, and those built on them, read them."""

from typing import Any

from contract import INPUT, Given
from onnxruntime.quantization import CalibrationDataReader


class Faces(CalibrationDataReader):
    """One face at a time."""

    def __init__(self, given: Given) -> None:
        self.given = given
        self.rewind()

    def get_next(self) -> dict[str, Any] | None:
        """The next face, or None at the end."""
        return next(self.faces, None)

    def rewind(self) -> None:
        """Begin again."""
        self.faces = ({INPUT: self.given.prepare(face)} for face in self.given.calibration)
