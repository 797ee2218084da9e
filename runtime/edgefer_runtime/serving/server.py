"""The server's life: open the bundles, open the doors, reload on SIGHUP, finish and leave on SIGTERM."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgefer_runtime.errors import DeviceError, MissingError
from edgefer_runtime.serving import reports
from edgefer_runtime.serving.connections import Places, most_connections
from edgefer_runtime.serving.faces import FaceDoor, open_detector
from edgefer_runtime.serving.handlers import Service, log
from edgefer_runtime.serving.limits import IDLE_S
from edgefer_runtime.serving.logs import ONCE_IN_A_WHILE
from edgefer_runtime.serving.memory import keep_small
from edgefer_runtime.serving.models import open_repository
from edgefer_runtime.serving.refusals import Refusal
from edgefer_runtime.serving.settings import ServeSettings

if TYPE_CHECKING:
    from edgefer_runtime.serving.http_wire import Server

BACKLOG = 1024
GRPC_SHARE = 4
"""A gRPC client needs one connection for all its calls, so that every fourth place is gRPC's."""

GRACE_S = 1.0
"""Beyond the requests' own deadline, until a door that is being shut is slammed."""


@dataclass(frozen=True)
class Addresses:
    """Where the server listens: URLs of HTTP, and ``host:port`` of gRPC or None."""

    http: str
    grpc: str | None


def serve(settings: ServeSettings, on_ready: Callable[[Addresses], None]) -> dict[str, Any]:
    """Serve until SIGTERM or SIGINT; SIGHUP opens every bundle anew.

    Args:
        settings: what, where and how.
        on_ready: called once the server takes requests.

    Returns:
        The statistics of all models, as the protocol has them.

    Raises:
        MissingError: an extra is not installed.
        DeviceError: the port is taken.
        EdgeferError: a bundle that cannot be opened.
    """
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING)
    log.setLevel(logging.INFO)
    for logger in (log, logging.getLogger("uvicorn.error"), logging.getLogger("asyncio")):
        logger.addFilter(ONCE_IN_A_WHILE)
    return asyncio.run(_serve(settings, on_ready))


async def _serve(settings: ServeSettings, on_ready: Callable[[Addresses], None]) -> dict[str, Any]:
    listener = _listen(settings.host, settings.port)
    repository = open_repository(
        settings.sources,
        settings.engines,
        capacity=settings.queue,
        batch_delay_s=settings.batch_delay_ms / 1e3,
    )
    service = Service(repository, settings.limits, settings.token)
    places = most_connections(settings.limits.connections)
    if places < settings.limits.connections:
        log.info("room for %d connections: ulimit -n allows no more", places)
    faces = FaceDoor(repository, open_detector(), settings.limits)
    of_grpc = 0 if settings.grpc_port is None else max(1, places // GRPC_SHARE)
    http = _http_server(settings, service, faces, listener, places - of_grpc)
    grpc = await _grpc_server(settings, service, of_grpc) if of_grpc else None
    scheme = "http" if settings.certificate is None else "https"
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    addresses = Addresses(f"{scheme}://{shown}:{port}", grpc and f"{shown}:{grpc.port}")

    ending = asyncio.Event()

    def stop() -> None:
        http.force_exit = service.ending
        service.ending = http.should_exit = True
        ending.set()

    async def stop_grpc() -> None:
        await ending.wait()
        if grpc is not None:
            await grpc.stop(settings.limits.timeout_s + GRACE_S)

    loop, reloads = asyncio.get_running_loop(), set[asyncio.Task[None]]()

    def reload() -> None:
        task = loop.create_task(_reload(service))
        reloads.add(task)  # the loop itself would let go of it
        task.add_done_callback(reloads.discard)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    loop.add_signal_handler(signal.SIGHUP, reload)
    loop.call_soon(on_ready, addresses)
    small = loop.create_task(keep_small())
    await asyncio.gather(http.serve(), stop_grpc())
    small.cancel()
    for model in repository:
        model.scheduler.close()
    return reports.statistics(repository)


async def _reload(service: Service) -> None:
    with suppress(Refusal):  # told in the log
        await service.reload()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Where the protocol is left open, as socket.create_server does, asyncio leaves Nagle's algorithm on, and
    # a client that acknowledges late gets the second half of every answer 40 ms after the first.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
        return listener
    except OSError as error:
        listener.close()
        raise DeviceError(
            f"{host}:{port} cannot be listened on ({error.strerror or error})",
            expected="an address of this machine and a port that is free",
            action="choose another with --port, or end what listens there",
        ) from error


def _http_server(
    settings: ServeSettings, service: Service, faces: FaceDoor, listener: socket.socket, places: int
) -> Server:
    try:
        import uvicorn

        from edgefer_runtime.serving.http_door import HEADERS, Door
        from edgefer_runtime.serving.http_wire import Server
    except ImportError as error:
        raise MissingError(
            f"the server's libraries cannot be imported ({error})",
            expected="starlette, uvicorn and httptools",
            action='pip install "edgefer-runtime[serve]"',
        ) from error

    timeout_s = settings.limits.timeout_s
    config = uvicorn.Config(
        Door(service, faces, settings.access),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # a client that named others as its hosts would get all their turns
        headers=HEADERS,
        timeout_keep_alive=IDLE_S,
        timeout_graceful_shutdown=int(timeout_s + GRACE_S),
        ssl_certfile=settings.certificate,
        ssl_keyfile=settings.key,
    )
    return Server(config, listener, Places(places, timeout_s), timeout_s)


async def _grpc_server(settings: ServeSettings, service: Service, places: int) -> Any:
    try:
        from edgefer_runtime.serving.grpc_door import open_door
    except ImportError as error:
        raise MissingError(
            f"the gRPC server's libraries cannot be imported ({error})",
            expected="grpcio and protobuf",
            action='pip install "edgefer-runtime[grpc]"',
        ) from error
    return await open_door(settings, service, places)
