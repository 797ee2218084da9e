"""What both command lines call to serve."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from edgefer_runtime.serving.limits import Limits
from edgefer_runtime.serving.loading import EngineSettings
from edgefer_runtime.serving.models import Source
from edgefer_runtime.serving.server import Addresses, serve
from edgefer_runtime.serving.settings import ServeSettings, read_token


def run(
    bundles: list[str],
    *,
    host: str,
    port: int,
    grpc_port: int | None,
    engines: EngineSettings,
    queue: int,
    batch_delay: float,
    timeout: float,
    max_body: float,
    max_connections: int,
    token_file: Path | None,
    anonymous: bool,
    allow_host: list[str],
    allow_origin: list[str],
    tls_certificate: Path | None,
    tls_key: Path | None,
) -> tuple[dict[str, Any], str]:
    """Serve until told to stop; the arguments are the options of the same names.

    Returns:
        The statistics of all models, and a line that sums them up.

    Raises:
        EdgeferError: as :func:`edgefer_runtime.serving.server.serve`.
    """
    settings = ServeSettings(
        sources=tuple(Source.parse(words) for words in bundles),
        engines=engines,
        limits=Limits(body_bytes=int(max_body * 2**20), timeout_s=timeout, connections=max_connections),
        host=host,
        port=port,
        grpc_port=grpc_port,
        queue=queue,
        batch_delay_ms=batch_delay,
        token=read_token(token_file),
        anonymous=anonymous,
        hosts=tuple(allow_host),
        origins=tuple(allow_origin),
        certificate=tls_certificate,
        key=tls_key,
    )
    statistics = serve(settings, _tell)
    served = sum(model["inference_stats"]["success"]["count"] for model in statistics["model_stats"])
    return statistics, f"{served} requests served"


def _tell(addresses: Addresses) -> None:
    print(f"serving on {addresses.http}", file=sys.stderr, flush=True)
    if addresses.grpc is not None:
        print(f"gRPC on {addresses.grpc}", file=sys.stderr, flush=True)
