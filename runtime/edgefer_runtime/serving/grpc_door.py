"""The gRPC door: the same handlers as HTTP's, with messages in place of JSON."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import grpc  # type: ignore[import-untyped]
import numpy as np
from google.protobuf.json_format import ParseDict  # type: ignore[import-untyped]
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from numpy.typing import NDArray

from edgefer_runtime.contract import INPUT, OUTPUT
from edgefer_runtime.errors import DeviceError
from edgefer_runtime.serving import reports
from edgefer_runtime.serving.handlers import Service, as_refusal, unloading
from edgefer_runtime.serving.limits import Limits
from edgefer_runtime.serving.messages import Rpc, service
from edgefer_runtime.serving.protocol import InferReply, InferRequest, timeout, wanted
from edgefer_runtime.serving.refusals import BAD_REQUEST, Refusal
from edgefer_runtime.serving.settings import ServeSettings
from edgefer_runtime.serving.tensors import (
    check_shape,
    check_values,
    from_raw,
    from_values,
    no_shared_memory,
    pack_strings,
)

MESSAGE_SLACK_BYTES = 1 << 16
"""What a message may hold besides its tensor."""

CALLS_PER_PLACE = 2
"""Calls at once for every place in a model's queue."""

CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    404: grpc.StatusCode.NOT_FOUND,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}
PUBLIC = frozenset({"ServerLive", "ServerReady"})
"""Calls that ask for no token."""

Answer = Callable[[Any], Awaitable[Any]]


class Door:
    """A gRPC server that listens.

    Attributes:
        port: the one it got.
    """

    def __init__(self, server: Any, port: int) -> None:
        self._server, self.port = server, port

    async def stop(self, grace_s: float) -> None:
        """Take no more calls; finish those under way, for ``grace_s`` seconds at most."""
        await self._server.stop(grace_s)


async def open_door(settings: ServeSettings, handlers: Service) -> Door:
    """Listen where the settings say.

    Raises:
        DeviceError: the port is taken.
    """
    server = grpc.aio.server(
        options=[
            ("grpc.max_receive_message_length", settings.limits.body_bytes + MESSAGE_SLACK_BYTES),
            ("grpc.so_reuseport", 0),
        ],
        maximum_concurrent_rpcs=CALLS_PER_PLACE * settings.queue,
    )
    name, calls = service()
    answers = Answers(handlers)
    methods = {call: _method(call, rpc, answers) for call, rpc in calls.items()}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, methods),))
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    address = f"{host}:{settings.grpc_port}"
    try:
        if settings.certificate is None or settings.key is None:
            port = server.add_insecure_port(address)
        else:
            pair = settings.key.read_bytes(), settings.certificate.read_bytes()
            port = server.add_secure_port(address, grpc.ssl_server_credentials([pair]))
    except RuntimeError as error:
        raise DeviceError(
            f"{address} cannot be listened on ({error})",
            expected="an address of this machine and a port that is free",
            action="choose another with --grpc-port, or end what listens there",
        ) from error
    await server.start()
    return Door(server, port)


class Answers:
    """The calls of the service, each under its name there: a request in, the reply's fields out.

    A reply that is no message yet is a mapping of its fields.
    """

    def __init__(self, handlers: Service) -> None:
        self.handlers, self._repository = handlers, handlers.repository

    async def server_live(self, request: Any) -> Mapping[str, Any]:
        """The process answers."""
        return {"live": True}

    async def server_ready(self, request: Any) -> Mapping[str, Any]:
        """It takes requests."""
        return {"ready": not self.handlers.ending}

    async def server_metadata(self, request: Any) -> Mapping[str, Any]:
        """Name, version, extensions."""
        return reports.server_metadata()

    async def model_ready(self, request: Any) -> Mapping[str, Any]:
        """A model that is there is ready."""
        self._repository.get(request.name, request.version)
        return {"ready": True}

    async def model_metadata(self, request: Any) -> Mapping[str, Any]:
        """Inputs and outputs of a model."""
        model = self._repository.get(request.name, request.version)
        return reports.model_metadata(model, self._repository.versions(model.name))

    async def model_config(self, request: Any) -> Mapping[str, Any]:
        """A model as Triton would configure it."""
        return {"config": reports.model_config(self._repository.get(request.name, request.version))}

    async def model_statistics(self, request: Any) -> Mapping[str, Any]:
        """Of all models, of a model's versions, or of one of them."""
        return reports.statistics(self._repository.select(request.name, request.version))

    async def repository_index(self, request: Any) -> Mapping[str, Any]:
        """Every version of every model."""
        return {"models": reports.repository_index(self._repository)}

    async def repository_model_load(self, request: Any) -> Mapping[str, Any]:
        """Reload."""
        await self.handlers.reload(request.model_name)
        return {}

    async def repository_model_unload(self, request: Any) -> Mapping[str, Any]:
        """Refused."""
        raise unloading()

    async def model_infer(self, request: Any) -> Any:
        """Probabilities or labels of face crops."""
        arrived_ns = time.perf_counter_ns()
        model = self._repository.get(request.model_name, request.model_version)
        with self.handlers.counting(model, arrived_ns):
            asked = parse_infer(request, self.handlers.limits)
            reply = await self.handlers.infer(model, asked, arrived_ns)
        return encode_infer(reply, asked)

    async def model_stream_infer(self, request: Any) -> Any:
        """As :meth:`model_infer`; what goes wrong is an answer too, so that the stream goes on."""
        response = service()[1]["ModelStreamInfer"].response
        try:
            return response(infer_response=await self.model_infer(request))
        except Refusal as refusal:
            return response(error_message=refusal.message)


def parse_infer(message: Any, limits: Limits) -> InferRequest:
    """Read a ModelInferRequest.

    Raises:
        Refusal: 400 or 413; the message says what was expected.
    """
    if len(message.inputs) != 1:
        raise Refusal(BAD_REQUEST, f"{len(message.inputs)} inputs; expected one, {INPUT!r}")
    outputs = [{"name": each.name, "parameters": _values(each.parameters)} for each in message.outputs]
    return InferRequest(
        images=_images(message.inputs[0], message.raw_input_contents, limits),
        id=message.id,
        wanted=wanted(outputs, binary=True),
        timeout_s=timeout(_values(message.parameters)),
    )


def encode_infer(reply: InferReply, request: InferRequest) -> Any:
    """The ModelInferResponse of a reply."""
    datatype, shape, data = reply.tensor(request.wanted)
    response = service()[1]["ModelInfer"].response(
        model_name=reply.model,
        model_version=reply.version,
        id=request.id,
        raw_output_contents=[pack_strings(data) if datatype == "BYTES" else data.tobytes()],
    )
    response.outputs.add(name=OUTPUT, datatype=datatype, shape=shape)
    return response


def _images(tensor: Any, raw: Any, limits: Limits) -> NDArray[np.uint8]:
    if "shared_memory_region" in tensor.parameters:
        raise no_shared_memory()
    shape = check_shape(tensor.name, tensor.datatype, [*tensor.shape], limits)
    if not raw:
        values = tensor.contents.uint_contents
        check_values(len(values), shape, limits)
        return from_values([*values], shape)
    if len(raw) != 1:
        raise Refusal(BAD_REQUEST, f"{len(raw)} raw tensors for one input")
    return from_raw(raw[0], shape)


def _values(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """InferParameters by name, as plain values; None for one that has none."""
    chosen = {name: parameter.WhichOneof("parameter_choice") for name, parameter in parameters.items()}
    return {name: kind and getattr(parameters[name], kind) for name, kind in chosen.items()}


def _method(call: str, rpc: Rpc, answers: Answers) -> Any:
    """The call as gRPC takes it; it gets bytes, so that those which are no message are refused in words."""
    answer: Answer = getattr(answers, re.sub(r"(?<!^)(?=[A-Z])", "_", call).lower())

    async def one(data: bytes, context: Any) -> Any:
        try:
            if call not in PUBLIC:
                shown = dict(context.invocation_metadata()).get("authorization")
                answers.handlers.authorize(shown)
            with answers.handlers.budget.account() as take:
                take(len(data))
                return _reply(await answer(_message(rpc.request, data)), rpc.response)
        except Exception as error:
            refusal = as_refusal(error)
        return await context.abort(CODES.get(refusal.status, grpc.StatusCode.INTERNAL), refusal.message)

    async def many(stream: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        async for data in stream:
            yield await one(data, context)

    return (
        grpc.stream_stream_rpc_method_handler(many)
        if rpc.streams
        else grpc.unary_unary_rpc_method_handler(one)
    )


def _message(kind: Any, data: bytes) -> Any:
    try:
        return kind.FromString(data)
    except DecodeError:
        raise Refusal(BAD_REQUEST, f"a body that is no {kind.DESCRIPTOR.name}") from None


def _reply(fields: Any, kind: Any) -> bytes:
    message = fields if isinstance(fields, kind) else ParseDict(fields, kind())
    data: bytes = message.SerializeToString()
    return data
