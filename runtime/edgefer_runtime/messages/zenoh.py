"""Faces and frames over zenoh.

``zenoh:key`` finds other programs by multicast, as zenoh does by itself. ``zenoh://host:port/key`` connects
to one peer or router, looks for no others, and opens no port. ``listen="tcp/0.0.0.0:7447"`` waits there for
others to connect.

A message goes to those who subscribe at that moment, reliably and in order, and to each once; what is on its
way when a connection breaks is lost. While nobody subscribes, the publisher keeps the newest messages. The
liveliness token ``KEY/status`` is there for as long as the publisher is.
"""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import Any

from edgefer_runtime.closing import Closing
from edgefer_runtime.errors import DataError, DeviceError, MissingError, UsageError
from edgefer_runtime.messages.address import Address
from edgefer_runtime.messages.frames import PAYLOAD_LIMIT, Frame, decode_frame
from edgefer_runtime.messages.publisher import QUEUE, Publisher

PORT = 7447
RETRY = {"period_init_ms": 500, "period_max_ms": 8000, "period_increase_factor": 2}


class ZenohPublisher(Publisher):
    """Publishes to a zenoh key.

    Args:
        address: ``zenoh:key`` or ``zenoh://host[:port]/key``.
        listen: where others may connect, as zenoh writes it: ``"tcp/0.0.0.0:7447"``.
        queue: messages that wait at most while nobody subscribes.

    Raises:
        MissingError: eclipse-zenoh is not installed.
        DeviceError: zenoh cannot listen there.
        UsageError: an address of another form.
    """

    def __init__(self, address: str, *, listen: str | None = None, queue: int = QUEUE) -> None:
        super().__init__(address, queue)
        where = Address.parse(address, "zenoh")
        zenoh, self._session = _open_session(where, listen)
        self._publisher = self._session.declare_publisher(
            where.name,
            encoding=zenoh.Encoding.APPLICATION_JSON,
            congestion_control=zenoh.CongestionControl.BLOCK,
        )
        self._token = self._session.liveliness().declare_token(f"{where.name}/status")
        self._listener = self._publisher.declare_matching_listener(
            lambda status: self._reach(status.matching)
        )
        self._thread.start()

    @property
    def _expected(self) -> str:
        return "somebody who subscribes to the key"

    def _send(self, payload: bytes) -> None:
        self._publisher.put(payload)
        self._delivered()

    def _leave(self) -> None:
        self._session.close()


class ZenohFrames(Closing):
    """Frames that come in over zenoh, the newest first; iterating ends when this is closed.

    A frame that was not fetched before the next one came is passed over and counted.

    Args:
        address: ``zenoh:key`` or ``zenoh://host[:port]/key``; the payloads are as
            :func:`edgefer_runtime.messages.frames.encode_frame` makes them, or JPEG files.
        listen: as :class:`ZenohPublisher` takes it.

    Attributes:
        missed: frames that were passed over.
        damaged: payloads that were no frames.

    Raises:
        MissingError: eclipse-zenoh is not installed; when iterating, Pillow for JPEG.
        DeviceError: zenoh cannot listen there.
        UsageError: an address of another form.
    """

    def __init__(self, address: str, *, listen: str | None = None) -> None:
        where = Address.parse(address, "zenoh")
        self.missed = self.damaged = self._received = 0
        self._newest: deque[tuple[int, int, bytes]] = deque(maxlen=1)
        self._changed = threading.Condition()
        self._closed = False
        _, self._session = _open_session(where, listen)
        self._subscriber = self._session.declare_subscriber(where.name, self._receive)

    def _receive(self, sample: Any) -> None:
        now_ns = time.time_ns()
        if len(sample.payload) > PAYLOAD_LIMIT:
            self.damaged += 1
            return
        payload = bytes(sample.payload)
        with self._changed:
            self.missed += len(self._newest)
            self._newest.append((self._received, now_ns, payload))
            self._received += 1
            self._changed.notify_all()

    def __iter__(self) -> Iterator[Frame]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._newest)
                if self._closed:
                    return
                number, received_ns, payload = self._newest.pop()
            try:
                yield decode_frame(payload, frame_id=number, captured_ns=received_ns)
            except DataError:
                self.damaged += 1

    def close(self) -> None:
        """End the iterator and the connection."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._session.close()


def _open_session(where: Address, listen: str | None) -> tuple[Any, Any]:
    """The library and an open session; it never waits for the other side."""
    try:
        import zenoh
    except ImportError as error:
        raise MissingError(
            "eclipse-zenoh is not installed",
            expected="eclipse-zenoh, to speak zenoh",
            action='pip install "edgefer-runtime[zenoh]"',
        ) from error
    if where.user is not None:
        raise UsageError("a zenoh address with a user", expected="zenoh:key or zenoh://host:port/key")
    settings: dict[str, Any] = {}
    if where.host or listen:
        host = f"[{where.host}]" if where.host and ":" in where.host else where.host
        settings = {
            "connect/endpoints": [f"tcp/{host}:{where.port or PORT}"] if host else [],
            "connect/timeout_ms": -1,  # try for ever, in the background
            "connect/exit_on_failure": False,
            "connect/retry": RETRY,
            "listen/endpoints": [listen] if listen else [],
            "scouting/multicast/enabled": False,
            "open/return_conditions/connect_scouted": False,
        }
    try:
        config = zenoh.Config()
        for key, value in settings.items():
            config.insert_json5(key, json.dumps(value))
        return zenoh, zenoh.open(config)
    except zenoh.ZError as error:
        raise DeviceError(
            f"zenoh cannot be opened ({error})",
            expected=f"a free address to listen on, not {listen}" if listen else "a network",
            action="name another endpoint, such as tcp/0.0.0.0:7447",
        ) from error
