"""Whose turn is next: a bounded queue in which no client crowds out another.

Hosts take turns by what they were served, and a host's connections among themselves (self-clocked fair
queueing, S. J. Golestani, 1994): a request's tag is what its connection will have been served once it is
answered. A large request counts as several turns, so that small ones pass it, but as no more than
:data:`MOST_TURNS`, so that it is not passed for ever.
"""

from __future__ import annotations

import heapq
from bisect import insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

TURN_BYTES = 256 << 10
"""What a request may have for each turn it counts as."""

MOST_TURNS = 8

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Client:
    """Who asks.

    Attributes:
        host: the machine's address.
        connection: one of its connections.
    """

    host: str = ""
    connection: str = ""


def turns(size_bytes: int) -> int:
    """How many turns a request of that size counts as."""
    return min(MOST_TURNS, 1 + size_bytes // TURN_BYTES)


@dataclass(order=True, slots=True)
class _Entry(Generic[T]):
    tag: int
    number: int
    turns: int = field(compare=False)
    client: Client = field(compare=False)
    item: T = field(compare=False)


@dataclass(eq=False, slots=True)
class _Host(Generic[T]):
    """A machine that has requests waiting: in order, what it was served, and the tag of the last served."""

    served: int
    clock: int = 0
    entries: list[_Entry[T]] = field(default_factory=list)

    @property
    def turns(self) -> int:
        return sum(entry.turns for entry in self.entries)


class FairQueue(Generic[T]):
    """Waiting requests.

    Args:
        capacity: how many may wait.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._hosts: dict[str, _Host[T]] = {}
        self._entries: dict[T, _Entry[T]] = {}
        self._served = self._number = 0

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, item: T) -> bool:
        return item in self._entries

    def __iter__(self) -> Iterator[T]:
        """In the order of their turns, were no others to come."""
        if len(self._hosts) == 1:
            for host in self._hosts.values():
                yield from (entry.item for entry in host.entries)
            return
        order = [
            (host.served, place, iter([*host.entries])) for place, host in enumerate(self._hosts.values())
        ]
        heapq.heapify(order)
        while order:
            served, place, entries = order[0]
            entry = next(entries, None)
            if entry is None:
                heapq.heappop(order)
            else:
                heapq.heapreplace(order, (served + entry.turns, place, entries))
                yield entry.item

    def full_for(self, client: Client, size_bytes: int) -> bool:
        """Whether a request of that size would have to go as soon as it came."""
        if len(self) < self.capacity:
            return False
        entry = self._entry(None, client, size_bytes)
        return self._last(entry) is entry

    def add(self, item: T, client: Client, size_bytes: int) -> T | None:
        """Let ``item`` wait; where that is one too many, the one that has to go: it may be ``item``.

        It is the last of the host that has most of the queue.
        """
        entry = self._entry(item, client, size_bytes)
        last = None if len(self) < self.capacity else self._last(entry)
        if last is entry:
            return item
        if last is not None:
            self.remove(last.item)
        self._number += 1
        host = self._hosts.setdefault(client.host, _Host(self._served))
        insort(host.entries, entry)
        self._entries[item] = entry
        return None if last is None else last.item

    def take(self, item: T) -> None:
        """``item``'s turn has come."""
        entry = self._entries[item]
        host = self._hosts[entry.client.host]
        self._served = host.served
        host.served += entry.turns
        if entry is host.entries[0]:
            host.clock = entry.tag
        self.remove(item)

    def remove(self, item: T) -> None:
        """``item`` waits no longer."""
        entry = self._entries.pop(item)
        host = self._hosts[entry.client.host]
        host.entries.remove(entry)
        if not host.entries:
            del self._hosts[entry.client.host]

    def _entry(self, item: T | None, client: Client, size_bytes: int) -> _Entry[T]:
        host = self._hosts.get(client.host)
        start, count = 0, turns(size_bytes)
        if host is not None:
            own = (entry.tag for entry in host.entries if entry.client == client)
            start = max(host.clock, max(own, default=0))
        return _Entry(start + count, self._number, count, client, item)  # type: ignore[arg-type]

    def _last(self, entry: _Entry[T]) -> _Entry[T]:
        """Who has to go, were ``entry`` one too many."""
        mine = self._hosts.get(entry.client.host)
        own = entry.turns + (mine.turns if mine is not None else 0)
        most = max(self._hosts.values(), key=lambda host: host.turns)
        if most is not mine and most.turns > own:
            return most.entries[-1]
        return max(mine.entries[-1], entry) if mine is not None else entry
