"""The arguments of ``python -m edgefer_runtime serve``, at the cost of no import."""

from __future__ import annotations

import argparse
from pathlib import Path

from edgefer_runtime.serving.limits import HTTP_PORT, Limits


def add_words(words: argparse.ArgumentParser) -> None:
    """Give ``python -m edgefer_runtime serve`` its arguments, those of the engine aside."""
    add, limits = words.add_argument, Limits()
    add("bundles", nargs="+", metavar="[NAME[:VERSION]=]BUNDLE", help="bundles or installed models")
    add("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    add("--port", type=int, default=HTTP_PORT, metavar="P", help="of HTTP (default: %(default)s)")
    add("--grpc-port", type=int, metavar="P", help="of gRPC; without it there is none")
    add("--engines", type=int, metavar="N", help="engines a bundle, each for one call at a time")
    add("--queue", type=int, default=64, metavar="N", help="requests that may wait (default: %(default)s)")
    add("--batch-delay", type=float, default=0.0, metavar="MS", help="wait for faces to share a call with")
    add("--timeout", type=float, default=limits.timeout_s, metavar="S", help="longest time for a request")
    add("--max-body", type=float, default=limits.body_bytes / 2**20, metavar="MIB", help="largest request")
    add(
        "--max-connections",
        type=int,
        default=limits.connections,
        metavar="N",
        help="open at once (default: %(default)s)",
    )
    add("--token-file", type=Path, metavar="FILE", help="ask for this token (or that in EDGEFER_TOKEN)")
    add("--anonymous", action="store_true", help="listen beyond this machine without a token")
    add("--allow-host", action="append", default=[], metavar="NAME", help="another name of this server")
    add("--allow-origin", action="append", default=[], metavar="ORIGIN", help="a web page that may ask, too")
    add("--tls-certificate", type=Path, metavar="PEM")
    add("--tls-key", type=Path, metavar="PEM")
