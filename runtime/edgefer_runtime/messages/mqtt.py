"""Faces over MQTT 3.1.1: each frame's message to one topic, and a status beside it.

Messages have quality of service 1: the broker acknowledges each, and one whose acknowledgement was lost
with the connection is sent again, so that a reader may see it twice. ``TOPIC/status`` holds, retained,
``online`` or ``offline``: the broker itself sets it to ``offline`` when the connection breaks (last will).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from edgefer_runtime.errors import DataError, MissingError, UsageError
from edgefer_runtime.messages.address import Address
from edgefer_runtime.messages.publisher import QUEUE, Publisher

PASSWORD_VARIABLE = "EDGEFER_MQTT_PASSWORD"
PORT, TLS_PORT = 1883, 8883
KEEPALIVE_S = 15
"""Silence after which a side sends a sign of life; the broker gives a client up after one and a half."""

RETRY_FIRST_S, RETRY_LAST_S = 1, 30
"""Between attempts to connect: doubled each time, up to the second."""

AT_LEAST_ONCE = 1


class MqttPublisher(Publisher):
    """Publishes to an MQTT broker.

    Args:
        address: ``mqtt://[user@]host[:port]/topic``, or ``mqtts://`` for TLS.
        password_file: holds the user's password; without it the environment's ``EDGEFER_MQTT_PASSWORD``.
        ca_file: certificates, PEM, to verify the broker by; by default those of the system.
        queue: messages that wait at most while the broker cannot be reached.

    Raises:
        MissingError: paho-mqtt is not installed.
        DataError: a file cannot be read.
        UsageError: an address of another form.
    """

    def __init__(
        self,
        address: str,
        *,
        password_file: str | Path | None = None,
        ca_file: str | Path | None = None,
        queue: int = QUEUE,
    ) -> None:
        super().__init__(address, queue)
        where = Address.parse(address, "mqtt", "mqtts")
        if not where.host:
            raise UsageError(f"the address {address!r} without a host", expected="mqtt://host/topic")
        self._topic, self._statuses = where.name, set[int]()
        self._client = client = _import_paho().Client(_import_paho().CallbackAPIVersion.VERSION2)
        client.reconnect_delay_set(RETRY_FIRST_S, RETRY_LAST_S)
        client.will_set(self._status_topic, "offline", AT_LEAST_ONCE, retain=True)
        client.on_connect, client.on_connect_fail = self._on_connect, self._on_connect_fail
        client.on_disconnect, client.on_publish = self._on_disconnect, self._on_publish
        if where.user is not None:
            client.username_pw_set(where.user, _password(password_file))
        tls = where.scheme == "mqtts"
        if tls:
            _trust(client, ca_file)
        client.connect_async(where.host, where.port or (TLS_PORT if tls else PORT), KEEPALIVE_S)
        client.loop_start()
        self._thread.start()

    @property
    def _status_topic(self) -> str:
        return f"{self._topic}/status"

    @property
    def _expected(self) -> str:
        return "an MQTT broker that lets this user in"

    def _send(self, payload: bytes) -> None:
        # Without a connection by now, the client keeps the message and sends it with the next one.
        self._client.publish(self._topic, payload, AT_LEAST_ONCE)

    def _on_publish(self, client: Any, data: Any, number: int, reason: Any, properties: Any) -> None:
        if number in self._statuses:
            self._statuses.discard(number)
        else:
            self._delivered()

    def _on_connect(self, client: Any, data: Any, flags: Any, reason: Any, properties: Any) -> None:
        if reason.is_failure:
            self._reach(False, f"the broker refuses: {reason}")
            return
        self._statuses.add(client.publish(self._status_topic, "online", AT_LEAST_ONCE, retain=True).mid)
        self._reach(True)

    def _on_disconnect(self, client: Any, data: Any, flags: Any, reason: Any, properties: Any) -> None:
        # A broker that refuses hangs up as well: the reason it gave first is the better one.
        self._reach(False, self.failure or (f"connection lost: {reason}" if reason.is_failure else None))

    def _on_connect_fail(self, client: Any, data: Any) -> None:
        # Called where the exception is being handled, and nowhere told what it was.
        self._reach(False, f"no connection: {sys.exc_info()[1]}")

    def _leave(self) -> None:
        if self._client.is_connected():
            farewell = self._client.publish(self._status_topic, "offline", AT_LEAST_ONCE, retain=True)
            self._statuses.add(farewell.mid)
            farewell.wait_for_publish(1)
        self._client.disconnect()
        self._client.loop_stop()


def _import_paho() -> Any:
    try:
        from paho.mqtt import client
    except ImportError as error:
        raise MissingError(
            "paho-mqtt is not installed",
            expected="paho-mqtt, to speak MQTT",
            action='pip install "edgefer-runtime[mqtt]"',
        ) from error
    return client


def _password(file: str | Path | None) -> str | None:
    if file is None:
        return os.environ.get(PASSWORD_VARIABLE)
    try:
        return Path(file).read_text(encoding="utf-8").removesuffix("\n")
    except (OSError, ValueError) as error:
        raise DataError(
            f"{file}: no password can be read ({error})", expected="a text file that holds the password"
        ) from error


def _trust(client: Any, ca_file: str | Path | None) -> None:
    try:
        client.tls_set(ca_certs=None if ca_file is None else str(ca_file))
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise DataError(
            f"{ca_file}: no certificates can be read ({error})", expected="a PEM file of certificates"
        ) from error
