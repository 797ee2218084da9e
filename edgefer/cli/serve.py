"""`edgefer serve`: bundles over HTTP and gRPC, to clients that other people wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from edgefer.cli._common import JsonFlag, guarded, print_json, say
from edgefer_runtime.serving.limits import HTTP_PORT, Limits

LIMITS = Limits()


def _file(text: str) -> Any:
    return typer.Option(metavar="FILE", help=text)


@guarded
def serve(
    bundles: Annotated[
        list[str],
        typer.Argument(metavar="[NAME[:VERSION]=]BUNDLE...", help="Bundles, or models that are installed."),
    ],
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="P", help="Port of HTTP; 0 for any.")] = HTTP_PORT,
    grpc_port: Annotated[int | None, typer.Option(metavar="P", help="Port of gRPC, if wanted.")] = None,
    engines: Annotated[
        int | None, typer.Option(metavar="N", help="Engines a bundle, each for one call at a time.")
    ] = None,
    threads: Annotated[int | None, typer.Option(metavar="N", help="Threads a call may use.")] = None,
    device: Annotated[
        str | None, typer.Option(metavar="D", help="What to compute on: CUDA, GPU, NPU.")
    ] = None,
    cache: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Keep what the library compiles here.")
    ] = None,
    allow_fallback: Annotated[
        bool, typer.Option("--allow-fallback", help="Accept another device than asked for.")
    ] = False,
    queue: Annotated[int, typer.Option(metavar="N", help="Requests that may wait for a model.")] = 64,
    batch_delay: Annotated[
        float, typer.Option(metavar="MS", help="How long a face waits for others to share a call with.")
    ] = 0.0,
    timeout: Annotated[
        float, typer.Option(metavar="S", help="Longest time for a request.")
    ] = LIMITS.timeout_s,
    max_body: Annotated[float, typer.Option(metavar="MIB", help="Largest request.")] = LIMITS.body_bytes
    / 2**20,
    max_connections: Annotated[
        int, typer.Option(metavar="N", help="Connections open at once.")
    ] = LIMITS.connections,
    token_file: Annotated[Path | None, _file("Ask for the token in it (or in EDGEFER_TOKEN).")] = None,
    anonymous: Annotated[
        bool, typer.Option("--anonymous", help="Listen beyond this machine without a token.")
    ] = False,
    allow_host: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Another name of this server; repeatable.")
    ] = None,
    allow_origin: Annotated[
        list[str] | None, typer.Option(metavar="ORIGIN", help="A web page that may ask, too; repeatable.")
    ] = None,
    tls_certificate: Annotated[Path | None, _file("Certificate, PEM.")] = None,
    tls_key: Annotated[Path | None, _file("Its key, PEM.")] = None,
    json: JsonFlag = False,
) -> None:
    """Serve bundles by the Open Inference Protocol until Ctrl-C; SIGHUP opens them anew."""
    from edgefer.pipeline.subjects import find_bundle
    from edgefer_runtime.serving.command import run
    from edgefer_runtime.serving.loading import EngineSettings
    from edgefer_runtime.serving.models import Source

    for words in bundles:
        find_bundle(Source.parse(words).path)
    statistics, text = run(
        bundles,
        host=host,
        port=port,
        grpc_port=grpc_port,
        engines=EngineSettings(
            engines=engines, threads=threads, device=device, cache=cache, allow_fallback=allow_fallback
        ),
        queue=queue,
        batch_delay=batch_delay,
        timeout=timeout,
        max_body=max_body,
        max_connections=max_connections,
        token_file=token_file,
        anonymous=anonymous,
        allow_host=allow_host or [],
        allow_origin=allow_origin or [],
        tls_certificate=tls_certificate,
        tls_key=tls_key,
    )
    if json:
        print_json(statistics, "edgefer.serving/1")
    else:
        say(text)
