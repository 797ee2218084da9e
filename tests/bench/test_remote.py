"""A robot on loopback: a real sshd, a real upload, a real run; and everything that can go wrong with one."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgefer_bench.benchmark import make_records
from edgefer_bench.records import read_records, write_records
from edgefer_bench.remote.fleet import on_each
from edgefer_bench.remote.hosts import Host
from edgefer_bench.remote.session import bench_far
from edgefer_bench.remote.ssh import Connection
from edgefer_runtime.benching import BenchPlan
from edgefer_runtime.errors import DeviceError, MissingError

SSHD = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
QUICK = BenchPlan(threads=1, duration_s=0.5, max_warmup_s=0.2)
LONG = replace(QUICK, duration_s=60.0)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(SSHD is None, reason="needs OpenSSH's server: apt-get install openssh-server"),
]


class Robot:
    """An sshd of our own, and how to reach it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        for name in ("host_key", "user_key"):
            words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name]
            subprocess.run(words, check=True)
        shutil.copy(folder / "user_key.pub", folder / "authorized_keys")
        (folder / "sshd_config").write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {folder}/host_key\nUsePAM no\n"
            f"AuthorizedKeysFile {folder}/authorized_keys\nStrictModes no\nPermitRootLogin yes\n"
            f"PidFile {folder}/sshd.pid\n"
        )
        Path("/run/sshd").mkdir(exist_ok=True)
        self.daemon = subprocess.Popen(
            [SSHD, "-D", "-e", "-f", folder / "sshd_config"], stderr=subprocess.DEVNULL
        )
        self.know(folder / "host_key.pub")
        self.room = folder / "room"
        self.room.mkdir()
        for _ in range(100):
            with socket.socket() as door:
                if door.connect_ex(("127.0.0.1", self.port)) == 0:
                    break
            time.sleep(0.05)

    def know(self, key: Path) -> None:
        line = f"[127.0.0.1]:{self.port} {key.read_text()}"
        (self.folder / "known_hosts").write_text(line)

    def host(self, **changes) -> Host:
        options = ("-i", f"{self.folder}/user_key", "-o", f"UserKnownHostsFile={self.folder}/known_hosts")
        fields = {
            "name": "robot",
            "address": f"{getpass.getuser()}@127.0.0.1",
            "port": self.port,
            "python": sys.executable,
            "folder": str(self.room),
            "ssh_options": (*options, "-F", "none"),
        }
        return Host(**{**fields, **changes})

    def sessions(self) -> list[int]:
        """Processes of sshd that serve a connection."""
        children = Path(f"/proc/{self.daemon.pid}/task/{self.daemon.pid}/children").read_text()
        return [int(process) for process in children.split()]

    def running(self) -> list[str]:
        """Command lines of whatever runs out of the robot's folder."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if f"{self.room}/edgefer-" in line and "sleep 1; rm" not in line:
                found.append(line)
        return found


@pytest.fixture(scope="module")
def robot(tmp_path_factory):
    robot = Robot(tmp_path_factory.mktemp("robot"))
    yield robot
    robot.daemon.terminate()
    robot.daemon.wait()


@pytest.fixture
def known(robot):
    yield robot
    robot.know(robot.folder / "host_key.pub")
    assert eventually(lambda: not list(robot.room.iterdir())), "something was left on the robot"


def eventually(truth, seconds: float = 15.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if truth():
            return True
        time.sleep(0.1)
    return truth()


def test_from_nothing_to_a_record(known, make_bundle, faces, tmp_path):
    bundles = [make_bundle("fp32", work=5), make_bundle("int8", work=1, gains=(1, 1, 0))]
    stages: list[str] = []
    far = bench_far(
        known.host(), bundles, faces, QUICK, on_progress=lambda stage, done, total: stages.append(stage)
    )
    wanted = ["connect", "upload", "open engines", "warm-up", "measure", "scenarios", "accuracy"]
    assert list(dict.fromkeys(stages)) == wanted
    assert far.left_out == () and far.device.architectures
    records = make_records(far.run, far.bundles, faces, device=far.device.name, host="robot")
    write_records(records, tmp_path)
    assert read_records(tmp_path) == records
    fp32, int8 = records
    # Predictions came back; what was lost against the float engine is worked out here.
    assert fp32["accuracy"] == 100 and int8["accuracy_drop"] == pytest.approx(100 * 23 / 70)
    assert fp32["host"] == "robot" and fp32["environment"]["packages"]["edgefer-runtime"]
    assert len(fp32["samples"]["latency_ns"]) > 1


def test_a_cut_connection_is_told_and_leaves_nothing_running(known, make_bundle, faces):
    stages: list[str] = []
    raised: list[BaseException] = []

    def measure():
        try:
            bench_far(
                known.host(),
                [make_bundle(work=5)],
                faces,
                LONG,
                on_progress=lambda stage, *_: stages.append(stage),
            )
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=measure)
    thread.start()
    assert eventually(lambda: "measure" in stages, 60) and known.running()
    for session in known.sessions():
        os.kill(session, signal.SIGKILL)
    thread.join(30)
    (error,) = raised
    assert isinstance(error, DeviceError) and error.exit_code == 7
    assert "connection to robot was lost" in error.found and "while it was at: measure" in error.found
    assert eventually(lambda: not known.running()), known.running()


def test_a_robot_that_hears_nothing_more_stops_by_itself(known, make_bundle, faces, tmp_path):
    """A pulled cable closes nothing: silence alone must end it."""
    folder = known.room / "edgefer-silence"
    folder.mkdir()
    code = (
        "import pathlib, sys, time; from edgefer_runtime.leash import hold; "
        "hold(pathlib.Path(sys.argv[1]), patience_s=0.5); print('held', flush=True); time.sleep(60)"
    )
    words = [sys.executable, "-c", code, str(folder)]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
    assert process.stdout.readline() == b"held\n"
    for _ in range(4):
        time.sleep(0.25)
        process.stdin.write(b"\n")
        process.stdin.flush()
    assert process.poll() is None and folder.exists(), "while it hears us it goes on"
    assert process.wait(20) == -signal.SIGKILL
    assert not folder.exists()


def test_a_key_that_changed_and_one_nobody_knows(known, make_bundle, faces):
    known.know(known.folder / "user_key.pub")  # a key, and not the host's
    with pytest.raises(DeviceError, match="host key is not the one known") as caught:
        bench_far(known.host(), [make_bundle()], faces, QUICK)
    port = known.host().port
    assert f"ssh-keygen -R '[127.0.0.1]:{port}'" in caught.value.action
    (known.folder / "known_hosts").write_text("")
    with pytest.raises(DeviceError, match="host key is not known here") as caught:
        bench_far(known.host(), [make_bundle()], faces, QUICK)
    assert f"ssh -p {port} " in caught.value.action


def test_no_server_no_key_no_name(known):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(DeviceError, match="no ssh server listens"):
            Connection(known.host(port=taken.getsockname()[1])).run(["true"])
    other = ("-F", "none", "-o", f"UserKnownHostsFile={known.folder}/known_hosts", "-o", "IdentitiesOnly=yes")
    with pytest.raises(DeviceError, match="none of the keys"):
        Connection(known.host(ssh_options=(*other, "-i", f"{known.folder}/host_key"))).run(["true"])
    with pytest.raises(DeviceError, match="nobody knows that name"):
        Connection(known.host(address="robot.invalid")).run(["true"])


def test_commands_share_a_handshake_and_do_without_when_it_is_lost(known):
    with Connection(known.host()) as connection:
        assert connection.run(["true"]).code == 0
        (session,) = known.sessions()
        assert connection.run(["echo", "two words"]).out == b"two words\n"
        assert known.sessions() == [session]
        os.kill(session, signal.SIGKILL)

        def answers() -> bool:
            with suppress(DeviceError):  # what was asked while it broke
                return connection.run(["echo", "again"]).out == b"again\n"
            return False

        assert eventually(answers)
    assert eventually(lambda: not known.sessions())
    with (
        pytest.raises(DeviceError, match="nobody knows that name"),
        Connection(known.host(address="no.invalid")),
    ):
        pass


def test_a_python_that_is_too_old(known, make_bundle, faces, tmp_path):
    old = tmp_path / "python3"
    old.write_text('#!/bin/sh\necho \'{"python": [3, 8, 10], "base": "/tmp", "folder": null, "free": 0}\'\n')
    old.chmod(0o755)
    with pytest.raises(DeviceError, match=r"robot has Python 3\.8\.10") as caught:
        bench_far(known.host(python=str(old)), [make_bundle()], faces, QUICK)
    assert "JetPack 6" in caught.value.action
    with pytest.raises(DeviceError, match="has no python9 that answers"):
        bench_far(known.host(python="python9"), [make_bundle()], faces, QUICK)


def test_a_missing_backend(known, make_bundle, faces, tmp_path):
    # An environment of its own with numpy and nothing else, as on a robot that was never set up.
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    (site,) = (tmp_path / "bare").glob("lib/python*/site-packages")
    import numpy

    packages = Path(numpy.__file__).parents[1]
    for source in (packages / "numpy", *packages.glob("numpy-*.dist-info"), *packages.glob("numpy.libs")):
        (site / source.name).symlink_to(source)
    with pytest.raises(MissingError, match="no library for onnxruntime") as caught:
        bench_far(known.host(python=str(tmp_path / "bare/bin/python")), [make_bundle()], faces, QUICK)
    assert "pip install onnxruntime" in caught.value.action and caught.value.exit_code == 6


def test_another_device_than_asked_for(known, make_bundle, faces):
    with pytest.raises(DeviceError, match="robot is no jetson"):
        bench_far(known.host(device="jetson"), [make_bundle()], faces, QUICK)


def test_a_folder_that_is_not_there(known, make_bundle, faces):
    with pytest.raises(DeviceError, match="no folder that can be written to"):
        bench_far(known.host(folder="/nowhere"), [make_bundle()], faces, QUICK)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of four megabytes, where the machine lets us mount one."""
    place = tmp_path / "small"
    place.mkdir()
    # Unmounted by a process of its own when its input ends: also when this one is killed.
    script = 'mount -t tmpfs -o size=4m none "$0" || exit; echo mounted; read _; umount -l "$0"'
    words, pipe = ["sh", "-c", script, str(place)], subprocess.PIPE
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True) as keeper:
        if keeper.stdout.readline() != b"mounted\n":
            pytest.skip("needs the right to mount")
        yield place
        keeper.stdin.close()
        assert keeper.wait(20) == 0


def test_a_full_disk(known, make_bundle, faces, small_disk, monkeypatch):
    bundle, filler, host = make_bundle(), small_disk / "filler", known.host(folder=str(small_disk))
    filler.write_bytes(bytes(3_500_000))
    with pytest.raises(DeviceError, match="disk is full: 1 MB free"):
        bench_far(host, [bundle], faces, QUICK)
    # When it fills up only after the look: the environment does not fit, or else what is sent.
    monkeypatch.setattr("edgefer_bench.remote.session.ROOM", -1e6)
    filler.write_bytes(bytes(3_700_000))
    with pytest.raises(DeviceError, match="disk is full: no environment"):
        bench_far(host, [bundle], faces, QUICK)
    filler.write_bytes(bytes(4_100_000))
    with pytest.raises(DeviceError, match="disk is full: the upload"):
        bench_far(host, [bundle], faces, QUICK)
    filler.write_bytes(bytes(2_000_000))
    large = replace(faces, images=np.zeros((70, 128, 128, 3), dtype=np.uint8))
    with pytest.raises(DeviceError, match="disk is full: the upload"):
        bench_far(host, [bundle], large, QUICK)
    assert [path.name for path in small_disk.iterdir()] == ["filler"]


def test_what_fails_over_there_keeps_its_kind_and_words(known, make_bundle, faces):
    plan = replace(QUICK, cores=(4096,))
    with pytest.raises(Exception, match="core 4096") as caught:
        bench_far(known.host(), [make_bundle()], faces, plan)
    assert caught.value.exit_code == 2


def test_hosts_are_measured_at_once_and_one_that_fails_stops_no_other(known):
    barrier = threading.Barrier(2)

    def work(host):
        if host.name == "off":
            Connection(host).run(["true"])
        barrier.wait(20)
        return Connection(host).run(["echo", host.name]).out

    hosts = [known.host(name="a"), known.host(name="off", address="robot.invalid"), known.host(name="b")]
    done, failed = on_each(hosts, work)
    assert done == {"a": b"a\n", "b": b"b\n"}
    assert list(failed) == ["off"] and "off cannot be reached" in failed["off"].found


def test_a_fleet_from_the_command_line(known, make_bundle, faces, edgefer, tmp_path):
    from PIL import Image

    from edgefer.models import get
    from edgefer.training.checkpoint import Checkpoint, save_checkpoint

    for place, (image, label) in enumerate(zip(faces.images, faces.labels, strict=True)):
        path = tmp_path / f"faces/{faces.classes[label]}/{place}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    host = known.host()
    near = f"host = {host.address!r}\npython = {host.python!r}\nfolder = {host.folder!r}\n"
    options = f"port = {host.port}\nssh_options = {list(host.ssh_options)}\n"
    off = "[off]\nhost = 'robot.invalid'\nssh_options = ['-F', 'none']\n"
    (tmp_path / "devices.toml").write_text(f"[near]\n{near}{options}{off}")
    # The float network that the bundle names never leaves home: one that says "green" of whatever it sees.
    spec = get("pattlite")
    weights = spec.build("head", 3).state_dict()
    weights["classify.bias"][:] = weights["classify.bias"].new_tensor([0, 100, 0])
    network = Checkpoint("pattlite", "head", faces.classes, spec.contract, weights)
    save_checkpoint(tmp_path / "runs/pattlite/train-head/best", network)
    told = {"weights": {"sha256": network.describe()["sha256"]}}
    named = {"model": "pattlite", "variant": "head", "provenance": told, "input": spec.contract}
    bundle = make_bundle("int8", named=named)
    words = ("bench", str(bundle.path), "--data", "folder:faces", "--duration", "0.3", "--threads", "1")
    done = edgefer(*words, "--device", "all", EDGEFER_CACHE=str(tmp_path / "cache"))
    assert done.returncode == 7, done.stderr
    assert "pattlite head on near" in done.stdout
    assert "off cannot be reached: nobody knows that name" in done.stderr
    (record,) = read_records(tmp_path / "runs/bench")
    assert (record["host"], record["accuracy"], record["faces"]["images"]) == ("near", 100, 70)
    assert record["drop"]["against"] == "the float network"
    assert record["accuracy_drop"] == pytest.approx(100 * (23 / 70 - 1))
    alone = edgefer(*words, "--device", "off")
    assert alone.returncode == 7 and "Traceback" not in alone.stderr
