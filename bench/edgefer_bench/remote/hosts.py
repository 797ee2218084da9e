"""Where to reach a robot, and a fleet of them in ``devices.toml``.

The file lies in whatever folder edgefer is called in, which may have come from elsewhere: it can name hosts,
but neither take a built-in profile's name nor have ssh run programs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, TypeAlias

from edgefer_bench.devices import known_devices
from edgefer_bench.remote.options import SHELL, refused_option
from edgefer_runtime.documents import read_toml
from edgefer_runtime.errors import DataError, UsageError
from edgefer_runtime.tables import Line, Within, read_table

FLEET = Path("devices.toml")
ALL = "all"

Word: TypeAlias = Annotated[str, Line(1024)]


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
        source: the file that names it; None where the user did.
    """

    name: str
    address: str
    device: str | None = None
    port: int | None = None
    python: str = "python3"
    folder: str | None = None
    ssh_options: tuple[str, ...] = ()
    source: Path | None = None

    def describe(self) -> str:
        """Which machine it is and what ssh is told, for people."""
        words = [
            "ssh",
            *([] if self.port is None else ["-p", str(self.port)]),
            *self.ssh_options,
            self.address,
        ]
        return f"{self.source or 'here'}: {self.name} is {' '.join(words)}"


@dataclass(frozen=True, kw_only=True)
class _Table:
    """A host's table in the file; fields as in :class:`Host`."""

    host: Word
    device: Word | None = None
    port: Annotated[int, Within(1, 65535)] | None = None
    python: Word = "python3"
    folder: Word | None = None
    ssh_options: tuple[Word, ...] = ()


def read_fleet(path: Path = FLEET) -> dict[str, Host]:
    """The hosts in a file of tables, one a host, by name; an absent file is an empty fleet.

    Raises:
        DataError: no TOML, a table that is not a host's, a built-in profile's name, or an option with which
            ssh would run a program or open more than a connection.
    """
    if not path.exists():
        return {}
    return {name: _host(name, table, path) for name, table in read_toml(path).items()}


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


def _host(name: str, table: object, path: Path) -> Host:
    where = f"{path}: [{name}]"
    if name in (ALL, *known_devices()):
        raise DataError(
            f"{where}: a host called like edgefer's own {'word' if name == ALL else 'profile'} {name!r}",
            expected="a name of your own: a built-in one always means what it means elsewhere",
            action=f"rename it in {path}, as [my-{name}]",
        )
    if name not in Line():
        raise DataError(f"{where}: no name of a host", expected=f"a word {Line()}", action="rename it")
    try:
        read = read_table(_Table, table, f"{path}: no fleet: [{name}]")
    except DataError as error:
        raise DataError(error.found, expected=error.expected, action="see docs/remote.md") from error
    if read.host[:1] == "-" or SHELL & {*read.host} or " " in read.host:
        raise DataError(
            f"{where}: host = {read.host!r}",
            expected="user@robot, or a name of ~/.ssh/config",
            action="mend it",
        )
    if option := refused_option(read.ssh_options):
        raise DataError(
            f"{where}: the ssh option {option}",
            expected="options that say which key, port, user, jump host or cipher: a file that came with a "
            "folder must not run programs or open tunnels",
            action=f"if you want it, write it under `Host {read.host.rpartition('@')[2]}` in ~/.ssh/config",
        )
    values = {key: value for key, value in vars(read).items() if key != "host"}
    return replace(Host(name=name, address=read.host, source=path), **values)
