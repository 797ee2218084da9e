"""Device profiles: what a kind of machine is recognised by, and what is worth measuring on it."""

from __future__ import annotations

import platform
import sys
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from edgefer_runtime.errors import DeviceError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@dataclass(frozen=True)
class Device:
    """A device profile, one TOML file of this package.

    Attributes:
        name: what ``--device`` takes.
        title: what people call it.
        machines: the processor architectures it can have, as ``platform.machine()`` names them.
        targets: engines that run on it.
        precisions: what to measure, the likeliest winner first.
    """

    name: str
    title: str
    machines: tuple[str, ...]
    targets: tuple[str, ...]
    precisions: tuple[str, ...]


def known_devices() -> tuple[str, ...]:
    """The names ``--device`` takes."""
    return tuple(sorted(file.name[:-5] for file in files(__name__).iterdir() if file.name.endswith(".toml")))


def device_here(name: str, machine: str | None = None) -> Device:
    """The profile of the device ``name``, when this machine is one.

    Args:
        name: a device's name.
        machine: the processor architecture; this machine's by default.

    Raises:
        DeviceError: no such profile, or this machine is something else.
    """
    if name not in known_devices():
        raise _not_here(f"no device profile {name!r}", f"one of {', '.join(known_devices())}")
    profile = tomllib.loads((files(__name__) / f"{name}.toml").read_text("utf-8"))
    fields: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in profile.items()
    }
    device = Device(**fields)
    machine = machine or platform.machine()
    if machine not in device.machines:
        raise _not_here(f"this machine ({machine}) is no {name}", " or ".join(device.machines))
    return device


def _not_here(found: str, expected: str) -> DeviceError:
    return DeviceError(
        found,
        expected=expected,
        action="copy the bundle to the device and run `edgefer bench --device cpu BUNDLE` there "
        "(reaching it from here with --host comes in a later version), "
        "or leave --device out to measure this machine",
    )
