"""Device profiles: what a kind of machine is recognised by, and what is worth measuring on it.

A profile is one TOML file of this package. ``--device`` takes its name, or its family's, which means
whichever member is found: ``jetson``, ``raspberry-pi``.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from edgefer_runtime.board import Board
from edgefer_runtime.errors import DeviceError
from edgefer_runtime.suggestions import unknown

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@dataclass(frozen=True, kw_only=True)
class Device:
    """A device profile.

    Attributes:
        name, family: what ``--device`` takes.
        title: what people call it.
        architectures: the kernel's names for it.
        compatible: beginnings of names in a device tree, one of which it has; empty when it has no tree.
        cpu_vendor: as ``/proc/cpuinfo`` has it; None when any will do.
        targets: engines that run on it, the likeliest winner first.
        precisions: what to measure, the likeliest winner first.
        power_rails: rails whose sum is the whole module's power.
        budget: what an application on it has: ``frame_hz``, and where throttling begins, ``temperature_c``.
        advice: what to do before a run that is to be published.
        proven: how far this profile was ever tried.
    """

    name: str
    title: str
    architectures: tuple[str, ...]
    targets: tuple[str, ...]
    precisions: tuple[str, ...]
    budget: Mapping[str, float]
    proven: str
    family: str | None = None
    compatible: tuple[str, ...] = ()
    cpu_vendor: str | None = None
    power_rails: tuple[str, ...] = ()
    advice: tuple[str, ...] = field(default=())

    def matches(self, board: Board) -> bool:
        """Whether ``board`` is such a machine."""
        return (
            board.architecture in self.architectures
            and self.cpu_vendor in (None, board.cpu_vendor)
            and (not self.compatible or any(name.startswith(self.compatible) for name in board.compatible))
        )

    @property
    def narrowness(self) -> tuple[int, bool, int]:
        """Larger, the fewer machines match: a longer name in the tree, a vendor, fewer architectures."""
        longest = max(map(len, self.compatible), default=0)
        return longest, self.cpu_vendor is not None, -len(self.architectures)


@cache
def profiles() -> Mapping[str, Device]:
    """All profiles, by name."""
    read = (
        tomllib.loads(file.read_text("utf-8"))
        for file in files(__name__).iterdir()
        if file.name.endswith(".toml")
    )
    made = (Device(**{key: _frozen(value) for key, value in fields.items()}) for fields in read)
    return {device.name: device for device in sorted(made, key=lambda device: device.name)}


def known_devices() -> tuple[str, ...]:
    """The names ``--device`` takes, families included."""
    families = {device.family for device in profiles().values() if device.family}
    return tuple(sorted({*profiles(), *families}))


def named(name: str) -> list[Device]:
    """The profile called ``name``, or all of the family.

    Raises:
        DeviceError: there is none.
    """
    found = [device for device in profiles().values() if name in (device.name, device.family)]
    if not found:
        raise unknown(
            "device",
            name,
            known_devices(),
            action="see `edgefer devices`; leave --device out to measure this machine, or reach another "
            "with --host user@robot",
            kind=DeviceError,
        )
    return found


def recognise(board: Board) -> Device | None:
    """The narrowest profile that a machine matches."""
    matching = [device for device in profiles().values() if device.matches(board)]
    return max(matching, key=lambda device: device.narrowness, default=None)


def require_device(name: str | None, board: Board, *, host: str | None = None) -> Device:
    """The profile of a machine, which must be the device ``name`` when one is named.

    Args:
        name: a profile or family; None takes what the machine is.
        board: what was found there.
        host: where it was looked at; None is this machine.

    Raises:
        DeviceError: no such profile, or the machine is something else.
    """
    candidates = list(profiles().values()) if name is None else named(name)
    found = max(
        (device for device in candidates if device.matches(board)),
        key=lambda device: device.narrowness,
        default=None,
    )
    if found is not None:
        return found
    is_one = recognise(board)
    what = f"{board.name}, which is {is_one.name if is_one else 'no device with a profile'}"
    if host:
        raise DeviceError(
            f"{host} is no {name or 'known device'}: it is {what}",
            expected=" or ".join(device.title for device in candidates) if name else "a known architecture",
            action="name another host, or leave --device out to measure it as what it is",
        )
    raise DeviceError(
        f"this machine is no {name or 'known device'}: it is {what}",
        expected=" or ".join(device.title for device in candidates) if name else "a known architecture",
        action="reach one from here with `edgefer bench --device "
        f"{name or 'cpu'} --host user@robot BUNDLE`, or copy the bundle there and run "
        "`edgefer bench BUNDLE` on it; without --device this machine is measured",
    )


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
