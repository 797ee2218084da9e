"""The HTTP door: Starlette's routing, the protocol's bodies, and every refusal as ``{"error": ...}``."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from edgefer_runtime.serving import prometheus, reports
from edgefer_runtime.serving.access import HEALTH, Access, require_no_form
from edgefer_runtime.serving.bodies import read_body
from edgefer_runtime.serving.faces import FaceDoor, RawFrame
from edgefer_runtime.serving.handlers import Service, as_refusal, unloading
from edgefer_runtime.serving.models import ServedModel
from edgefer_runtime.serving.openapi import BYTES, JSON, PATHS, PUBLIC, TIMEOUT_HEADER, description
from edgefer_runtime.serving.page import Page
from edgefer_runtime.serving.protocol import encode_reply, parse_json, parse_request
from edgefer_runtime.serving.refusals import BAD_REQUEST, REQUEST_TIMEOUT, UNAVAILABLE, Refusal, within

JSON_LENGTH = "Inference-Header-Content-Length"
HEADERS = [("X-Content-Type-Options", "nosniff"), ("Cross-Origin-Resource-Policy", "same-origin")]
"""Of every answer: it is what it says it is, and no part of another's page."""

CORS_HEADERS = ("Authorization", "Content-Type", "Content-Encoding")

Endpoint = Callable[[Request], Awaitable[Response]]


class Api:
    """The operations of :data:`edgefer_runtime.serving.openapi.PATHS`, each under its name there."""

    def __init__(self, service: Service, faces: FaceDoor) -> None:
        self._service, self._faces = service, faces
        self._description = description(service.limits)

    async def live(self, request: Request) -> Response:
        """The process answers."""
        return _json({"live": True})

    async def ready(self, request: Request) -> Response:
        """It takes requests: not any more once it is being shut down."""
        ready = not self._service.ending
        return _json({"ready": ready}, 200 if ready else UNAVAILABLE)

    async def server(self, request: Request) -> Response:
        """Name, version, extensions."""
        return _json(reports.server_metadata())

    async def metadata(self, request: Request) -> Response:
        """Inputs and outputs of a model."""
        model = self._model(request)
        return _json(reports.model_metadata(model, self._service.repository.versions(model.name)))

    async def model_ready(self, request: Request) -> Response:
        """A model that is there is ready."""
        return _json({"name": self._model(request).name, "ready": True})

    async def config(self, request: Request) -> Response:
        """A model as Triton would configure it."""
        return _json(reports.model_config(self._model(request)))

    async def statistics(self, request: Request) -> Response:
        """Of all models, of a model's versions, or of one of them."""
        words = request.path_params
        chosen = self._service.repository.select(words.get("name", ""), words.get("version", ""))
        return _json(reports.statistics(chosen))

    async def index(self, request: Request) -> Response:
        """Every version of every model; what is there is ready, so ``{"ready": true}`` changes nothing."""
        if body := await self._body(request, time.perf_counter_ns()):
            parse_json(body)
        return _json(reports.repository_index(self._service.repository))

    async def load(self, request: Request) -> Response:
        """Reload."""
        self._require_no_form(request)
        await self._service.reload(request.path_params["name"])
        return _json({})

    async def unload(self, request: Request) -> Response:
        """Refused."""
        self._require_no_form(request)
        raise unloading()

    async def infer(self, request: Request) -> Response:
        """Probabilities or labels of face crops."""
        arrived_ns = time.perf_counter_ns()
        model = self._model(request)
        with self._service.counting(model, arrived_ns), self._service.budget.account() as take:
            client = _client(request)
            model.scheduler.require_place(client, _declared(request) or 0)
            body = await self._body(request, arrived_ns, take)
            length = _whole(request.headers.get(JSON_LENGTH), JSON_LENGTH)
            asked = parse_request(memoryview(body), length, self._service.limits)
            reply = await self._service.infer(model, asked, client, arrived_ns, _timeout_s(request))
        content, json_length = encode_reply(reply, asked)
        if json_length is None:
            return Response(content, media_type=JSON)
        return Response(content, headers={JSON_LENGTH: str(json_length)}, media_type=BYTES)

    async def faces(self, request: Request) -> Response:
        """Faces in a picture or a raw frame."""
        arrived_ns = time.perf_counter_ns()
        query = request.query_params
        model = self._faces.model(query.get("model", ""), query.get("version", ""))
        with self._service.counting(model, arrived_ns), self._service.budget.account() as take:
            client = _client(request)
            model.scheduler.require_place(client, _declared(request) or 0)
            width, height = (_whole(query.get(side), side) for side in ("width", "height"))
            kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
            read = self._faces.reader(kind, RawFrame(width, height) if width and height else None)
            body = await self._body(request, arrived_ns, take)
            with self._service.deadline(arrived_ns, _timeout_s(request)):
                return _json(await self._faces.analyze(model, read, body, client, arrived_ns))

    async def models(self, request: Request) -> Response:
        """The models, for people and pages."""
        return _json({"models": [reports.described(model) for model in self._service.repository]})

    async def metrics(self, request: Request) -> Response:
        """For Prometheus."""
        return Response(prometheus.exposition(self._service.repository), media_type=prometheus.CONTENT_TYPE)

    async def openapi(self, request: Request) -> Response:
        """The description of all of this."""
        return _json(self._description)

    def _model(self, request: Request) -> ServedModel:
        words = request.path_params
        return self._service.repository.get(words["name"], words.get("version", ""))

    def _require_no_form(self, request: Request) -> None:
        if self._service.token is None:
            require_no_form(request.headers.get("content-type", ""))

    async def _body(
        self, request: Request, arrived_ns: int, take: Callable[[int], None] = lambda count: None
    ) -> bytes:
        limits = self._service.limits
        left_s = limits.timeout_s - (time.perf_counter_ns() - arrived_ns) / 1e9
        with within(left_s, Refusal(REQUEST_TIMEOUT, f"the body did not come within {limits.timeout_s:g} s")):
            return await read_body(
                request.receive,
                _declared(request),
                request.headers.get("content-encoding", "").strip().lower(),
                limits.body_bytes,
                take,
            )


class Door:
    """The ASGI application: looks at who asks, and turns whatever goes wrong into its answer."""

    def __init__(self, service: Service, faces: FaceDoor, access: Access) -> None:
        api = Api(service, faces)
        self._access = access if service.token is None else None
        routes = [
            Route(
                path, _authorized(getattr(api, operation["operationId"]), service), methods=[method.upper()]
            )
            for path, methods in PATHS.items()
            for method, operation in methods.items()
        ]
        # They are tried in turn: first those that come with every frame.
        routes.sort(key=lambda route: not route.path.endswith(("/infer", "/faces")))
        self._app: ASGIApp = self._answer
        self._router = Router(routes, redirect_slashes=False, default=Page())
        if access.origins:
            self._app = CORSMiddleware(
                self._answer,
                allow_origins=[*access.origins],
                allow_methods=["GET", "POST"],
                allow_headers=[
                    "Authorization",
                    "Content-Type",
                    "Content-Encoding",
                    JSON_LENGTH,
                    TIMEOUT_HEADER,
                ],
                expose_headers=[JSON_LENGTH, "Retry-After"],
            )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; other scopes than HTTP's are not used."""
        if scope["type"] != "http":
            return
        scope["app"] = self  # so that Starlette raises for unknown paths, and does not answer in plain text
        try:
            if self._access is not None and scope["path"] not in HEALTH:
                self._access.check(
                    scope["headers"],
                    http=scope["http_version"],
                    navigation=scope["method"] in ("GET", "HEAD"),
                )
        except Refusal as refusal:
            await _error(refusal.status, refusal.message, None)(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._router(scope, receive, send)
        except HTTPException as error:
            await _error(error.status_code, f"{error.detail}", error.headers)(scope, receive, send)
        except Exception as error:
            refusal = as_refusal(error)
            after = None if refusal.retry_after_s is None else {"Retry-After": str(refusal.retry_after_s)}
            await _error(refusal.status, refusal.message, after)(scope, receive, send)


def _authorized(endpoint: Endpoint, service: Service) -> Endpoint:
    if endpoint.__name__ in PUBLIC:
        return endpoint

    async def guarded(request: Request) -> Response:
        service.authorize(request.headers.get("authorization"))
        return await endpoint(request)

    return guarded


def _json(value: Any, status: int = 200) -> Response:
    return Response(json.dumps(value, separators=(",", ":")), status, media_type=JSON)


def _error(status: int, message: str, headers: Mapping[str, str] | None) -> Response:
    challenge = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    return Response(json.dumps({"error": message}), status, {**(headers or {}), **challenge}, media_type=JSON)


def _client(request: Request) -> str:
    return request.client.host if request.client is not None else ""


def _declared(request: Request) -> int | None:
    return _whole(request.headers.get("content-length"), "content-length")


def _timeout_s(request: Request) -> float | None:
    milliseconds = _whole(request.headers.get(TIMEOUT_HEADER), TIMEOUT_HEADER)
    return None if milliseconds is None else milliseconds / 1e3


def _whole(text: str | None, name: str) -> int | None:
    """The number in a header or query, at most fifteen digits."""
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 15):
        raise Refusal(BAD_REQUEST, f"{name} that is no whole number")
    return int(text)
