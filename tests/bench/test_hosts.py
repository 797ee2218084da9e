"""A fleet's file, which hosts are meant, and the wheel they are sent."""

from __future__ import annotations

import subprocess
import sys
import zipfile

import pytest

from edgefer_bench.remote.hosts import Host, choose_hosts, read_fleet
from edgefer_bench.remote.wheel import write_runtime_wheel
from edgefer_runtime.errors import DataError, UsageError

FLEET = """
[kitchen]
host = "pi@kitchen"
device = "raspberry-pi"

[lab]
host = "lab"
port = 2222
python = "/opt/robot/bin/python"
folder = "/mnt/ssd"
ssh_options = ["-i", "~/.ssh/robot"]
"""


@pytest.fixture
def fleet(tmp_path):
    (tmp_path / "devices.toml").write_text(FLEET)
    return read_fleet(tmp_path / "devices.toml")


def test_a_fleet_is_read(fleet, tmp_path):
    source = tmp_path / "devices.toml"
    kitchen = Host(name="kitchen", address="pi@kitchen", device="raspberry-pi", source=source)
    assert fleet["kitchen"] == kitchen
    assert fleet["lab"].describe() == f"{source}: lab is ssh -p 2222 -i ~/.ssh/robot lab"
    assert fleet["lab"].ssh_options == ("-i", "~/.ssh/robot") and fleet["lab"].port == 2222
    assert read_fleet(tmp_path / "absent.toml") == {}


@pytest.mark.parametrize("text", ["[a]\ndevice = 'cpu'", "[a]\nhost='b'\npasword='c'", "a = 1", "[a"])
def test_a_fleet_that_is_none(tmp_path, text):
    (tmp_path / "devices.toml").write_text(text)
    with pytest.raises(DataError, match=r"no fleet|is no TOML"):
        read_fleet(tmp_path / "devices.toml")


def test_which_hosts_are_meant(fleet):
    assert choose_hosts(None, None, fleet) == [] and choose_hosts("jetson", None, fleet) == []
    assert choose_hosts("kitchen", None, fleet) == [fleet["kitchen"]]
    assert choose_hosts("jetson", "me@orin", fleet) == [
        Host(name="me@orin", address="me@orin", device="jetson")
    ]
    assert choose_hosts(None, "lab", fleet) == [fleet["lab"]]
    assert choose_hosts("all", None, fleet) == [fleet["kitchen"], fleet["lab"]]
    with pytest.raises(UsageError, match="no fleet"):
        choose_hosts("all", None, {})


def test_the_wheel_holds_the_runtime_and_runs_alone(tmp_path):
    wheel = write_runtime_wheel(tmp_path)
    assert wheel.name == "edgefer_runtime-0.1.0-py3-none-any.whl"
    before = wheel.read_bytes()
    assert write_runtime_wheel(tmp_path).read_bytes() == before
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        archive.extractall(tmp_path / "site")
    assert "edgefer_runtime/engines/onnxruntime.py" in names and "edgefer_runtime/py.typed" in names
    assert {name.split("/")[0] for name in names} == {"edgefer_runtime", "edgefer_runtime-0.1.0.dist-info"}
    code = (
        "import edgefer_runtime, importlib.metadata as metadata; "
        "print(edgefer_runtime.__file__, metadata.version('edgefer-runtime'))"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        env={"PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"{tmp_path}/site/edgefer_runtime/__init__.py 0.1.0\n"
