"""The device profiles, and which of them this machine is."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from edgefer_bench.devices import named, profiles, recognise
from edgefer_runtime.board import identify


def describe_devices(name: str | None = None, root: Path = Path("/")) -> list[dict[str, Any]]:
    """The profiles of a name or family, or all, as JSON objects; ``here`` marks what this machine is.

    Raises:
        DeviceError: no profile or family of that name.
    """
    here = recognise(identify(root))
    chosen = named(name) if name else list(profiles().values())
    return [{**asdict(device), "here": device == here} for device in chosen]
