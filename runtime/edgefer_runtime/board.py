"""Which board is this? The names by which a device profile recognises it, and its accelerators."""

from __future__ import annotations

import platform
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgefer_runtime.sysfs import ROOT, answer, table, text
from edgefer_runtime.tables import read_table

TEGRA = {"tegra210": "5.3", "tegra186": "6.2", "tegra194": "7.2", "tegra234": "8.7", "tegra264": "11.0"}
"""Compute capability of each Jetson's GPU, by its chip."""

JETPACKS = {
    "32": "4",
    "35": "5",
    "36.2": "6.0 preview",
    "36.3": "6.0",
    "36.4": "6.1 or 6.2",
    "36.5": "6.2",
    "38.2": "7.0",
    "38.4": "7.1",
    "39.2": "7.2",
}
"""JetPack by the L4T release it brings: the longest prefix counts."""

VENDORS = {0x8086: "Intel", 0x1002: "AMD", 0x10DE: "NVIDIA"}


@dataclass(frozen=True, kw_only=True)
class Board:
    """A machine's names; None or empty where the system does not tell.

    Attributes:
        architecture: e.g. ``x86_64``, ``aarch64``.
        model: for people: the device tree's, else the vendor's and product's of the firmware.
        compatible: the device tree's, the most specific first: ``nvidia,p3767-0005``.
        cpu_vendor: e.g. ``GenuineIntel``.
        chip: of a Jetson, e.g. ``tegra234``.
        l4t, jetpack: a Jetson's releases.
        gpus: for people; of a Jetson with its compute capability.
        npu: an Intel NPU is there.
        tensorrt: the system's package, which a virtual environment may not see.
        power_mode: of a Jetson, as ``nvpmodel`` calls it.
    """

    architecture: str
    model: str | None
    compatible: tuple[str, ...]
    cpu_vendor: str | None
    chip: str | None
    l4t: str | None
    jetpack: str | None
    gpus: tuple[str, ...]
    npu: bool
    tensorrt: str | None
    power_mode: str | None

    @property
    def name(self) -> str:
        """What to call it in a sentence."""
        return (
            self.model or f"a computer without a name ({self.cpu_vendor or 'no vendor'}, {self.architecture})"
        )

    def to_json(self) -> dict[str, Any]:
        """The board as a JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, written: Mapping[str, Any]) -> Board:
        """The board that :meth:`to_json` wrote.

        Raises:
            DataError: a field is missing or of the wrong kind.
        """
        return read_table(cls, written, "board", later=True)


def identify(root: Path = ROOT) -> Board:
    """Look at the machine whose file system is at ``root``."""
    cpu = table(root / "proc/cpuinfo")
    compatible = tuple((text(root / "proc/device-tree/compatible") or "").split("\0"))
    compatible = tuple(name for name in compatible if name)
    chip = next((chip for chip in TEGRA if f"nvidia,{chip}" in compatible), None)
    release = l4t(root)
    packages = _system_packages(root) if chip or release else {}
    return Board(
        architecture=architecture(root),
        model=text(root / "proc/device-tree/model") or _firmware(root),
        compatible=compatible,
        cpu_vendor=cpu.get("vendor_id"),
        chip=chip,
        l4t=release,
        jetpack=packages.get("nvidia-jetpack") or _jetpack(release),
        gpus=_gpus(root, chip),
        npu=any(_vendor(path) == "Intel" for path in sorted((root / "sys/class/accel").glob("accel[0-9]*"))),
        tensorrt=next((version for name, version in packages.items() if name != "nvidia-jetpack"), None),
        power_mode=_power_mode(root) if chip else None,
    )


def architecture(root: Path = ROOT) -> str:
    """The kernel's architecture; kernels before 6.1 do not tell it in a file."""
    if told := text(root / "proc/sys/kernel/arch"):
        return told
    return "aarch64" if table(root / "proc/cpuinfo").get("CPU architecture") == "8" else platform.machine()


def l4t(root: Path = ROOT) -> str | None:
    """The release of a Jetson's Linux: ``36.4.3``."""
    told = text(root / "etc/nv_tegra_release") or ""
    found = re.search(r"# R(\d+) \(release\), REVISION: ([\d.]+)", told)
    return ".".join(found.groups()) if found else None


def _jetpack(release: str | None) -> str | None:
    known = [prefix for prefix in JETPACKS if f"{release}.".startswith(f"{prefix}.")]
    return JETPACKS[max(known, key=len)] if known else None


def _system_packages(root: Path) -> dict[str, str]:
    """Upstream versions of JetPack and of TensorRT's library among Debian's installed packages."""
    told = text(root / "var/lib/dpkg/status") or ""
    pattern = r"^Package: (nvidia-jetpack|libnvinfer\d+)\n(?:\S.*\n| .*\n)*?Version: ([\d.]+)"
    return dict(re.findall(pattern, told, re.MULTILINE))


def _power_mode(root: Path) -> str | None:
    found = re.search(r"NV Power Mode: (\S+)", answer(root, "nvpmodel", "-q") or "")
    return found[1] if found else None


def _firmware(root: Path) -> str | None:
    names = [text(root / f"sys/class/dmi/id/{field}") for field in ("sys_vendor", "product_name")]
    return " ".join(name for name in names if name) or None


def _gpus(root: Path, chip: str | None) -> tuple[str, ...]:
    if chip:
        return (f"{chip}'s, compute capability {TEGRA[chip]}",)
    nvidia = [
        table(path).get("Model") for path in sorted((root / "proc/driver/nvidia/gpus").glob("*/information"))
    ]
    cards = [_vendor(path) for path in sorted((root / "sys/class/drm").glob("card[0-9]"))]
    others = [f"{vendor} graphics" for vendor in cards if vendor and not (vendor == "NVIDIA" and nvidia)]
    return tuple(name for name in (*nvidia, *others) if name)


def _vendor(card: Path) -> str | None:
    try:
        return VENDORS.get(int(text(card / "device/vendor") or "", 16))
    except ValueError:
        return None
