"""The Open Inference Protocol v2 for inference over HTTP, with the binary tensor extension.

A request is a JSON object; raw tensors follow it where the header ``Inference-Header-Content-Length`` says
how long the JSON is. A reply has the same form when an output of it is binary.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgefer_runtime.contract import INPUT, OUTPUT
from edgefer_runtime.serving.limits import Limits
from edgefer_runtime.serving.refusals import BAD_REQUEST, TOO_LARGE, Refusal
from edgefer_runtime.serving.tensors import check_shape, from_raw, from_values, no_shared_memory, pack_strings

LARGEST_TIMEOUT_US = 1 << 62


@dataclass(frozen=True)
class Wanted:
    """How the one output is wanted.

    Attributes:
        binary: as raw bytes behind the JSON.
        classes: the labels of so many most probable classes, in place of all probabilities; 0 for these.
    """

    binary: bool = False
    classes: int = 0


@dataclass(frozen=True, eq=False)
class InferRequest:
    """A request that was read.

    Attributes:
        images: uint8, N x H x W x 3, RGB.
        id: the client's name for it, which the reply bears too.
        wanted: how the output is wanted.
        timeout_s: the client's own deadline, or None.
    """

    images: NDArray[np.uint8]
    id: str = ""
    wanted: Wanted = Wanted()
    timeout_s: float | None = None


@dataclass(frozen=True, eq=False)
class InferReply:
    """What an engine answered.

    Attributes:
        model, version: what answered.
        probabilities: float32, N x K.
        classes: all K class names.
    """

    model: str
    version: str
    probabilities: NDArray[np.float32]
    classes: tuple[str, ...]

    def labels(self, count: int) -> list[str]:
        """Of each face, ``count`` classes as ``probability:index:label``, the most probable first."""
        ranked = np.argsort(-self.probabilities, axis=1, kind="stable")[:, :count]
        return [
            f"{row[index]:f}:{index}:{self.classes[index]}"
            for row, indices in zip(self.probabilities, ranked, strict=True)
            for index in indices
        ]

    def tensor(self, wanted: Wanted) -> tuple[str, list[int], Any]:
        """Datatype, shape and data of the output as it is wanted: an array, or strings."""
        if not wanted.classes:
            return "FP32", [*self.probabilities.shape], self.probabilities
        shape = [len(self.probabilities), min(wanted.classes, len(self.classes))]
        return "BYTES", shape, self.labels(wanted.classes)


def parse_request(body: memoryview, json_length: int | None, limits: Limits) -> InferRequest:
    """Read the body of an ``infer`` request.

    Args:
        body: all of it, inflated.
        json_length: bytes of JSON it starts with; None when there is nothing else.
        limits: what it may ask for.

    Raises:
        Refusal: 400 or 413; the message says what was expected.
    """
    length = len(body) if json_length is None else json_length
    if not 0 <= length <= len(body):
        raise Refusal(BAD_REQUEST, f"a JSON part of {length} bytes in a body of {len(body)}")
    if length > limits.json_bytes:
        raise Refusal(
            TOO_LARGE,
            f"{length} bytes of JSON; at most {limits.json_bytes}: send the tensor as binary data",
        )
    head = parse_json(bytes(body[:length]))
    parameters = _parameters(head)
    inputs = head.get("inputs")
    if not isinstance(inputs, list) or len(inputs) != 1 or not isinstance(inputs[0], dict):
        raise Refusal(BAD_REQUEST, f"another number of inputs than one, {INPUT!r}")
    identity = head.get("id", "")
    if not isinstance(identity, str):
        raise Refusal(BAD_REQUEST, "an id that is no string")
    return InferRequest(
        images=_images(inputs[0], body[length:], limits),
        id=identity,
        wanted=wanted(head.get("outputs"), bool(parameters.get("binary_data_output", False))),
        timeout_s=timeout(parameters),
    )


def parse_json(text: bytes) -> dict[str, Any]:
    """The JSON object in ``text``.

    Raises:
        Refusal: no JSON, or no object.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise Refusal(BAD_REQUEST, "a body that is no JSON") from None
    if not isinstance(value, dict):
        raise Refusal(BAD_REQUEST, "a body that is no JSON object")
    return value


def wanted(outputs: Any, binary: bool) -> Wanted:
    """How the output is wanted, from the request's ``outputs``; ``binary`` holds where these say nothing."""
    if outputs is None or outputs == []:
        return Wanted(binary)
    if not isinstance(outputs, list) or len(outputs) != 1 or not isinstance(outputs[0], dict):
        raise Refusal(BAD_REQUEST, f"another number of outputs than one, {OUTPUT!r}")
    if outputs[0].get("name") != OUTPUT:
        raise Refusal(BAD_REQUEST, f"output {str(outputs[0].get('name'))[:80]!r}; expected {OUTPUT!r}")
    parameters = _parameters(outputs[0])
    classes = parameters.get("classification", 0)
    if type(classes) is not int or classes < 0:
        raise Refusal(BAD_REQUEST, "a parameter 'classification' that is no number of classes")
    return Wanted(bool(parameters.get("binary_data", binary)), classes)


def timeout(parameters: Mapping[str, Any]) -> float | None:
    """The parameter ``timeout`` of a request, microseconds there, in seconds; None without one."""
    microseconds = parameters.get("timeout", 0)
    if type(microseconds) is not int or not 0 <= microseconds <= LARGEST_TIMEOUT_US:
        raise Refusal(BAD_REQUEST, "a parameter 'timeout' that is no number of microseconds")
    return microseconds / 1e6 if microseconds else None


def encode_reply(reply: InferReply, request: InferRequest) -> tuple[bytes, int | None]:
    """The body of a reply, and how many bytes of it are JSON; None when all are."""
    datatype, shape, data = reply.tensor(request.wanted)
    output: dict[str, Any] = {"name": OUTPUT, "datatype": datatype, "shape": shape}
    raw = b""
    if request.wanted.binary:
        raw = pack_strings(data) if datatype == "BYTES" else data.tobytes()
        output["parameters"] = {"binary_data_size": len(raw)}
    else:
        output["data"] = data if datatype == "BYTES" else data.ravel().tolist()
    head = {"model_name": reply.model, "model_version": reply.version, "outputs": [output]}
    if request.id:
        head["id"] = request.id
    text = json.dumps(head, separators=(",", ":")).encode()
    return text + raw, len(text) if request.wanted.binary else None


def _images(tensor: Mapping[str, Any], raw: memoryview, limits: Limits) -> NDArray[np.uint8]:
    parameters = _parameters(tensor)
    if "shared_memory_region" in parameters:
        raise no_shared_memory()
    shape = check_shape(tensor.get("name"), tensor.get("datatype"), tensor.get("shape"), limits)
    if "binary_data_size" in parameters:
        if parameters["binary_data_size"] != len(raw):
            raise Refusal(
                BAD_REQUEST, f"a 'binary_data_size' that is not the {len(raw)} bytes behind the JSON"
            )
        return from_raw(raw, shape)
    if len(raw):
        raise Refusal(BAD_REQUEST, f"{len(raw)} bytes behind the JSON that no input claims")
    return from_values(tensor.get("data"), shape)


def _parameters(owner: Mapping[str, Any]) -> Mapping[str, Any]:
    parameters = owner.get("parameters", {})
    if not isinstance(parameters, dict):
        raise Refusal(BAD_REQUEST, "parameters that are no object")
    return parameters
