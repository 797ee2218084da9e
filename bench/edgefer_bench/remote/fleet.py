"""Several hosts at once; one that fails stops none of the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from edgefer_bench.remote.hosts import Host
from edgefer_runtime.errors import EdgeferError

Result = TypeVar("Result")


def on_each(
    hosts: Sequence[Host], work: Callable[[Host], Result]
) -> tuple[dict[str, Result], dict[str, EdgeferError]]:
    """Do ``work`` on all hosts at once; what each gave, and what each of the others raised, by name."""

    def guarded(host: Host) -> Result | EdgeferError:
        try:
            return work(host)
        except EdgeferError as error:
            return error

    with ThreadPoolExecutor(max(1, len(hosts))) as pool:
        ended = dict(zip((host.name for host in hosts), pool.map(guarded, hosts), strict=True))
    failed = {name: each for name, each in ended.items() if isinstance(each, EdgeferError)}
    return {name: each for name, each in ended.items() if not isinstance(each, EdgeferError)}, failed
