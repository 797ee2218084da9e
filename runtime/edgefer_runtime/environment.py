"""What machine is this? Facts that change what a latency means, read from the system's files.

Every probe takes ``root`` so that it can be asked about another tree than ``/``; what is not there is None.
"""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from edgefer_runtime.board import architecture
from edgefer_runtime.sysfs import ROOT, table, text

INT8_FLAGS = ("avx2", "avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm")
"""Processor flags that decide what INT8 gains, as Linux spells them on x86 and ARM."""
LIBRARIES = {
    "onnxruntime": ("onnxruntime",),
    "openvino": ("openvino",),
    "tensorrt": ("tensorrt",),
    "tensorrt-rtx": ("tensorrt_rtx_bindings", "tensorrt_rtx"),
}
"""Modules of each target, one of which its engine imports."""
PACKAGES = ("edgefer-runtime", "numpy", "onnxruntime", "onnxruntime-gpu", "openvino", "tensorrt")


@dataclass(frozen=True, kw_only=True)
class Environment:
    """The machine and what is installed on it; None where the system does not tell.

    Attributes:
        cpu, board: names the system gives them; ``board`` is a device tree's.
        architecture: e.g. ``x86_64``, ``aarch64``.
        flags: those of :data:`INT8_FLAGS` the processor has.
        cores: logical cores this process may run on; ``physical_cores``: siblings counted once.
        cpu_quota: cores' worth of time the control group allows; None when unlimited.
        governor: frequency governor, joined by ``+`` if cores differ; boost, smt: on or off.
        memory_bytes, memory_available_bytes: of the machine.
        load_average: over the last minute.
        os, kernel, python: names and versions.
        packages: version of each of :data:`PACKAGES` that is installed.
    """

    cpu: str | None
    board: str | None
    architecture: str
    flags: tuple[str, ...]
    cores: int
    physical_cores: int
    cpu_quota: float | None
    governor: str | None
    boost: bool | None
    smt: bool | None
    memory_bytes: int | None
    memory_available_bytes: int | None
    load_average: float | None
    os: str | None
    kernel: str
    python: str
    packages: dict[str, str]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What would make a measurement or an engine misleading here."""
        found = []
        if {"onnxruntime", "onnxruntime-gpu"} <= self.packages.keys():
            found.append(
                "onnxruntime and onnxruntime-gpu are both installed and overwrite each other: "
                "pip uninstall -y onnxruntime onnxruntime-gpu, then install the one that you want"
            )
        if self.governor not in (None, "performance"):
            found.append(
                f"frequency governor is {self.governor}, so a latency depends on what ran before: "
                "echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor"
            )
        if self.cpu_quota is not None and self.cpu_quota < self.cores:
            found.append(
                f"control group allows {self.cpu_quota:g} of {self.cores} cores and takes the rest away in "
                "bursts: start the container with more"
            )
        if self.load_average is not None and self.load_average > self.cores / 2:
            found.append(
                f"load average is {self.load_average} on {self.cores} cores, so something else is running: "
                "stop it before measuring"
            )
        return tuple(found)

    def to_json(self) -> dict[str, Any]:
        """The environment as a JSON object, warnings included."""
        return {**asdict(self), "warnings": self.warnings}


def probe(root: Path = ROOT) -> Environment:
    """Look at the machine whose file system is at ``root``; packages and Python are this process's."""
    memory = table(root / "proc/meminfo")
    load = text(root / "proc/loadavg")
    return Environment(
        cpu=cpu_model(root),
        board=text(root / "proc/device-tree/model"),
        architecture=architecture(root),
        flags=cpu_flags(root),
        cores=len(_affinity()),
        physical_cores=physical_cores(root),
        cpu_quota=cpu_quota(root),
        governor=governor(root),
        boost=_switch(
            root, "sys/devices/system/cpu/cpufreq/boost", "sys/devices/system/cpu/intel_pstate/no_turbo"
        ),
        smt=_switch(root, "sys/devices/system/cpu/smt/active"),
        memory_bytes=_kilobytes(memory.get("MemTotal")),
        memory_available_bytes=_kilobytes(memory.get("MemAvailable")),
        load_average=float(load.split()[0]) if load else None,
        os=table(root / "etc/os-release", "=").get("PRETTY_NAME", "").strip('"') or None,
        kernel=platform.release(),
        python=platform.python_version(),
        packages=packages(),
    )


def usable_cores(root: Path = ROOT) -> int:
    """Threads that can compute at once: physical cores of this process, within the control group's quota."""
    quota = cpu_quota(root)
    cores = physical_cores(root)
    return cores if quota is None else max(1, min(cores, int(quota)))


def physical_cores(root: Path = ROOT) -> int:
    """Cores this process may run on, hardware threads of one core counted once."""
    topology = root / "sys/devices/system/cpu"
    siblings = {text(topology / f"cpu{core}/topology/thread_siblings_list") or core for core in _affinity()}
    return len(siblings)


def cpu_quota(root: Path = ROOT) -> float | None:
    """Cores' worth of time the control group allows (cgroup v2, else v1); None when unlimited."""
    groups = root / "sys/fs/cgroup"
    own = [
        line.split(":", 2)[2]
        for line in (text(root / "proc/self/cgroup") or "").splitlines()
        if line[:3] == "0::"
    ]
    for folder in (groups / path.lstrip("/") for path in (*own, "/")):
        if limit := text(folder / "cpu.max"):
            quota, period = limit.split()
            return None if quota == "max" else int(quota) / int(period)
    quota_us, period_us = (text(groups / f"cpu/cpu.cfs_{name}_us") for name in ("quota", "period"))
    return int(quota_us) / int(period_us) if quota_us and period_us and int(quota_us) > 0 else None


def cpu_model(root: Path = ROOT) -> str | None:
    """The processor's name: x86 and some ARM kernels give one."""
    told = table(root / "proc/cpuinfo")
    return told.get("model name") or told.get("Model") or told.get("Hardware")


def cpu_flags(root: Path = ROOT) -> tuple[str, ...]:
    """Those of :data:`INT8_FLAGS` that the processor has."""
    told = table(root / "proc/cpuinfo")
    present = {*told.get("flags", "").split(), *told.get("Features", "").split()}
    return tuple(flag for flag in INT8_FLAGS if flag in present)


def governor(root: Path = ROOT) -> str | None:
    """The cores' frequency governors, joined by ``+`` if they differ."""
    files = (root / "sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq/scaling_governor")
    return "+".join(sorted({name for name in map(text, files) if name})) or None


def packages() -> dict[str, str]:
    """Versions of the installed packages that matter; none is imported."""
    from importlib import metadata  # here: it takes longer to import than all of this package

    installed = {name: next(iter(metadata.distributions(name=name)), None) for name in PACKAGES}
    return {name: found.version for name, found in installed.items() if found is not None}


def installed_targets() -> tuple[str, ...]:
    """Targets whose library this Python finds; none is imported."""
    return tuple(
        target for target, modules in LIBRARIES.items() if any(find_spec(module) for module in modules)
    )


def _affinity() -> set[int]:
    if sys.platform == "linux":
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


def _kilobytes(value: str | None) -> int | None:
    return int(value.split()[0]) * 1024 if value else None


def _switch(root: Path, on: str, off: str | None = None) -> bool | None:
    """A file that holds 1 for on, or another that holds 1 for off."""
    if (told := text(root / on)) is not None:
        return told == "1"
    if off is not None and (told := text(root / off)) is not None:
        return told == "0"
    return None
