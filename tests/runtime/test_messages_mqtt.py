"""MQTT against a real mosquitto: delivery, outages, the last will, passwords and TLS."""

from __future__ import annotations

import queue
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgefer_runtime.errors import DataError, DeviceError
from edgefer_runtime.messages import decode_faces, faces_as_json, open_publisher
from edgefer_runtime.messages.mqtt import PASSWORD_VARIABLE, MqttPublisher

paho = pytest.importorskip("paho.mqtt.client")
pytestmark = pytest.mark.skipif(
    not shutil.which("mosquitto"), reason="NOT TESTED: no mosquitto (apt-get install mosquitto)"
)
PATIENCE_S = 30.0


def message(number: int) -> dict:
    return faces_as_json([], frame_id=number, captured_ns=1, width=4, height=3, model="m")


class Reader:
    """An MQTT client that keeps what arrives below ``robot/``."""

    def __init__(self, port: int) -> None:
        self.faces: queue.Queue[int] = queue.Queue()
        self.statuses: queue.Queue[str] = queue.Queue()
        subscribed = queue.Queue[int]()
        self.client = paho.Client(paho.CallbackAPIVersion.VERSION2)
        self.client.on_message = self._keep
        self.client.on_connect = lambda client, *_: client.subscribe("robot/#", 1)
        self.client.on_subscribe = lambda *_: subscribed.put(1)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        subscribed.get(timeout=PATIENCE_S)

    def _keep(self, client: object, data: object, received: paho.MQTTMessage) -> None:
        if received.topic.endswith("/status"):
            self.statuses.put(received.payload.decode())
        else:
            self.faces.put(decode_faces(received.payload)["frame"]["id"])

    def next_faces(self, count: int) -> list[int]:
        return [self.faces.get(timeout=PATIENCE_S) for _ in range(count)]

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture
def broker(start_broker: Callable[..., Any]) -> Any:
    return start_broker()


def test_messages_arrive_once_and_in_order_between_online_and_offline(broker: Any) -> None:
    reader = Reader(broker.port)
    with open_publisher(f"mqtt://127.0.0.1:{broker.port}/robot/faces") as publisher:
        assert reader.statuses.get(timeout=PATIENCE_S) == "online"
        for number in range(300):
            publisher(message(number))
            publisher.flush(PATIENCE_S)
        assert (publisher.sent, publisher.dropped) == (300, 0)
    assert reader.next_faces(300) == [*range(300)]
    assert reader.statuses.get(timeout=PATIENCE_S) == "offline"
    assert reader.faces.empty()
    reader.close()


def test_what_waits_at_the_end_is_still_delivered(broker: Any) -> None:
    reader = Reader(broker.port)
    with MqttPublisher(f"mqtt://127.0.0.1:{broker.port}/robot/faces") as publisher:
        for number in range(80):
            publisher(message(number))
    assert reader.next_faces(80) == [*range(80)]
    assert publisher.sent == 80
    reader.close()


def test_an_outage_costs_the_oldest_messages_only(broker: Any) -> None:
    reader = Reader(broker.port)
    address = f"mqtt://127.0.0.1:{broker.port}/robot/faces"
    with MqttPublisher(address, queue=5) as publisher:
        publisher.wait(PATIENCE_S)
        broker.kill()
        reader.close()
        with publisher._changed:
            assert publisher._changed.wait_for(lambda: publisher.failure, PATIENCE_S)
        started_s = time.perf_counter()
        for number in range(12):
            publisher(message(number))
        assert time.perf_counter() - started_s < 1, "a camera's loop waited for the network"
        assert publisher.dropped == 7
        broker.start()
        reader = Reader(broker.port)
        assert reader.next_faces(5) == [7, 8, 9, 10, 11]
        assert publisher.flush(PATIENCE_S) and publisher.failure is None
        assert (publisher.sent, publisher.dropped) == (5, 7)
    reader.close()


def test_a_publisher_may_come_before_its_broker(broker: Any, caplog: pytest.LogCaptureFixture) -> None:
    broker.kill()
    with MqttPublisher(f"mqtt://127.0.0.1:{broker.port}/robot/faces") as publisher:
        publisher(message(1))
        with pytest.raises(DeviceError, match=r"nobody reached in 0.5 s \(no connection: .*refused"):
            publisher.wait(0.5)
        broker.start()
        reader = Reader(broker.port)
        assert reader.next_faces(1) == [1]
    assert [record.getMessage().count("refused") for record in caplog.records] == [1], (
        "told once, not each time"
    )
    reader.close()


def test_the_broker_says_when_a_robot_died(broker: Any) -> None:
    reader = Reader(broker.port)
    code = f"""
import time
from edgefer_runtime.messages import open_publisher
publisher = open_publisher("mqtt://127.0.0.1:{broker.port}/robot/faces")
time.sleep(60)
"""
    robot = subprocess.Popen([sys.executable, "-c", code])
    assert reader.statuses.get(timeout=PATIENCE_S) == "online"
    robot.send_signal(signal.SIGKILL)
    assert reader.statuses.get(timeout=PATIENCE_S) == "offline"
    robot.wait()
    late = Reader(broker.port)
    assert late.statuses.get(timeout=PATIENCE_S) == "offline", "the status is kept for who comes later"
    for client in (reader, late):
        client.close()


def test_a_user_needs_the_password(
    start_broker: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = tmp_path / "users"
    subprocess.run(["mosquitto_passwd", "-c", "-b", users, "robot", "s3cret: ü"], check=True)
    port = start_broker("allow_anonymous false", f"password_file {users}").port
    address = f"mqtt://robot@127.0.0.1:{port}/robot/faces"
    (tmp_path / "password").write_text("s3cret: ü\n")
    with open_publisher(f"{address}?password_file={tmp_path / 'password'}") as publisher:
        publisher.wait(PATIENCE_S)
    monkeypatch.setenv(PASSWORD_VARIABLE, "s3cret: ü")
    with open_publisher(address) as publisher:
        publisher.wait(PATIENCE_S)
    monkeypatch.setenv(PASSWORD_VARIABLE, "guessed")
    with (
        open_publisher(address) as publisher,
        pytest.raises(DeviceError, match=r"refuses: Not auth") as caught,
    ):
        publisher.wait(1.5)
    assert "guessed" not in str(caught.value)
    with pytest.raises(DataError, match="no password can be read"):
        MqttPublisher(address, password_file=tmp_path / "nowhere")


def test_tls_trusts_the_named_authority_and_nobody_else(
    start_broker: Callable[..., Any], tmp_path: Path
) -> None:
    for name in ("ours", "other"):
        words = (
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
            f"-subj /CN={name} -addext subjectAltName=IP:127.0.0.1 -keyout {name}.key -out {name}.pem"
        )
        subprocess.run(["openssl", *words.split()], cwd=tmp_path, check=True, capture_output=True)
    broker = start_broker(
        "allow_anonymous true", f"certfile {tmp_path / 'ours.pem'}", f"keyfile {tmp_path / 'ours.key'}"
    )
    address = f"mqtts://127.0.0.1:{broker.port}/robot/faces"
    with open_publisher(f"{address}?ca_file={tmp_path / 'ours.pem'}") as publisher:
        publisher.wait(PATIENCE_S)
    for query in (f"?ca_file={tmp_path / 'other.pem'}", ""):
        with (
            open_publisher(address + query) as publisher,
            pytest.raises(DeviceError, match="CERTIFICATE_VERIFY"),
        ):
            publisher.wait(1.5)
    with pytest.raises(DataError, match="no certificates can be read"):
        MqttPublisher(address, ca_file=tmp_path / "ours.key")
