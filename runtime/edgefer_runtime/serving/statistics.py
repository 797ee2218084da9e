"""What a served model has done so far, counted where it happens."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter, defaultdict
from dataclasses import dataclass, field

BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper ends of the classes into which times of requests are counted; beyond the last there is one more."""


@dataclass
class Duration:
    """How often something happened and what it took altogether."""

    count: int = 0
    ns: int = 0

    def add(self, ns: int) -> None:
        """Count one more, of ``ns`` nanoseconds."""
        self.count += 1
        self.ns += ns


@dataclass
class ModelStatistics:
    """Counted since the server started, over all reloads of the bundle.

    Attributes:
        success, fail: requests, from their arrival to their answer.
        queue: requests, until an engine took them.
        infer: requests, in an engine; requests that shared a call have each its whole time.
        calls: calls of an engine, by the number of faces in it; a picture, whatever is in it, counts as one.
        statuses: requests by the status of their answer.
        buckets: requests by their time, as :data:`BUCKETS_S`.
        last_inference_ms: milliseconds since 1970.
        reloads, refused_reloads: bundles that took the place of another, and those that were not let.
    """

    success: Duration = field(default_factory=Duration)
    fail: Duration = field(default_factory=Duration)
    queue: Duration = field(default_factory=Duration)
    infer: Duration = field(default_factory=Duration)
    calls: defaultdict[int, Duration] = field(default_factory=lambda: defaultdict(Duration))
    statuses: Counter[int] = field(default_factory=Counter)
    buckets: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS_S) + 1))
    last_inference_ms: int = 0
    reloads: int = 0
    refused_reloads: int = 0

    def answered(self, status: int, ns: int) -> None:
        """Count a request that was answered with ``status`` after ``ns`` nanoseconds."""
        (self.success if status < 400 else self.fail).add(ns)
        self.statuses[status] += 1
        self.buckets[bisect_left(BUCKETS_S, ns / 1e9)] += 1

    def called(self, faces: int, ns: int) -> None:
        """Count a call of an engine on ``faces`` faces."""
        self.calls[faces].add(ns)
        self.last_inference_ms = time.time_ns() // 1_000_000

    @property
    def faces(self) -> int:
        """Faces that engines labelled."""
        return sum(faces * duration.count for faces, duration in self.calls.items())

    @property
    def executions(self) -> int:
        """Calls of engines."""
        return sum(duration.count for duration in self.calls.values())
