"""The gRPC door: the same handlers as HTTP's, with messages in place of JSON."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any
from urllib.parse import unquote

import grpc  # type: ignore[import-untyped]
import numpy as np
from google.protobuf.json_format import ParseDict  # type: ignore[import-untyped]
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from numpy.typing import NDArray

from edgefer_runtime.contract import INPUT, OUTPUT
from edgefer_runtime.errors import DeviceError
from edgefer_runtime.serving import reports
from edgefer_runtime.serving.handlers import Service, as_refusal, unloading
from edgefer_runtime.serving.limits import IDLE_S, Limits
from edgefer_runtime.serving.messages import Rpc, service
from edgefer_runtime.serving.protocol import InferReply, InferRequest, timeout, wanted
from edgefer_runtime.serving.refusals import BAD_REQUEST, REQUEST_TIMEOUT, UNAVAILABLE, Refusal, within
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

KEEP_ALIVE_S = 30
"""After so long without a word a client is asked whether it is there."""

CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    404: grpc.StatusCode.NOT_FOUND,
    408: grpc.StatusCode.DEADLINE_EXCEEDED,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}
PUBLIC = frozenset({"ServerLive", "ServerReady"})
"""Calls that ask for no token."""

Answer = Callable[[Any, str], Awaitable[Any]]


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


class Calls:
    """How many calls there are, whose requests have come or are coming.

    Args:
        limit: so many; a host may have no more of them than are left for others.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._of_hosts: Counter[str] = Counter()

    @contextmanager
    def one(self, host: str) -> Iterator[None]:
        """One more, until the end of the block.

        Raises:
            Refusal: 503, too many.
        """
        if self._of_hosts[host] >= self._limit - self._of_hosts.total():
            raise Refusal(UNAVAILABLE, "too many calls at once", retry_after_s=1)
        self._of_hosts[host] += 1
        try:
            yield
        finally:
            self._of_hosts[host] -= 1
            if not self._of_hosts[host]:
                del self._of_hosts[host]


async def open_door(settings: ServeSettings, handlers: Service, connections: int) -> Door:
    """Listen where the settings say, with so many connections at once.

    Raises:
        DeviceError: the port is taken.
    """
    timeout_ms, calls_at_once = int(1e3 * settings.limits.timeout_s), CALLS_PER_PLACE * settings.queue
    server = grpc.aio.server(
        options=[
            ("grpc.max_receive_message_length", settings.limits.body_bytes + MESSAGE_SLACK_BYTES),
            ("grpc.max_allowed_incoming_connections", connections),
            ("grpc.max_concurrent_streams", calls_at_once),
            ("grpc.max_connection_idle_ms", 1000 * IDLE_S),
            ("grpc.server_handshake_timeout_ms", timeout_ms),
            ("grpc.keepalive_time_ms", 1000 * KEEP_ALIVE_S),
            ("grpc.keepalive_timeout_ms", timeout_ms),
            ("grpc.so_reuseport", 0),
        ]
    )
    name, rpcs = service()
    answers, calls = Answers(handlers), Calls(calls_at_once)
    methods = {call: _method(call, rpc, answers, calls) for call, rpc in rpcs.items()}
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

    async def server_live(self, request: Any, client: str) -> Mapping[str, Any]:
        """The process answers."""
        return {"live": True}

    async def server_ready(self, request: Any, client: str) -> Mapping[str, Any]:
        """It takes requests."""
        return {"ready": not self.handlers.ending}

    async def server_metadata(self, request: Any, client: str) -> Mapping[str, Any]:
        """Name, version, extensions."""
        return reports.server_metadata()

    async def model_ready(self, request: Any, client: str) -> Mapping[str, Any]:
        """A model that is there is ready."""
        self._repository.get(request.name, request.version)
        return {"ready": True}

    async def model_metadata(self, request: Any, client: str) -> Mapping[str, Any]:
        """Inputs and outputs of a model."""
        model = self._repository.get(request.name, request.version)
        return reports.model_metadata(model, self._repository.versions(model.name))

    async def model_config(self, request: Any, client: str) -> Mapping[str, Any]:
        """A model as Triton would configure it."""
        return {"config": reports.model_config(self._repository.get(request.name, request.version))}

    async def model_statistics(self, request: Any, client: str) -> Mapping[str, Any]:
        """Of all models, of a model's versions, or of one of them."""
        return reports.statistics(self._repository.select(request.name, request.version))

    async def repository_index(self, request: Any, client: str) -> Mapping[str, Any]:
        """Every version of every model."""
        return {"models": reports.repository_index(self._repository)}

    async def repository_model_load(self, request: Any, client: str) -> Mapping[str, Any]:
        """Reload."""
        await self.handlers.reload(request.model_name)
        return {}

    async def repository_model_unload(self, request: Any, client: str) -> Mapping[str, Any]:
        """Refused."""
        raise unloading()

    async def model_infer(self, request: Any, client: str) -> Any:
        """Probabilities or labels of face crops."""
        arrived_ns = time.perf_counter_ns()
        model = self._repository.get(request.model_name, request.model_version)
        with self.handlers.counting(model, arrived_ns):
            asked = parse_infer(request, self.handlers.limits)
            reply = await self.handlers.infer(model, asked, client, arrived_ns)
        return encode_infer(reply, asked)

    async def model_stream_infer(self, request: Any, client: str) -> Any:
        """As :meth:`model_infer`; what goes wrong is an answer too, so that the stream goes on."""
        response = service()[1]["ModelStreamInfer"].response
        try:
            return response(infer_response=await self.model_infer(request, client))
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


def _method(call: str, rpc: Rpc, answers: Answers, calls: Calls) -> Any:
    """The call as gRPC takes it; it gets bytes, so that those which are no message are refused in words.

    A call of one request is read as a stream, which is the same on the wire: gRPC itself would wait for its
    request for ever.
    """
    answer: Answer = getattr(answers, re.sub(r"(?<!^)(?=[A-Z])", "_", call).lower())
    handlers, public = answers.handlers, call in PUBLIC
    timeout_s = handlers.limits.timeout_s

    def admitted(client: str, context: Any) -> AbstractContextManager[None]:
        if public:
            return nullcontext()
        handlers.authorize(dict(context.invocation_metadata()).get("authorization"))
        return calls.one(client)

    async def read(context: Any, wait_s: float) -> bytes | None:
        with within(wait_s, Refusal(REQUEST_TIMEOUT, f"no request within {wait_s:g} s")):
            data = await context.read()
        return None if data is grpc.aio.EOF else data

    async def answered(data: bytes, client: str) -> bytes:
        with handlers.budget.account() as take:
            take(len(data))
            return _reply(await answer(_message(rpc.request, data), client), rpc.response)

    async def refuse(error: Exception, context: Any) -> Any:
        refusal = as_refusal(error)
        await context.abort(CODES.get(refusal.status, grpc.StatusCode.INTERNAL), refusal.message)

    async def one(stream: Any, context: Any) -> Any:
        client = _client(context)
        try:
            with admitted(client, context):
                data = await read(context, timeout_s)
                if data is None:
                    raise Refusal(BAD_REQUEST, "a call without a request")
                return await answered(data, client)
        except Exception as error:
            await refuse(error, context)

    async def many(stream: Any, context: Any) -> None:
        client = _client(context)
        try:
            with admitted(client, context):
                while (data := await read(context, IDLE_S)) is not None:
                    await context.write(await answered(data, client))
        except Exception as error:
            await refuse(error, context)

    return (
        grpc.stream_stream_rpc_method_handler(many)
        if rpc.streams
        else grpc.stream_unary_rpc_method_handler(one)
    )


def _client(context: Any) -> str:
    """The host that calls, of ``ipv4:ADDRESS:PORT`` or ``ipv6:[ADDRESS]:PORT``, its brackets as in a URL."""
    return unquote(context.peer()).partition(":")[2].rpartition(":")[0].strip("[]")


def _message(kind: Any, data: bytes) -> Any:
    try:
        return kind.FromString(data)
    except DecodeError:
        raise Refusal(BAD_REQUEST, f"a body that is no {kind.DESCRIPTOR.name}") from None


def _reply(fields: Any, kind: Any) -> bytes:
    message = fields if isinstance(fields, kind) else ParseDict(fields, kind())
    data: bytes = message.SerializeToString()
    return data
