"""Pinning, watching and energy: of recorded machines whose files change, and of this one."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edgefer_runtime.conditions import Watch, pinned
from edgefer_runtime.energy import measure_energy
from edgefer_runtime.errors import UsageError
from edgefer_runtime.sensors import find_sensors

Recorded = Callable[[str], Path]


def test_pinning_holds_for_the_block_and_its_children() -> None:
    before = os.sched_getaffinity(0)
    core = max(before)
    with pinned((core,)) as cores:
        assert cores == (core,) and os.sched_getaffinity(0) == {core}
        assert os.popen(f"{os.sys.executable} -c 'import os; print(os.sched_getaffinity(0))'").read() == (
            f"{{{core}}}\n"
        )
    assert os.sched_getaffinity(0) == before
    with pinned(()) as cores:
        assert set(cores) == before
    with pytest.raises(UsageError, match="core 4096"), pinned((4096,)):
        pass


def test_a_run_that_gets_hot_says_so(recorded_machine: Recorded) -> None:
    root = recorded_machine("jetson-orin-nano")
    with Watch(root, rate_hz=50) as watch:
        time.sleep(0.06)
        (root / "sys/class/thermal/thermal_zone4/temp").write_text("98500\n")
        (root / "sys/class/hwmon/hwmon0/oc1_event_cnt").write_text("4\n")
        (root / "proc/loadavg").write_text("2.5 1 1 1/100 1\n")
    seen = json.loads(json.dumps(watch.to_json()))
    assert seen["throttled_by"] == ["over-current oc1"]
    assert seen["before"]["temperature_c"]["tj-thermal"] == pytest.approx(51.218)
    assert seen["after"]["temperature_c"]["tj-thermal"] == pytest.approx(98.5)
    assert seen["load_average"] == [None, 2.5]
    trace = seen["trace"]
    assert len(trace["t_s"]) == len(trace["power_w"]["VDD_IN"]) >= 3
    assert trace["t_s"] == sorted(trace["t_s"])
    assert trace["temperature_c"]["tj-thermal"][-1] == pytest.approx(98.5)


def test_nothing_to_read_is_no_failure(tmp_path: Path) -> None:
    with Watch(tmp_path) as watch:
        pass
    assert watch.to_json()["trace"]["temperature_c"] == {}


def test_energy_of_a_rail_that_rises_under_load(recorded_machine: Recorded) -> None:
    root = recorded_machine("jetson-orin-nano")
    current = root / "sys/class/hwmon/hwmon1/curr1_input"
    sensors = find_sensors(root)

    def call() -> None:
        current.write_text("2000\n")
        time.sleep(0.01)

    found = measure_energy(call, sensors, rails=["VDD_IN"], duration_s=0.8)
    assert found["source"] == "VDD_IN" and found["sample_hz"] == 10
    # 5.064 V at 1.288 A before; 2 A while working, and idle after, as nothing sets it back.
    assert found["busy_w"] == pytest.approx(10.128, rel=0.01)
    assert found["idle_w"] == pytest.approx((6.522 + 10.128) / 2, rel=0.01)
    per_call_s = found["duration_s"] / found["calls"]
    assert found["gross_mj"] == pytest.approx(1e3 * 10.128 * per_call_s, rel=0.01)
    assert found["net_mj"] == pytest.approx(1e3 * (10.128 - found["idle_w"]) * per_call_s, rel=0.02)
    assert found["error_mj"] == pytest.approx(1e3 * (10.128 - 6.522) / 2 * per_call_s, rel=0.02)


def test_energy_of_a_counter_that_begins_again(recorded_machine: Recorded) -> None:
    root = recorded_machine("x86")
    counter = root / "sys/class/powercap/intel-rapl:0/energy_uj"
    used_uj = 262_143_000_000

    def call() -> None:
        nonlocal used_uj
        used_uj = (used_uj + 50_000) % 262_143_328_850
        counter.write_text(f"{used_uj}\n")
        time.sleep(0.005)

    found = measure_energy(call, find_sensors(root), duration_s=0.2)
    assert found["calls"] > 7, "past the end of its range"
    assert found["gross_mj"] == pytest.approx(50) and found["net_mj"] == pytest.approx(50)
    assert found["source"] == "package-0"


def test_without_a_sensor_energy_is_null_and_says_why(recorded_machine: Recorded) -> None:
    found = measure_energy(lambda: None, find_sensors(recorded_machine("raspberry-pi-5")), duration_s=1)
    assert found["gross_mj"] is found["net_mj"] is None
    assert "neither a power rail nor RAPL" in found["reason"]
    nano = find_sensors(recorded_machine("jetson-orin-nano"))
    assert "VIN cannot be read" in measure_energy(lambda: None, nano, rails=["VIN"], duration_s=1)["reason"]
