"""Temperature, clocks, power and throttling, as far as this machine has sensors that may be read.

Rails of a Jetson are INA3221 (Thor: INA238) monitors under ``hwmon``; a PC's processor counts its own energy
(RAPL); a Raspberry Pi reports under-voltage and throttling through its firmware.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgefer_runtime.sysfs import ROOT, answer, number, text

Read = Callable[[], float | None]

RAIL_CHIPS = ("ina3221", "ina238")
RAPL = "sys/class/powercap/intel-rapl:0"
PI_FLAGS = ("under-voltage", "frequency capped", "throttled", "soft temperature limit")
SINCE_BOOT = 16
"""A flag of a Raspberry Pi that was ever raised is up this many bits higher as well."""


@dataclass(frozen=True)
class Counter:
    """Energy a processor has used, counted from an unknown start.

    Attributes:
        name: ``package-0``.
        read: joules.
        range_j: where the count begins again.
    """

    name: str
    read: Read
    range_j: float

    def between(self, earlier_j: float, later_j: float) -> float:
        """Joules between two readings less than one range apart."""
        return (later_j - earlier_j) % self.range_j


@dataclass(frozen=True)
class Sensors:
    """What can be read here, by name; :func:`find_sensors` finds it.

    Attributes:
        temperatures: zones, in degrees Celsius.
        frequencies: processor policies and a GPU, in MHz.
        rails: watts.
        counter: a processor's energy.
        no_power: why there is neither a rail nor a counter; empty when there is one.
    """

    temperatures: Mapping[str, Read] = field(default_factory=dict)
    frequencies: Mapping[str, Read] = field(default_factory=dict)
    rails: Mapping[str, Read] = field(default_factory=dict)
    counter: Counter | None = None
    no_power: str = ""

    def read(self) -> dict[str, Any]:
        """All of them now: ``temperature_c``, ``frequency_mhz``, ``power_w``; what failed is left out."""
        groups = {
            "temperature_c": self.temperatures,
            "frequency_mhz": self.frequencies,
            "power_w": self.rails,
        }
        return {
            group: {name: value for name, read in readers.items() if (value := read()) is not None}
            for group, readers in groups.items()
        }

    def total_power(self, rails: Sequence[str] = ()) -> float | None:
        """Watts of the rails named, or of all there are; None when one of them cannot be read."""
        readers = [self.rails.get(name) for name in rails] if rails else list(self.rails.values())
        watts = [read() if read else None for read in readers]
        known = [value for value in watts if value is not None]
        return sum(known) if known and len(known) == len(watts) else None


def find_sensors(root: Path = ROOT) -> Sensors:
    """The sensors of the machine whose file system is at ``root``."""
    rails, counter = _rails(root), _counter(root)
    readable = counter is not None and counter.read() is not None
    reason = "" if rails or readable else "neither a power rail nor RAPL is found under /sys"
    if counter and not readable and not rails:
        reason = f"/{RAPL}/energy_uj may be read by root alone"
    return Sensors(
        temperatures=_temperatures(root),
        frequencies=_frequencies(root),
        rails=rails,
        counter=counter if readable else None,
        no_power=reason,
    )


@dataclass(frozen=True)
class Throttling:
    """Whether the machine holds itself back.

    Attributes:
        now: what holds it back at this moment.
        counts: how often each cause did since boot, or 1 for ever where the system counts no further.
    """

    now: tuple[str, ...]
    counts: Mapping[str, int]

    def since(self, earlier: Throttling) -> tuple[str, ...]:
        """What held the machine back between two readings, or does now."""
        risen = [name for name, count in self.counts.items() if count > earlier.counts.get(name, 0)]
        return tuple(dict.fromkeys((*earlier.now, *self.now, *risen)))


def throttling(root: Path = ROOT) -> Throttling:
    """Ask a Raspberry Pi's firmware, a Jetson's over-current events and alerts, a PC's thermal counters."""
    now, counts = _raspberry_flags(root)
    hwmon = root / "sys/class/hwmon"
    for path in sorted(hwmon.glob("hwmon*/oc*_event_cnt")):
        counts[f"over-current {path.name.split('_')[0]}"] = number(path) or 0
    for device in sorted((root / "sys/class/thermal").glob("cooling_device*")):
        kind = text(device / "type") or ""
        if kind.endswith("-alert") and number(device / "cur_state"):
            now.append(kind)
    for path in (root / "sys/devices/system/cpu").glob("cpu[0-9]*/thermal_throttle/*_throttle_count"):
        cause = f"{path.name.split('_')[0]} over-temperature"
        counts[cause] = max(counts.get(cause, 0), number(path) or 0)
    return Throttling(tuple(now), counts)


def _raspberry_flags(root: Path) -> tuple[list[str], dict[str, int]]:
    told = answer(root, "vcgencmd", "get_throttled") or ""
    name, _, value = told.partition("=")
    if name != "throttled":
        return [], {}
    bits = int(value, 16)
    now = [flag for place, flag in enumerate(PI_FLAGS) if bits >> place & 1]
    return now, {flag: bits >> (place + SINCE_BOOT) & 1 for place, flag in enumerate(PI_FLAGS)}


def _rails(root: Path) -> dict[str, Read]:
    """Rails with a name; INA3221's seventh channel is a sum and no rail, unwired ones are called NC."""
    rails: dict[str, Read] = {}
    for chip in sorted((root / "sys/class/hwmon").glob("hwmon*")):
        if text(chip / "name") not in RAIL_CHIPS:
            continue
        for label in sorted(chip.glob("in[0-9]_label")):
            channel, name = label.name[2], text(label)
            if not name or name == "NC" or channel == "7":
                continue
            millivolts, milliamperes = chip / f"in{channel}_input", chip / f"curr{channel}_input"
            rails[name] = _product(millivolts, milliamperes)
    return rails


def _product(millivolts: Path, milliamperes: Path) -> Read:
    def read() -> float | None:
        volts, amperes = number(millivolts), number(milliamperes)
        return None if volts is None or amperes is None else volts * amperes / 1e6

    return read


def _counter(root: Path) -> Counter | None:
    wrap_uj = number(root / RAPL / "max_energy_range_uj")
    if wrap_uj is None:
        return None
    name = text(root / RAPL / "name") or "package"
    return Counter(name, _scaled(root / RAPL / "energy_uj", 1e-6), wrap_uj / 1e6)


def _temperatures(root: Path) -> dict[str, Read]:
    zones = sorted((root / "sys/class/thermal").glob("thermal_zone*"))
    return {text(zone / "type") or zone.name: _scaled(zone / "temp", 1e-3) for zone in zones}


def _frequencies(root: Path) -> dict[str, Read]:
    policies = sorted((root / "sys/devices/system/cpu/cpufreq").glob("policy*"))
    found = {
        f"cpu{policy.name.removeprefix('policy')}": _scaled(policy / "scaling_cur_freq", 1e-3)
        for policy in policies
    }
    for path in sorted((root / "sys/class/devfreq").glob("*")):
        if path.name.endswith((".gpu", ".ga10b", ".gv11b", ".gp10b", ".gm20b")):
            found["gpu"] = _scaled(path / "cur_freq", 1e-6)
    return found


def _scaled(path: Path, unit: float) -> Read:
    def read() -> float | None:
        value = number(path)
        return None if value is None else value * unit

    return read
