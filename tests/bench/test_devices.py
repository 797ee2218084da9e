"""Profiles against machines recorded as files, and this one."""

from __future__ import annotations

import platform

import pytest

from edgefer_bench.devices import known_devices, named, profiles, recognise, require_device
from edgefer_runtime.board import identify
from edgefer_runtime.engines import TARGETS
from edgefer_runtime.errors import DeviceError
from edgefer_runtime.sensors import find_sensors

RECORDED = {
    "jetson-orin-nano": "jetson-orin-nano",
    "jetson-agx-orin": "jetson-agx-orin",
    "raspberry-pi-5": "raspberry-pi-5",
    "x86": "intel",
}


def test_the_devices_the_issue_names_are_there():
    wanted = {"cpu", "intel", "jetson-orin-nano", "jetson-orin-nx", "jetson-agx-orin", "jetson-thor"}
    assert wanted | {"raspberry-pi-4", "raspberry-pi-5", "aarch64"} == {*profiles()}
    assert {*known_devices()} - {*profiles()} == {"jetson", "raspberry-pi"}


@pytest.mark.parametrize("device", profiles().values(), ids=lambda device: device.name)
def test_a_profile_names_what_exists(device):
    assert {*device.targets} <= {*TARGETS}
    assert {*device.precisions} <= {"fp32", "fp16", "bf16", "int8"}
    assert device.budget["frame_hz"] > 0
    assert device.proven and device.advice


@pytest.mark.parametrize(("recorded", "name"), RECORDED.items())
def test_a_recorded_machine_is_recognised_and_its_rails_are_there(recorded_machine, recorded, name):
    root = recorded_machine(recorded)
    device = recognise(identify(root))
    assert device.name == name
    assert {*device.power_rails} <= {*find_sensors(root).rails}


def test_a_family_means_whichever_member_is_found(recorded_machine):
    agx, nano = (identify(recorded_machine(name)) for name in ("jetson-agx-orin", "jetson-orin-nano"))
    assert require_device("jetson", agx).name == "jetson-agx-orin"
    assert require_device("jetson", nano).name == "jetson-orin-nano"
    assert {device.family for device in named("jetson")} == {"jetson"}


def test_the_narrowest_profile_wins_and_a_wider_one_may_be_asked_for(recorded_machine):
    raspberry = identify(recorded_machine("raspberry-pi-5"))
    assert require_device(None, raspberry).name == "raspberry-pi-5"
    assert require_device("aarch64", raspberry).name == "aarch64"
    assert require_device("cpu", raspberry).name == "cpu"


def test_this_machine_is_a_cpu():
    board = identify()
    assert board.architecture == platform.machine()
    assert require_device("cpu", board).name == "cpu"
    assert recognise(board) is not None


def test_what_is_no_jetson_is_told_the_two_ways_on(recorded_machine):
    with pytest.raises(DeviceError) as caught:
        require_device("jetson", identify(recorded_machine("x86")))
    assert caught.value.exit_code == 7
    assert "Example Mini PC 12, which is intel" in caught.value.found
    assert "--device jetson --host user@robot" in caught.value.action
    assert "copy the bundle there" in caught.value.action


def test_a_host_that_is_something_else_is_named(recorded_machine):
    with pytest.raises(DeviceError) as caught:
        require_device("jetson", identify(recorded_machine("raspberry-pi-5")), host="user@robot")
    assert "user@robot is no jetson: it is Raspberry Pi 5" in caught.value.found


@pytest.mark.parametrize("name", ["toaster", "../cpu"])
def test_a_device_nobody_knows(name):
    with pytest.raises(DeviceError, match="unknown device"):
        named(name)
