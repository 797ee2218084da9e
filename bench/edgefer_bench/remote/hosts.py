"""Where to reach a robot, and a fleet of them in ``devices.toml``."""

from __future__ import annotations

import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from edgefer_runtime.errors import DataError, UsageError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FLEET = Path("devices.toml")
ALL = "all"


@dataclass(frozen=True, kw_only=True)
class Host:
    """A machine that ssh reaches.

    Attributes:
        name: what to call it in tables and messages.
        address: as ssh takes it: ``user@robot``, or a name of ``~/.ssh/config``.
        device: the profile or family it must be; None takes what it is.
        port: None is ssh's own choice.
        python: its Python, 3.10 or newer, that sees an engine's library.
        folder: where there is room for a few hundred megabytes; by default its temporary folder.
        ssh_options: further words for ssh, as ``["-i", "~/.ssh/robot"]``.
    """

    name: str
    address: str
    device: str | None = None
    port: int | None = None
    python: str = "python3"
    folder: str | None = None
    ssh_options: tuple[str, ...] = ()


def read_fleet(path: Path = FLEET) -> dict[str, Host]:
    """The hosts in a file of tables, one a host, by name; an absent file is an empty fleet.

    Raises:
        DataError: no TOML, or a table that is not a host's.
    """
    if not path.exists():
        return {}
    known = {field.name for field in fields(Host)} - {"name", "address"} | {"host"}
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
        for name, table in tables.items():
            if not isinstance(table, dict) or "host" not in table or (table.keys() - known):
                raise ValueError(f"[{name}] holds {', '.join(table) if isinstance(table, dict) else table!r}")
        return {name: _host(name, table) for name, table in tables.items()}
    except (OSError, ValueError, TypeError) as error:
        raise DataError(
            f"{path}: no fleet ({error})",
            expected=f"a table a host with `host`, and as needed {', '.join(sorted(known - {'host'}))}",
            action="see docs/remote.md",
        ) from error


def choose_hosts(device: str | None, host: str | None, fleet: dict[str, Host]) -> list[Host]:
    """The hosts that ``--device`` and ``--host`` mean; none for the machine at hand.

    Raises:
        UsageError: ``all`` of a fleet that is empty.
    """
    if host is not None:
        entry = fleet.get(host)
        return [entry or Host(name=host, address=host, device=device)]
    if device == ALL:
        if not fleet:
            raise UsageError(
                "--device all, and no fleet",
                expected=f"{FLEET} with a table a host",
                action="see docs/remote.md, or name one with --host user@robot",
            )
        return list(fleet.values())
    return [fleet[device]] if device in fleet else []


def _host(name: str, table: dict[str, Any]) -> Host:
    values: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in table.items()
    }
    return Host(name=name, address=str(values.pop("host")), **values)
