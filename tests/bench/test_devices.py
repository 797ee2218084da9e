import platform

import pytest

from edgefer_bench.devices import device_here, known_devices
from edgefer_runtime.errors import DeviceError


def test_every_profile_can_be_read_and_says_what_it_runs():
    for name in known_devices():
        device = device_here(name, machine="aarch64")
        assert device.name == name
        assert device.targets and device.precisions


def test_this_machine_is_a_cpu():
    assert platform.machine() in device_here("cpu").machines


@pytest.mark.parametrize(("name", "machine"), [("toaster", None), ("cpu", "riscv64"), ("../cpu", None)])
def test_another_device_is_refused_with_the_ways_on(name, machine):
    with pytest.raises(DeviceError) as caught:
        device_here(name, machine)
    assert caught.value.exit_code == 7
    assert "cpu" in caught.value.found + caught.value.expected
    assert "there" in caught.value.action and "--host" in caught.value.action
