"""``/v1/faces``: a picture or a raw frame in, the faces in it and their expressions out."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgefer_runtime.analyzer import Face, FaceAnalyzer
from edgefer_runtime.classifier import Classifier
from edgefer_runtime.errors import MissingError
from edgefer_runtime.faces import FaceDetector
from edgefer_runtime.images import decode_image
from edgefer_runtime.messages.schema import FacesMessage, faces_as_json
from edgefer_runtime.pictures import TooLargeError
from edgefer_runtime.serving.limits import Limits
from edgefer_runtime.serving.models import Repository, ServedModel
from edgefer_runtime.serving.openapi import BYTES, PICTURES
from edgefer_runtime.serving.refusals import (
    BAD_REQUEST,
    NOT_IMPLEMENTED,
    TOO_LARGE,
    UNSUPPORTED_MEDIA,
    Refusal,
)

Read = Callable[[bytes], NDArray[np.uint8]]


@dataclass(frozen=True)
class RawFrame:
    """Size of a frame that comes as bare pixels, RGB, row by row."""

    width: int
    height: int

    def __call__(self, body: bytes) -> NDArray[np.uint8]:
        """The frame: uint8, H x W x 3.

        Raises:
            Refusal: 400, another number of bytes.
        """
        size = self.width * self.height * 3
        if len(body) != size:
            raise Refusal(BAD_REQUEST, f"{len(body)} bytes; {self.width} x {self.height} x 3 are {size}")
        return np.frombuffer(body, np.uint8).reshape(self.height, self.width, 3)


class FaceDoor:
    """Finds and labels the faces in single pictures.

    Args:
        repository: the models; the first is the one that is meant when none is named.
        detector: finds faces, from many threads at once; None where none is installed.
        limits: what one request may ask for.
    """

    def __init__(self, repository: Repository, detector: FaceDetector | None, limits: Limits) -> None:
        self._repository, self._detector, self._limits = repository, detector, limits

    def model(self, name: str, version: str) -> ServedModel:
        """The model a request names.

        Raises:
            Refusal: 404, there is none.
        """
        return self._repository.get(name or next(iter(self._repository)).name, version)

    def reader(self, kind: str, raw: RawFrame | None) -> Read:
        """What makes a frame of a body, by the body's media type.

        Raises:
            Refusal: 415, another type; 400, a raw frame of no size; 413, one that is too large.
        """
        if kind in PICTURES:
            return self._decode
        if kind != BYTES:
            raise Refusal(
                UNSUPPORTED_MEDIA, f"a body of type {kind[:80]!r}; expected {', '.join(PICTURES)}, {BYTES}"
            )
        if raw is None:
            raise Refusal(BAD_REQUEST, "a raw frame without ?width=...&height=..., both at least 1")
        if max(raw.width, raw.height) > self._limits.side:
            raise Refusal(TOO_LARGE, f"{raw.width} x {raw.height} pixels; at most {self._limits.side} a side")
        return raw

    async def analyze(
        self, model: ServedModel, read: Read, body: bytes, client: str, arrived_ns: int
    ) -> FacesMessage:
        """The faces in a picture, as a message of ``edgefer.faces/1``.

        Args:
            model: labels them.
            read: makes a frame of ``body``.
            client: the host that asks.
            arrived_ns: when the request came, ``time.perf_counter_ns()``.

        Raises:
            DataError: a picture that cannot be read.
            Refusal: 501, no detector; 503, too many requests.
        """
        detector = self._detector
        if detector is None:
            raise Refusal(NOT_IMPLEMENTED, "no face detector here: it needs onnxruntime or openvino")
        captured_ns = time.time_ns() - (time.perf_counter_ns() - arrived_ns)

        def call(classifier: Classifier) -> tuple[NDArray[np.uint8], list[Face]]:
            frame = read(body)
            return frame, FaceAnalyzer(classifier, detector).analyze(frame)

        (frame, faces), loaded = await model.scheduler.run(call, client, len(body))
        return faces_as_json(
            faces,
            frame_id=0,
            captured_ns=captured_ns,
            width=frame.shape[1],
            height=frame.shape[0],
            model=loaded.manifest.name,
            latency_ns=time.perf_counter_ns() - arrived_ns,
        )

    def _decode(self, body: bytes) -> NDArray[np.uint8]:
        try:
            return decode_image(body, pixel_limit=self._limits.pixels)
        except TooLargeError as error:
            raise Refusal(TOO_LARGE, str(error)) from None
        except MissingError as error:
            raise Refusal(NOT_IMPLEMENTED, error.found) from None


def open_detector() -> FaceDetector | None:
    """The built-in detector, on one thread a call; None where what it runs on is not installed."""
    from edgefer_runtime.faces import BlazeFace

    try:
        return BlazeFace.open(threads=1)
    except MissingError:
        return None
