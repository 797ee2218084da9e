"""Whose turn is next: a bounded queue in which no client crowds out another, no large request a small one.

Hosts take turns, each by what it was served so far; a large request counts as several turns. Among a host's
requests, those of like size take turns with those of other sizes, one by one: behind a hundred large ones a
small one waits for one of them, and behind any number of small ones a large one for one of these.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

TURN_BYTES = 64 << 10
"""What a request may have for each turn it counts as."""

MOST_TURNS = 8

T = TypeVar("T")


def turns(size_bytes: int) -> int:
    """How many turns a request of that size counts as."""
    return min(MOST_TURNS, 1 + size_bytes // TURN_BYTES)


@dataclass(eq=False, slots=True)
class _Host(Generic[T]):
    """A host that has requests waiting: in lanes by size, the next lane first, each with its oldest first."""

    served: int
    lanes: dict[int, dict[T, int]] = field(default_factory=dict)

    @property
    def turns(self) -> int:
        return sum(sum(lane.values()) for lane in self.lanes.values())


class FairQueue(Generic[T]):
    """Waiting requests.

    Args:
        capacity: how many may wait.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._hosts: dict[str, _Host[T]] = {}
        self._where: dict[T, tuple[str, int]] = {}
        self._served = 0

    def __len__(self) -> int:
        return len(self._where)

    def __contains__(self, item: T) -> bool:
        return item in self._where

    def __iter__(self) -> Iterator[T]:
        """First the one whose turn it is, then the others, roughly in the order of theirs."""
        for host in sorted(self._hosts.values(), key=lambda host: host.served):
            for lane in host.lanes.values():
                yield from lane

    def full_for(self, client: str, size_bytes: int) -> bool:
        """Whether a request of that size would have to go as soon as it came."""
        return len(self) >= self.capacity and self._last(client, turns(size_bytes)) is None

    def add(self, item: T, client: str, size_bytes: int) -> T | None:
        """Let ``item`` of the host ``client`` wait; where that is one too many, the one that has to go.

        It is the last of those of like size that have most of the host that has most: it may be ``item``.
        """
        count, last = turns(size_bytes), None
        if len(self) >= self.capacity:
            last = self._last(client, count)
            if last is None:
                return item
            self.remove(last)
        host = self._hosts.setdefault(client, _Host(self._served))
        host.lanes.setdefault(_lane(count), {})[item] = count
        self._where[item] = client, _lane(count)
        return last

    def take(self, item: T) -> None:
        """``item``'s turn has come."""
        client, size = self._where[item]
        host = self._hosts[client]
        self._served = host.served
        host.served += host.lanes[size][item]
        host.lanes[size] = host.lanes.pop(size)  # the other lanes are next
        self.remove(item)

    def remove(self, item: T) -> None:
        """``item`` waits no longer."""
        client, size = self._where.pop(item)
        lanes = self._hosts[client].lanes
        del lanes[size][item]
        if not lanes[size]:
            del lanes[size]
        if not lanes:
            del self._hosts[client]

    def _last(self, client: str, count: int) -> T | None:
        """Who has to go for a request of so many turns; None for itself."""
        mine = self._hosts.get(client, _Host[T](0))
        most = max(self._hosts.values(), key=lambda host: host.turns)
        if most.turns <= mine.turns + count:
            most = mine
        waiting = {size: len(lane) for size, lane in most.lanes.items()}
        if most is mine:
            waiting[_lane(count)] = waiting.get(_lane(count), 0) + 1
            if waiting[_lane(count)] == max(waiting.values()):
                return None
        return next(reversed(most.lanes[max(waiting, key=lambda size: waiting[size])]))


def _lane(count: int) -> int:
    """Sizes that are alike: each lane is for twice the size of the one before."""
    return count.bit_length()
