"""Boards and sensors, read from machines recorded as files (each says what it was made from)."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from edgefer_runtime.board import Board, identify
from edgefer_runtime.environment import probe
from edgefer_runtime.sensors import Counter, find_sensors, throttling
from edgefer_runtime.sysfs import answer

Recorded = Callable[[str], Path]


def test_every_tree_says_where_it_comes_from() -> None:
    trees = list((Path(__file__).parent / "recorded").glob("*.json"))
    assert len(trees) == 4
    for tree in trees:
        source = json.loads(tree.read_text())["source"]
        assert source.startswith("Not read from a board: put together from public documentation")


def test_an_orin_nano(recorded_machine: Recorded) -> None:
    root = recorded_machine("jetson-orin-nano")
    board = identify(root)
    assert board.name.startswith("NVIDIA Jetson Orin Nano")
    assert board.compatible[1] == "nvidia,p3767-0005"
    assert (board.architecture, board.chip, board.gpus) == (
        "aarch64",
        "tegra234",
        ("tegra234's, compute capability 8.7",),
    )
    assert (board.l4t, board.jetpack, board.tensorrt) == ("36.4.3", "6.2", "10.3.0.30")
    assert board.power_mode == "15W"
    assert "asimddp" in probe(root).flags
    sensors = find_sensors(root)
    now = sensors.read()
    assert now["power_w"] == {"VDD_IN": 6.522432, "VDD_CPU_GPU_CV": 1.62048, "VDD_SOC": 1.496576}
    assert sensors.total_power(["VDD_IN"]) == 6.522432
    assert now["temperature_c"]["tj-thermal"] == pytest.approx(51.218)
    assert now["frequency_mhz"] == {"cpu0": 1728, "gpu": 1020}
    assert throttling(root).now == () and set(throttling(root).counts.values()) == {0}


def test_an_agx_orin_that_is_too_hot(recorded_machine: Recorded) -> None:
    root = recorded_machine("jetson-agx-orin")
    board = identify(root)
    assert (board.jetpack, board.l4t, board.power_mode, board.tensorrt) == ("5", "35.4.1", "MAXN", None)
    sensors = find_sensors(root)
    assert {*sensors.rails} == {"VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0", "VDDQ_VDD2_1V8AO"}
    total = sensors.total_power(["VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"])
    assert total == pytest.approx(4.563904 + 1.5744 + 4.672512)
    assert throttling(root).now == ("cpu-throttle-alert",)
    assert throttling(root).counts == {"over-current oc1": 0, "over-current oc3": 2}


def test_a_raspberry_pi_on_a_weak_supply(recorded_machine: Recorded) -> None:
    root = recorded_machine("raspberry-pi-5")
    board = identify(root)
    assert board.name == "Raspberry Pi 5 Model B Rev 1.0"
    assert board.chip is board.l4t is board.power_mode is None and board.gpus == ()
    held_back = throttling(root)
    assert held_back.now == ("under-voltage",)
    assert held_back.counts == {
        "under-voltage": 1,
        "frequency capped": 0,
        "throttled": 1,
        "soft temperature limit": 0,
    }
    assert "neither a power rail nor RAPL" in find_sensors(root).no_power


def test_a_pc(recorded_machine: Recorded) -> None:
    root = recorded_machine("x86")
    board = identify(root)
    assert (board.name, board.cpu_vendor, board.gpus) == (
        "Example Mini PC 12",
        "GenuineIntel",
        ("Intel graphics",),
    )
    assert not board.npu
    sensors = find_sensors(root)
    assert sensors.counter is not None and sensors.no_power == ""
    # The counter is 0.33 J below its range: a joule later it has begun again.
    before = sensors.counter.read()
    assert before == pytest.approx(262143)
    assert sensors.counter.between(before, 0.67115) == pytest.approx(1.0)
    assert throttling(root).counts == {"core over-temperature": 1, "package over-temperature": 3}


def test_a_counter_only_root_may_read_says_so(recorded_machine: Recorded) -> None:
    root = recorded_machine("x86")
    energy = root / "sys/class/powercap/intel-rapl:0/energy_uj"
    energy.unlink()
    energy.mkdir()  # as unreadable for root, whom permissions do not stop
    sensors = find_sensors(root)
    assert sensors.counter is None
    assert "read by root alone" in sensors.no_power


def test_throttling_between_two_readings(recorded_machine: Recorded) -> None:
    root = recorded_machine("jetson-orin-nano")
    before = throttling(root)
    assert throttling(root).since(before) == ()
    (root / "sys/class/hwmon/hwmon0/oc3_event_cnt").write_text("1\n")
    assert throttling(root).since(before) == ("over-current oc3",)


def test_a_rail_that_cannot_be_read_makes_no_total(recorded_machine: Recorded) -> None:
    root = recorded_machine("jetson-orin-nano")
    (root / "sys/class/hwmon/hwmon1/curr1_input").unlink()
    sensors = find_sensors(root)
    assert "VDD_IN" not in sensors.read()["power_w"]
    assert sensors.total_power(["VDD_IN"]) is None and sensors.total_power() is None
    assert sensors.total_power(["VDD_SOC"]) == pytest.approx(1.496576)


@pytest.mark.parametrize(
    ("release", "jetpack"),
    [(("36", "3.0"), "6.0"), (("36", "4.7"), "6.1 or 6.2"), (("39", "2.1"), "7.2"), (("40", "1.0"), None)],
)
def test_jetpack_from_l4t(recorded_machine: Recorded, release: tuple[str, str], jetpack: str | None) -> None:
    root = recorded_machine("jetson-agx-orin")
    (root / "etc/nv_tegra_release").write_text("# R{} (release), REVISION: {}, GCID: 1\n".format(*release))
    assert identify(root).jetpack == jetpack


def test_an_empty_tree_is_an_unknown_machine(tmp_path: Path) -> None:
    board, sensors = identify(tmp_path), find_sensors(tmp_path)
    assert isinstance(board, Board) and board.model is board.cpu_vendor is board.l4t is None
    assert sensors.read() == {"temperature_c": {}, "frequency_mhz": {}, "power_w": {}}
    assert sensors.total_power() is None and sensors.counter is None
    assert throttling(tmp_path).now == ()


def test_a_program_that_fails_answers_nothing(tmp_path: Path) -> None:
    program = tmp_path / "usr/bin/vcgencmd"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    assert answer(tmp_path, "vcgencmd", "get_throttled") is None
    assert answer(tmp_path, "nvpmodel", "-q") is None


def test_energy_wraps() -> None:
    counter = Counter("package-0", lambda: 0.0, range_j=100.0)
    assert counter.between(99.5, 0.5) == 1.0 and counter.between(2.0, 5.0) == 3.0
