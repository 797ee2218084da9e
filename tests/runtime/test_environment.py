"""The machine, read from fake trees, and the real one."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgefer_runtime.environment import cpu_quota, physical_cores, probe, usable_cores

XEON = {
    "proc/cpuinfo": "processor\t: 0\nmodel name\t: Intel(R) Xeon(R) 6747P\n"
    "flags\t\t: fpu avx2 avx512_vnni amx_int8\n\n"
    "processor\t: 1\nmodel name\t: second\n",
    "proc/meminfo": "MemTotal:       16384 kB\nMemFree:  1 kB\nMemAvailable:    8192 kB\n",
    "proc/loadavg": "0.25 0.10 0.05 1/100 4242\n",
    "etc/os-release": 'NAME="Debian"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n',
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "powersave\n",
    "sys/devices/system/cpu/cpu1/cpufreq/scaling_governor": "performance\n",
    "sys/devices/system/cpu/intel_pstate/no_turbo": "0\n",
    "sys/devices/system/cpu/smt/active": "1\n",
    "proc/self/cgroup": "0::/robot.slice\n",
    "sys/fs/cgroup/robot.slice/cpu.max": "150000 100000\n",
}
ORIN = {
    "proc/cpuinfo": "processor\t: 0\nFeatures\t: fp asimd asimddp\nCPU implementer\t: 0x41\n",
    "proc/device-tree/model": "NVIDIA Jetson Orin Nano Developer Kit\0",
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "schedutil\n",
}


def plant(root: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_an_x86_machine(tmp_path: Path) -> None:
    machine = probe(plant(tmp_path, XEON))
    assert machine.cpu == "Intel(R) Xeon(R) 6747P"
    assert machine.board is None
    assert machine.flags == ("avx2", "avx512_vnni", "amx_int8")
    assert (machine.memory_bytes, machine.memory_available_bytes) == (16 << 20, 8 << 20)
    assert machine.load_average == 0.25
    assert machine.os == "Debian GNU/Linux 12 (bookworm)"
    assert machine.governor == "performance+powersave"
    assert machine.boost is True and machine.smt is True
    assert machine.cpu_quota == 1.5
    assert any("governor" in warning for warning in machine.warnings)


def test_a_jetson(tmp_path: Path) -> None:
    machine = probe(plant(tmp_path, ORIN))
    assert machine.board == "NVIDIA Jetson Orin Nano Developer Kit"
    assert machine.flags == ("asimddp",)
    assert machine.governor == "schedutil"
    assert machine.cpu is None and machine.memory_bytes is None and machine.boost is None


def test_an_empty_tree_gives_none(tmp_path: Path) -> None:
    machine = probe(tmp_path)
    facts = (machine.cpu, machine.board, machine.cpu_quota, machine.governor, machine.boost, machine.smt)
    assert {*facts, machine.memory_bytes, machine.load_average, machine.os} == {None}
    assert machine.flags == () and machine.cores >= 1 and machine.warnings == ()


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({"sys/fs/cgroup/cpu.max": "max 100000"}, None),
        ({"sys/fs/cgroup/cpu.max": "200000 100000"}, 2.0),
        ({"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000"}, None),
        (
            {"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "50000", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000"},
            0.5,
        ),
    ],
)
def test_quotas_of_both_control_groups(tmp_path: Path, files: dict[str, str], quota: float | None) -> None:
    assert cpu_quota(plant(tmp_path, files)) == quota


@pytest.mark.parametrize(("quota", "cores"), [("max", 2), ("300000", 2), ("150000", 1), ("10000", 1)])
def test_threads_follow_physical_cores_and_quota(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quota: str, cores: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3})
    siblings = {
        f"sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list": f"{core % 2},{core % 2 + 2}\n"
        for core in range(4)
    }
    root = plant(tmp_path, {**siblings, "sys/fs/cgroup/cpu.max": f"{quota} 100000"})
    assert physical_cores(root) == 2
    assert usable_cores(root) == cores


def test_this_machine() -> None:
    machine = probe()
    assert machine.architecture == platform.machine()
    assert machine.packages["numpy"] == np.__version__
    assert 1 <= usable_cores() <= machine.cores
    facts = json.loads(json.dumps(machine.to_json()))
    assert facts["cores"] == machine.cores and isinstance(facts["warnings"], list)


def test_warnings_name_what_misleads() -> None:
    quiet = replace(probe(), packages={}, governor="performance", load_average=0.0)
    assert quiet.warnings == ()
    both = replace(quiet, packages={"onnxruntime": "1.31.1", "onnxruntime-gpu": "1.31.1"})
    assert "overwrite each other" in both.warnings[0]
    assert "load average" in replace(quiet, load_average=float(quiet.cores)).warnings[0]
