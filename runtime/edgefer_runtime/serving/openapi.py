"""Every route of the HTTP door, described as OpenAPI 3.1; the door is built from this table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import edgefer_runtime
from edgefer_runtime.messages.schema import faces_schema
from edgefer_runtime.serving.limits import Limits

Operation = dict[str, Any]

JSON, BYTES = "application/json", "application/octet-stream"
PICTURES = ("image/jpeg", "image/png", "image/webp")
PUBLIC = frozenset({"live", "ready", "openapi"})
"""Operations that ask for no token."""

FOREIGN = (403, 421)
"""What web pages from elsewhere are answered, where no token is asked for."""

TIMEOUT_HEADER = "Request-Timeout-Ms"


def _schema(kind: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, **more}


def _object(**properties: Any) -> dict[str, Any]:
    return _schema("object", properties=properties, required=[*properties])


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return _schema("array", items=items)


STRING, INTEGER, NUMBER, BOOLEAN = (_schema(kind) for kind in ("string", "integer", "number", "boolean"))
ANY_OBJECT = _schema("object")
LENGTH = _schema("integer", minimum=1)
ERROR = _object(error=STRING)
METADATA_TENSOR = _object(name=STRING, datatype=STRING, shape=_list(INTEGER))
MODEL_METADATA = _object(
    name=STRING,
    versions=_list(STRING),
    platform=STRING,
    inputs=_list(METADATA_TENSOR),
    outputs=_list(METADATA_TENSOR),
)
DESCRIBED = _object(
    name=STRING,
    version=STRING,
    model=STRING,
    variant=STRING,
    target=STRING,
    precision=STRING,
    classes=_list(STRING),
    provider=STRING,
    engines=INTEGER,
    threads=INTEGER,
    size_bytes=INTEGER,
    accuracy=_schema(["object", "null"]),  # type: ignore[arg-type]
    licence=STRING,
    notice=STRING,
)
INFER_REQUEST = _schema(
    "object",
    required=["inputs"],
    properties={
        "id": STRING,
        "parameters": ANY_OBJECT,
        "inputs": _schema(
            "array",
            minItems=1,
            maxItems=1,
            items=_schema(
                "object",
                required=["name", "datatype", "shape"],
                properties={
                    "name": {"const": "images"},
                    "datatype": {"const": "UINT8"},
                    "shape": _schema(
                        "array", prefixItems=[*[LENGTH] * 3, {"const": 3}], minItems=4, maxItems=4
                    ),
                    "parameters": ANY_OBJECT,
                    "data": _schema("array"),
                },
            ),
        ),
        "outputs": _schema(
            "array",
            maxItems=1,
            items=_schema(
                "object",
                required=["name"],
                properties={"name": {"const": "probabilities"}, "parameters": ANY_OBJECT},
            ),
        ),
    },
)
INFER_REPLY = _schema(
    "object",
    required=["model_name", "model_version", "outputs"],
    properties={
        "model_name": STRING,
        "model_version": STRING,
        "id": STRING,
        "outputs": _list(_schema("object", required=["name", "datatype", "shape"])),
    },
)


def _parameter(name: str, where: str, text: str, schema: dict[str, Any] = STRING) -> dict[str, Any]:
    return {"name": name, "in": where, "description": text, "required": where == "path", "schema": schema}


JSON_LENGTH = _parameter(
    "Inference-Header-Content-Length",
    "header",
    "Bytes of JSON that the body starts with; raw tensors follow.",
    _schema("integer", minimum=0),
)
TIMEOUT = _parameter(TIMEOUT_HEADER, "header", "Milliseconds until an answer is of no use.", LENGTH)
FACES_QUERY = (
    _parameter("model", "query", "A model's name; by default the first that the server was given."),
    _parameter("version", "query", "Its version; by default the latest."),
    _parameter("width", "query", "Of a raw frame, in pixels.", LENGTH),
    _parameter("height", "query", "Of a raw frame, in pixels.", LENGTH),
)


def _operation(
    name: str,
    summary: str,
    answer: dict[str, Any] | str,
    *,
    refusals: tuple[int, ...] = (),
    body: Mapping[str, Any] | None = None,
    parameters: tuple[dict[str, Any], ...] = (),
) -> Operation:
    """An operation whose answer, with status 200, is JSON of a schema or of a media type."""
    content = {answer: {}} if isinstance(answer, str) else {JSON: {"schema": answer}}
    foreign = () if name in ("live", "ready") else FOREIGN
    statuses = sorted({*refusals, *foreign, *(() if name in PUBLIC else (401,))})
    operation: Operation = {
        "operationId": name,
        "summary": summary,
        "parameters": [*parameters],
        "responses": {
            "200": {"description": summary, "content": content},
            **{str(status): {"$ref": f"#/components/responses/{status}"} for status in statuses},
        },
        "security": [{}] if name in PUBLIC else [{}, {"token": []}],
    }
    if body is not None:
        operation["requestBody"] = {"required": False, "content": dict(body)}
    return operation


_INFER = _operation(
    "infer",
    "Probabilities or labels of face crops",
    INFER_REPLY,
    refusals=(400, 404, 408, 413, 415, 503, 504),
    body={JSON: {"schema": INFER_REQUEST}, BYTES: {}},
    parameters=(JSON_LENGTH, TIMEOUT),
)
_INFER["responses"]["200"]["content"][BYTES] = {}

_OF_MODEL: Mapping[str, tuple[str, Operation]] = {
    "": ("get", _operation("metadata", "A model's inputs and outputs", MODEL_METADATA, refusals=(404,))),
    "/ready": (
        "get",
        _operation("model_ready", "Whether a model answers", _object(ready=BOOLEAN), refusals=(404,)),
    ),
    "/config": (
        "get",
        _operation("config", "A model's configuration in Triton's terms", ANY_OBJECT, refusals=(404,)),
    ),
    "/stats": (
        "get",
        _operation("statistics", "What a model did", _object(model_stats=_list(ANY_OBJECT)), refusals=(404,)),
    ),
    "/infer": ("post", _INFER),
}


def _paths() -> dict[str, dict[str, Operation]]:
    live = _operation("live", "Whether the server runs", _object(live=BOOLEAN))
    ready = _operation("ready", "Whether the server takes requests", _object(ready=BOOLEAN), refusals=(503,))
    about = _object(name=STRING, version=STRING, extensions=_list(STRING))
    server = _operation("server", "Name, version and extensions of the server", about)
    every = _operation("statistics", "What every model did", _object(model_stats=_list(ANY_OBJECT)))
    index = _operation(
        "index",
        "Every version of every model",
        _list(_object(name=STRING, version=STRING, state=STRING, reason=STRING)),
        refusals=(400, 408, 413, 415, 503),
        body={JSON: {"schema": ANY_OBJECT}},
    )
    load = _operation("load", "Open a model's bundle anew", ANY_OBJECT, refusals=(400, 404, 415))
    unload = _operation(
        "unload", "Refused: the models are those of the command line", ERROR, refusals=(400, 415)
    )
    paths: dict[str, dict[str, Operation]] = {
        "/v2/health/live": {"get": live},
        "/v2/health/ready": {"get": ready},
        "/v2": {"get": server},
        "/v2/models/stats": {"get": every},
        "/v2/repository/index": {"post": index},
        "/v2/repository/models/{name}/load": {"post": load},
        "/v2/repository/models/{name}/unload": {"post": unload},
    }
    for model in ("/v2/models/{name}", "/v2/models/{name}/versions/{version}"):
        paths |= {model + end: {method: operation} for end, (method, operation) in _OF_MODEL.items()}
    faces = _operation(
        "faces",
        "Faces in a picture, and their expressions",
        {"$ref": "#/components/schemas/faces"},
        refusals=(400, 404, 408, 413, 415, 501, 503, 504),
        body={kind: {} for kind in (*PICTURES, BYTES)},
        parameters=(*FACES_QUERY, TIMEOUT),
    )
    models = _operation("models", "The models: classes, engine, accuracy", _object(models=_list(DESCRIBED)))
    return paths | {
        "/v1/faces": {"post": faces},
        "/v1/models": {"get": models},
        "/metrics": {"get": _operation("metrics", "Counters for Prometheus", "text/plain")},
        "/openapi.json": {"get": _operation("openapi", "This description", ANY_OBJECT)},
    }


PATHS = _paths()

REFUSALS = {
    400: "Not understood",
    401: "No token, or another",
    403: "A web page from elsewhere, which --allow-origin does not name",
    404: "No such model",
    408: "The body did not come in time",
    413: "Too large",
    415: "Another media type or content coding",
    421: "Host is none of the server's names; --allow-host adds one",
    501: "No face detector is installed",
    503: "Too busy; Retry-After says when to come again",
    504: "Not within the deadline",
}


def description(limits: Limits) -> dict[str, Any]:
    """The OpenAPI document of a server with these limits."""
    paths = {
        path: {
            **methods,
            **({"parameters": given} if (given := _path_parameters(path)) else {}),
        }
        for path, methods in PATHS.items()
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "edgefer",
            "version": edgefer_runtime.__version__,
            "description": "Facial expressions by the Open Inference Protocol v2, and as JSON. "
            f"Bodies have at most {limits.body_bytes} bytes, {limits.json_bytes} of them JSON, requests at "
            f"most {limits.faces} faces and {limits.timeout_s:g} s.",
        },
        "paths": paths,
        "components": {
            "schemas": {"faces": faces_schema(), "error": ERROR},
            "responses": {
                str(status): {
                    "description": text,
                    "content": {JSON: {"schema": {"$ref": "#/components/schemas/error"}}},
                }
                for status, text in REFUSALS.items()
            },
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _path_parameters(path: str) -> list[dict[str, Any]]:
    texts = {"name": "A model's name.", "version": "One of its versions."}
    return [_parameter(name, "path", text) for name, text in texts.items() if f"{{{name}}}" in path]
