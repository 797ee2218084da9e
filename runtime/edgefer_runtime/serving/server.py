"""The server's life: open the bundles, open the doors, reload on SIGHUP, finish and leave on SIGTERM."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgefer_runtime.errors import DeviceError, MissingError
from edgefer_runtime.serving import reports
from edgefer_runtime.serving.faces import FaceDoor, open_detector
from edgefer_runtime.serving.handlers import Service, log
from edgefer_runtime.serving.models import open_repository
from edgefer_runtime.serving.refusals import Refusal
from edgefer_runtime.serving.settings import ServeSettings

if TYPE_CHECKING:
    import uvicorn

BACKLOG = 1024
KEEP_ALIVE_S = 75
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
    http = _http_server(settings, service, FaceDoor(repository, open_detector(), settings.limits))
    grpc = None if settings.grpc_port is None else await _grpc_server(settings, service)
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
    await asyncio.gather(http.serve(sockets=[listener]), stop_grpc())
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


def _http_server(settings: ServeSettings, service: Service, faces: FaceDoor) -> uvicorn.Server:
    try:
        import uvicorn

        from edgefer_runtime.serving.http_door import Door
        from edgefer_runtime.serving.http_wire import Protocol
    except ImportError as error:
        raise MissingError(
            f"the server's libraries cannot be imported ({error})",
            expected="starlette, uvicorn and httptools",
            action='pip install "edgefer-runtime[serve]"',
        ) from error

    class Server(uvicorn.Server):
        def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
            return nullcontext()  # both doors are shut from here

    return Server(
        uvicorn.Config(
            Door(service, faces),
            http=Protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=int(settings.limits.timeout_s + GRACE_S),
            ssl_certfile=settings.certificate,
            ssl_keyfile=settings.key,
        )
    )


async def _grpc_server(settings: ServeSettings, service: Service) -> Any:
    try:
        from edgefer_runtime.serving.grpc_door import open_door
    except ImportError as error:
        raise MissingError(
            f"the gRPC server's libraries cannot be imported ({error})",
            expected="grpcio and protobuf",
            action='pip install "edgefer-runtime[grpc]"',
        ) from error
    return await open_door(settings, service)
