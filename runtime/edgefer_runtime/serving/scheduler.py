"""Who is served by which engine, in whose company: a bounded, fair queue in front of a few engines.

All of it happens on the event loop, so nothing here is locked; only the engines' calls run on threads.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from edgefer_runtime.batching import LARGEST_BATCH
from edgefer_runtime.classifier import Classifier
from edgefer_runtime.serving.loading import Loaded
from edgefer_runtime.serving.refusals import UNAVAILABLE, Refusal
from edgefer_runtime.serving.statistics import ModelStatistics
from edgefer_runtime.serving.turns import FairQueue

T = TypeVar("T")
Call = Callable[[Classifier], Any]


@dataclass(slots=True, eq=False)
class _Waiting:
    """A request: crops, which may share a call with others of their size, or a call of its own."""

    work: NDArray[np.uint8] | Call
    answer: asyncio.Future[tuple[Any, Loaded]]
    arrived_ns: int

    @property
    def faces(self) -> int:
        return len(self.work) if isinstance(self.work, np.ndarray) else 1

    def suits(self, other: _Waiting) -> bool:
        """Whether both may share a call."""
        mine, theirs = self.work, other.work
        return (
            isinstance(mine, np.ndarray)
            and isinstance(theirs, np.ndarray)
            and mine.shape[1:] == theirs.shape[1:]
        )


class _EngineThread:
    """Where an engine's calls run, one after another.

    No thread of a pool: one that takes work from the pool's queue first wakes another, who finds none, and
    keeps a future for each call; both cost a request more than handing it over does.
    """

    def __init__(self) -> None:
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._thread.start()

    def run(self, call: Callable[[], None]) -> None:
        """Have the thread make a call, which must not raise."""
        self._calls.put(call)

    def close(self) -> None:
        """Let the thread go once its calls have ended."""
        self._calls.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            call()
            del call  # it holds its requests' crops, until the next one otherwise


class Scheduler:
    """Hands requests to a bundle's engines.

    An engine that falls idle takes the request whose turn it is (:mod:`edgefer_runtime.serving.turns`) and,
    where faces of different requests may share a call, all others of its crop size,
    :data:`~edgefer_runtime.batching.LARGEST_BATCH` faces at most.

    Args:
        loaded: the bundle, open.
        capacity: requests that may wait; of one more, the last of the client who has most of them is refused.
        batch_delay_s: how long an idle engine waits for company for the next request.
        statistics: where calls are counted.
    """

    def __init__(
        self, loaded: Loaded, *, capacity: int, batch_delay_s: float, statistics: ModelStatistics
    ) -> None:
        self.loaded, self.statistics = loaded, statistics
        self._delay_s = batch_delay_s
        self._queue: FairQueue[_Waiting] = FairQueue(capacity)
        self._idle = list(range(len(loaded.engines)))
        self._threads = [_EngineThread() for _ in loaded.engines]
        self._timer: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> int:
        """Requests that no engine has taken yet."""
        return len(self._queue)

    @property
    def busy(self) -> int:
        """Engines at work."""
        return len(self.loaded.engines) - len(self._idle)

    def swap(self, loaded: Loaded) -> None:
        """Let ``loaded``, with as many engines, answer from the next call on.

        Calls under way end as they are; what they use goes with the last of them.
        """
        self.loaded = loaded

    async def predict(
        self, images: NDArray[np.uint8], client: str = ""
    ) -> tuple[NDArray[np.float32], Loaded]:
        """Label faces when their turn has come; whoever is cancelled while waiting leaves the queue.

        Args:
            images: uint8, N x H x W x 3, RGB.
            client: the host that asks.

        Returns:
            float32, N x K, and the bundle the probabilities are from.

        Raises:
            Refusal: 503, the queue is full.
        """
        return await self._submit(images, client, images.nbytes)

    async def run(
        self, call: Callable[[Classifier], T], client: str = "", size_bytes: int = 0
    ) -> tuple[T, Loaded]:
        """Let ``call``, on ``size_bytes`` of data, use an engine on its thread; as :meth:`predict`."""
        return await self._submit(call, client, size_bytes)

    async def _submit(
        self, work: NDArray[np.uint8] | Call, client: str, size_bytes: int
    ) -> tuple[Any, Loaded]:
        waiting = _Waiting(work, asyncio.get_running_loop().create_future(), time.perf_counter_ns())
        displaced = self._queue.add(waiting, client, size_bytes)
        if displaced is waiting:
            raise self._full()
        if displaced is not None and not displaced.answer.done():
            displaced.answer.set_exception(self._full())
        self._dispatch()
        try:
            return await waiting.answer
        except asyncio.CancelledError:
            if waiting in self._queue:
                self._queue.remove(waiting)
            raise

    def require_place(self, client: str = "", size_bytes: int = 0) -> None:
        """Refuse, 503, what would find the queue full; asked before a body is read, which is cheaper then."""
        if self._queue.full_for(client, size_bytes):
            raise self._full()

    def _full(self) -> Refusal:
        return Refusal(
            UNAVAILABLE, f"{len(self._queue)} requests are waiting", retry_after_s=self._retry_after_s()
        )

    def _retry_after_s(self) -> int:
        """Whole seconds in which what is waiting now will have been served, at least 1."""
        infer = self.statistics.infer
        mean_s = infer.ns / infer.count / 1e9 if infer.count else 0.0
        return max(1, math.ceil(len(self._queue) * mean_s / len(self.loaded.engines)))

    def close(self) -> None:
        """Let the threads go once their calls have ended; nothing may be submitted any more."""
        for thread in self._threads:
            thread.close()

    def _dispatch(self) -> None:
        """Give idle engines something to do."""
        while self._idle and self._queue:
            batch = self._next_batch()
            if self._waits_for_company(batch):
                break
            for waiting in batch:
                self._queue.take(waiting)
            engine, loop = self._idle.pop(), asyncio.get_running_loop()
            self._threads[engine].run(partial(self._work, engine, self.loaded, batch, loop))

    def _next_batch(self) -> list[_Waiting]:
        order = iter(self._queue)
        batch = [next(order)]
        if not self.loaded.mixes:
            return batch
        faces = batch[0].faces
        for waiting in order:
            if waiting.suits(batch[0]):
                faces += waiting.faces
                if faces > LARGEST_BATCH:
                    break
                batch.append(waiting)
        return batch

    def _waits_for_company(self, batch: Sequence[_Waiting]) -> bool:
        """Whether an idle engine should wait; then something will call :meth:`_dispatch` again."""
        full = sum(each.faces for each in batch) >= LARGEST_BATCH
        if not self._delay_s or not self.loaded.mixes or full or not batch[0].suits(batch[0]):
            return False
        left_s = self._delay_s - (time.perf_counter_ns() - batch[0].arrived_ns) / 1e9
        if left_s <= 0:
            return False
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(left_s, self._dispatch)
        return True

    def _work(
        self, engine: int, loaded: Loaded, batch: Sequence[_Waiting], loop: asyncio.AbstractEventLoop
    ) -> None:
        """One call, on the engine's thread."""
        started_ns = time.perf_counter_ns()
        outcome: Any
        try:
            if len(batch) > 1:
                outcome = loaded.predict(engine, np.concatenate([each.work for each in batch]))
            elif isinstance(batch[0].work, np.ndarray):
                outcome = loaded.predict(engine, batch[0].work)
            else:
                outcome = batch[0].work(loaded.engines[engine])
        except Exception as error:  # whatever it is, its requests must not wait for ever
            outcome = error
        took_ns = time.perf_counter_ns() - started_ns
        loop.call_soon_threadsafe(self._finish, engine, loaded, batch, started_ns, took_ns, outcome)

    def _finish(
        self,
        engine: int,
        loaded: Loaded,
        batch: Sequence[_Waiting],
        started_ns: int,
        took_ns: int,
        outcome: Any,
    ) -> None:
        self._idle.append(engine)
        self.statistics.called(sum(each.faces for each in batch), took_ns)
        start = 0
        for waiting in batch:
            self.statistics.queue.add(started_ns - waiting.arrived_ns)
            self.statistics.infer.add(took_ns)
            end = start + waiting.faces
            if waiting.answer.done():  # cancelled: nobody waits for it any more
                pass
            elif isinstance(outcome, Exception):
                waiting.answer.set_exception(outcome)
            else:
                waiting.answer.set_result((outcome if len(batch) == 1 else outcome[start:end], loaded))
            start = end
        self._dispatch()
