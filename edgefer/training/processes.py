"""Several processes that train one network, each on its share of every batch.

On each node one process is the command itself. It starts the others and ends them; they run the same job
at another place, and of all of them only the first writes files. Where torchrun or the like has started
every process already, nobody is started, and the places are read from its variables (LOCAL_RANK, RANK,
WORLD_SIZE, MASTER_ADDR, MASTER_PORT).
"""

from __future__ import annotations

import os
import pickle
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import BinaryIO, cast

from edgefer_runtime.errors import DeviceError, EdgeferError, UsageError

READY = b"ready\n"
"""What a helper says when its libraries are loaded."""

GRACE_S = 2.0
"""How long a process may take to die after the one that it talked to."""


@dataclass(frozen=True)
class Place:
    """Where one process stands among those that train together.

    Attributes:
        devices: processes on each node, one for each device.
        nodes: machines.
        node, local_rank: which of them this one is.
        address, port: where the first process waits for the others.
        started: whether the processes of this node have been started already.
    """

    devices: int = 1
    nodes: int = 1
    node: int = 0
    local_rank: int = 0
    address: str = "127.0.0.1"
    port: int = 0
    started: bool = False

    @property
    def processes(self) -> int:
        """On all nodes together."""
        return self.devices * self.nodes

    @property
    def rank(self) -> int:
        """Among all processes; rank 0 is the first."""
        return self.node * self.devices + self.local_rank

    def share(self, count: int) -> slice:
        """Which of ``count`` things in a row are this process's."""
        return slice(count * self.rank // self.processes, count * (self.rank + 1) // self.processes)


def find_place(devices: int, nodes: int) -> Place:
    """The place of this process, by its environment.

    Raises:
        UsageError: the environment tells of another number of processes, or too little.
    """
    known = os.environ
    if {"LOCAL_RANK", "RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"} <= known.keys():
        if int(known["WORLD_SIZE"]) != devices * nodes:
            raise UsageError(
                f"{known['WORLD_SIZE']} processes for {devices} devices on each of {nodes} nodes",
                expected="as many processes as devices on all nodes",
                action="give --devices and --nodes the numbers that the launcher has",
            )
        return Place(
            devices,
            nodes,
            int(known["RANK"]) // devices,
            int(known["LOCAL_RANK"]),
            known["MASTER_ADDR"],
            int(known["MASTER_PORT"]),
            started=True,
        )
    if nodes == 1:
        return Place(devices, port=_free_port() if devices > 1 else 0)
    if missing := {"NODE_RANK", "MASTER_ADDR", "MASTER_PORT"} - known.keys():
        raise UsageError(
            f"{nodes} nodes, but {', '.join(sorted(missing))} not set",
            expected="on each node NODE_RANK, counted from 0, and the first node's MASTER_ADDR and a free "
            "MASTER_PORT there",
            action=f"set them and run the same command on all {nodes} nodes, or use torchrun",
        )
    return Place(devices, nodes, int(known["NODE_RANK"]), 0, known["MASTER_ADDR"], int(known["MASTER_PORT"]))


@contextmanager
def helpers(place: Place, job: Callable[[Place], object]) -> Iterator[None]:
    """Do ``job`` at this node's other places while the block does it at ``place``.

    Helpers are plain child processes: unlike those of ``multiprocessing`` they import the caller's main
    module never, and Ctrl-C reaches this process alone.

    Args:
        place: this process's.
        job: can be pickled.

    Raises:
        DeviceError: a helper failed; its own message is on stderr.
    """
    crew = [] if place.started else [replace(place, local_rank=rank) for rank in range(1, place.devices)]
    started: list[subprocess.Popen[bytes]] = []
    try:
        started += [_start(job, each) for each in crew]
        for number, helper in enumerate(started, 1):
            if cast(BinaryIO, helper.stdout).read(len(READY)) != READY:
                raise _failed(number, helper.wait())
        yield
        for number, helper in enumerate(started, 1):
            if status := helper.wait():
                raise _failed(number, status)
    except EdgeferError:
        raise
    except Exception as error:
        if dead := _first_dead(started):
            raise _failed(*dead) from error
        raise
    finally:
        for helper in started:
            helper.kill()
            helper.wait()
            cast(BinaryIO, helper.stdout).close()


def _start(job: Callable[[Place], object], place: Place) -> subprocess.Popen[bytes]:
    helper = subprocess.Popen(
        [sys.executable, "-m", __name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONSAFEPATH": "1"},
        start_new_session=True,
    )
    with suppress(BrokenPipeError), cast(BinaryIO, helper.stdin) as orders:
        pickle.dump((job, place), orders)
    return helper


def _first_dead(started: Sequence[subprocess.Popen[bytes]]) -> tuple[int, int] | None:
    """Number and status of a helper that failed, if one did."""
    until = time.monotonic() + GRACE_S
    while started and time.monotonic() < until:
        for number, helper in enumerate(started, 1):
            if helper.poll():
                return number, helper.returncode
        time.sleep(0.05)
    return None


def _failed(number: int, status: int) -> DeviceError:
    how = f"was ended by signal {-status}" if status < 0 else f"failed with status {status}"
    return DeviceError(
        f"training process {number} {how}",
        expected="every process to train until the end",
        action="see its own message above; memory is needed once for each process",
    )


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _help() -> None:
    """Do the job that stdin brings; what stops all processes is told by the first, what stops one by that."""
    job, place = pickle.load(sys.stdin.buffer)
    sys.stdout.buffer.write(READY)
    sys.stdout.buffer.flush()
    try:
        job(place)
    except EdgeferError as error:
        if isinstance(error, DeviceError):
            sys.stderr.write(f"error in a process beside the first: {error}\n")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    _help()
