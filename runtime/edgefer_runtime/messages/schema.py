"""The JSON form of a frame's faces, ``edgefer.faces/1``: written, checked, and read back.

One form for MQTT, zenoh, the server and JSON lines. ``faces.schema.json`` beside this file describes it
and is what a message is checked against.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Protocol, TypedDict, cast

import numpy as np
from numpy.typing import NDArray

from edgefer_runtime.documents import parse_json
from edgefer_runtime.errors import DataError
from edgefer_runtime.faces.detection import LANDMARKS

SCHEMA = "edgefer.faces/1"
BOX = ("left", "top", "right", "bottom")

_POINTS = tuple(name.replace(" ", "_") for name in LANDMARKS)
_PIXEL_DECIMALS, _PROBABILITY_DECIMALS = 2, 6
_KINDS: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "null": (type(None),),
}


class FaceLike(Protocol):
    """What a face needs to have to become a message, as those of ``FaceAnalyzer`` do."""

    @property
    def box(self) -> NDArray[np.float32]:
        """Left, top, right, bottom, in pixels of the frame."""

    @property
    def landmarks(self) -> NDArray[np.float32] | None:
        """6 x 2, as :class:`edgefer_runtime.faces.Detection` has them."""

    @property
    def score(self) -> float:
        """The detector's, 0 to 1."""

    @property
    def label(self) -> str:
        """The most probable class."""

    @property
    def probabilities(self) -> NDArray[np.float32]:
        """K, in the order of ``classes``."""

    @property
    def classes(self) -> tuple[str, ...]:
        """All K class names."""

    @property
    def track(self) -> int | None:
        """The same for the same face in successive frames."""


class FrameMessage(TypedDict):
    """``frame`` of a message."""

    id: int | str
    captured_ns: int
    width: int
    height: int


class FaceMessage(TypedDict):
    """One of ``faces`` of a message."""

    box: dict[str, float]
    landmarks: dict[str, list[float]] | None
    score: float
    label: str
    probabilities: dict[str, float]
    track: int | None


class _Required(TypedDict):
    schema: str
    frame: FrameMessage
    model: str
    faces: list[FaceMessage]


class FacesMessage(_Required, total=False):
    """A message: the faces of one frame."""

    latency_ns: int


def faces_as_json(
    faces: Iterable[FaceLike],
    *,
    frame_id: int | str,
    captured_ns: int,
    width: int,
    height: int,
    model: str,
    latency_ns: int | None = None,
) -> FacesMessage:
    """The faces of one frame as a JSON object of the schema ``edgefer.faces/1``.

    Args:
        faces: any number of them, in the order the message is to have.
        frame_id: number of the frame in its stream, or the name of its file.
        captured_ns: when the frame was taken, ``time.time_ns()``.
        width, height: of the frame, in pixels.
        model: what the bundle's ``manifest.name`` says.
        latency_ns: from the capture to this message; left out when None.
    """
    message: FacesMessage = {
        "schema": SCHEMA,
        "frame": {"id": frame_id, "captured_ns": captured_ns, "width": width, "height": height},
        "model": model,
        "faces": [_face(face) for face in faces],
    }
    if latency_ns is not None:
        message["latency_ns"] = latency_ns
    return message


def _face(face: FaceLike) -> FaceMessage:
    points = None if face.landmarks is None else _rounded(face.landmarks, _PIXEL_DECIMALS)
    probabilities = _rounded(face.probabilities, _PROBABILITY_DECIMALS)
    return {
        "box": dict(zip(BOX, _rounded(face.box, _PIXEL_DECIMALS), strict=True)),
        "landmarks": None if points is None else dict(zip(_POINTS, points, strict=True)),
        "score": round(float(face.score), _PROBABILITY_DECIMALS),
        "label": face.label,
        "probabilities": dict(zip(face.classes, probabilities, strict=True)),
        "track": face.track,
    }


def _rounded(values: NDArray[np.float32], decimals: int) -> Any:
    # As float64: a float32 that was rounded has sixteen digits again once it is a Python float.
    return np.round(np.asarray(values, dtype=np.float64), decimals).tolist()


def encode_faces(message: FacesMessage) -> bytes:
    """A message as one line of JSON, UTF-8, without the line's end.

    Raises:
        ValueError: a number in it is not finite, which JSON cannot say.
    """
    return json.dumps(message, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def decode_faces(payload: bytes | str) -> FacesMessage:
    """The message in ``payload``, checked.

    Raises:
        DataError: no JSON, another schema, or a field that is missing or of the wrong kind.
    """
    try:
        text = payload.encode() if isinstance(payload, str) else payload
        value = parse_json(text, "the message")
    except (DataError, ValueError) as error:
        found = getattr(error, "found", str(error))
        raise DataError(f"a message that is no JSON ({found})", expected=f"an object of {SCHEMA}") from error
    if problem := _problem(value, faces_schema(), "the message"):
        raise DataError(
            f"a message that is no {SCHEMA}: {problem}",
            expected="what messages/faces.schema.json in edgefer_runtime describes",
            action="send it with the version of edgefer-runtime that is to read it",
        )
    return cast(FacesMessage, value)


@cache
def faces_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a message."""
    text = Path(__file__).with_name("faces.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def _problem(value: Any, schema: Mapping[str, Any], name: str) -> str | None:
    """What keeps ``value`` from fitting: the part of JSON Schema that ``faces.schema.json`` uses."""
    if "const" in schema and value != schema["const"]:
        return f"{name} is {value!r}, not {schema['const']!r}"
    kinds = schema.get("type", [])
    if kinds and not _is_a(value, [kinds] if isinstance(kinds, str) else kinds):
        return f"{name} is {value!r:.60}, no {kinds if isinstance(kinds, str) else ' or '.join(kinds)}"
    if isinstance(value, (int, float)):
        low, high = schema.get("minimum", value), schema.get("maximum", value)
        return None if low <= value <= high else f"{name} is {value}"
    if isinstance(value, dict):
        return _problem_of_object(value, schema, name)
    if isinstance(value, list):
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
            return f"{name} has {len(value)} elements"
        problems = (
            _problem(item, schema.get("items", {}), f"{name}[{index}]") for index, item in enumerate(value)
        )
        return next(filter(None, problems), None)
    return None


def _problem_of_object(value: dict[str, Any], schema: Mapping[str, Any], name: str) -> str | None:
    if missing := [key for key in schema.get("required", []) if key not in value]:
        return f"{name} has no {missing[0]}"
    if len(value) < schema.get("minProperties", 0):
        return f"{name} is empty"
    properties, others = schema.get("properties", {}), schema.get("additionalProperties", {})
    problems = (_problem(item, properties.get(key, others), f"{name}.{key}") for key, item in value.items())
    return next(filter(None, problems), None)


def _is_a(value: Any, kinds: Iterable[str]) -> bool:
    # JSON's true is no number, Python's is.
    return any(isinstance(value, _KINDS[kind]) for kind in kinds) and not isinstance(value, bool)
