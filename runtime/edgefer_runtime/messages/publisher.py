"""Sending messages without ever making a camera's loop wait."""

from __future__ import annotations

import logging
import threading
import time
from abc import abstractmethod
from collections import deque
from collections.abc import Callable

from edgefer_runtime.closing import Closing
from edgefer_runtime.errors import DeviceError, UsageError
from edgefer_runtime.messages.schema import FacesMessage, encode_faces

QUEUE, WINDOW = 100, 20
"""Messages that wait for a connection, and messages on their way at once."""

LINGER_S = 2.0
POLL_S = 0.1

_log = logging.getLogger(__name__)


class Publisher(Closing):
    """Sends messages from a thread of its own.

    A call never waits for the network and never fails because of it. While nobody can be reached, the
    newest ``queue`` messages wait, and what is older is dropped; the connection is tried again, at growing
    intervals, for as long as the publisher is open. May be called from many threads.

    A context manager: leaving it closes it.

    Attributes:
        address: as it was given.
        sent: messages that were delivered, as far as the protocol tells.
        dropped: messages that were given up.
        failure: why nobody can be reached at the moment; None when there is nothing to tell.
    """

    def __init__(self, address: str, queue: int) -> None:
        if queue < 1:
            raise UsageError(f"a queue of {queue} messages", expected="one or more")
        self.address, self.sent, self.dropped = address, 0, 0
        self.failure: str | None = None
        self._waiting: deque[bytes] = deque()
        self._queue = queue
        self._on_their_way = 0
        self._reachable = self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._work, name=f"publish {address}", daemon=True)

    def __call__(self, message: FacesMessage) -> None:
        """Send the faces of one frame, as :func:`edgefer_runtime.messages.faces_as_json` gives them.

        Raises:
            ValueError: a number that is not finite, or a publisher that is closed.
        """
        payload = encode_faces(message)
        with self._changed:
            if self._closed:
                raise ValueError(f"{self.address} is closed")
            if len(self._waiting) == self._queue:
                self._waiting.popleft()
                self.dropped += 1
            self._waiting.append(payload)
            self._changed.notify_all()

    def wait(self, timeout_s: float, *, until: Callable[[], bool] = lambda: False) -> None:
        """Wait until somebody can be reached, or ``until``, asked ten times a second, says to stop.

        Raises:
            DeviceError: nobody could, for this long; the message says why, where the protocol tells.
        """
        give_up_s = time.monotonic() + timeout_s
        with self._changed:
            while not self._changed.wait_for(
                lambda: self._reachable, min(POLL_S, max(0.0, give_up_s - time.monotonic()))
            ):
                if until():
                    return
                if time.monotonic() >= give_up_s:
                    raise DeviceError(
                        f"{self.address}: nobody reached in {timeout_s:g} s ({self.failure or 'no answer'})",
                        expected=self._expected,
                        action="check host, port and user, and that the other side runs",
                    )

    def flush(self, timeout_s: float) -> bool:
        """Wait until everything is delivered; False if it is not after this long."""
        with self._changed:
            return self._changed.wait_for(lambda: not (self._waiting or self._on_their_way), timeout_s)

    def close(self, linger_s: float = LINGER_S) -> None:
        """Deliver what waits, for at most ``linger_s``, and take leave; the rest counts as dropped."""
        if self._closed:
            return
        self.flush(linger_s)
        with self._changed:
            self._closed = True
            self.dropped += len(self._waiting) + self._on_their_way
            self._waiting.clear()
            self._changed.notify_all()
        self._thread.join()
        self._leave()

    def _work(self) -> None:
        def sendable() -> bool:
            return self._reachable and bool(self._waiting) and self._on_their_way < WINDOW

        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or sendable())
                if self._closed:
                    return
                payload = self._waiting.popleft()
                self._on_their_way += 1
            self._send(payload)

    def _reach(self, reachable: bool, failure: str | None = None) -> None:
        """Set down whether somebody can be reached; a new reason why not is logged."""
        with self._changed:
            if failure and failure != self.failure:
                _log.warning("%s: %s; trying again", self.address, failure)
            self._reachable, self.failure = reachable, failure
            self._changed.notify_all()

    def _delivered(self) -> None:
        """Count a message that was given to :meth:`_send` and has arrived."""
        with self._changed:
            self._on_their_way -= 1
            self.sent += 1
            self._changed.notify_all()

    @property
    @abstractmethod
    def _expected(self) -> str:
        """Who should be reached."""

    @abstractmethod
    def _send(self, payload: bytes) -> None:
        """Send one message; :meth:`_delivered` is called when it has arrived."""

    @abstractmethod
    def _leave(self) -> None:
        """Say goodbye and close the connection."""
