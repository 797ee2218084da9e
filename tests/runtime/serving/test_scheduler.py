"""The queue in front of the engines: its end, its order, its company."""

from __future__ import annotations

import asyncio
import threading
import time
import weakref
from collections.abc import Callable, Coroutine
from typing import Any

import numpy as np
import pytest

from edgefer_runtime.bundle import Bundle
from edgefer_runtime.classifier import Classifier
from edgefer_runtime.serving.loading import EngineSettings, load
from edgefer_runtime.serving.refusals import DEADLINE_EXCEEDED, Refusal, within
from edgefer_runtime.serving.scheduler import Scheduler
from edgefer_runtime.serving.statistics import ModelStatistics

from .conftest import CROPS


class Held:
    """Work that keeps an engine until it is let go."""

    def __init__(self) -> None:
        self.begun, self.free = threading.Event(), threading.Event()

    def __call__(self, classifier: Classifier) -> str:
        self.begun.set()
        assert self.free.wait(30)
        return "done"


def scheduled(
    bundle: Bundle,
    test: Callable[[Scheduler], Coroutine[Any, Any, None]],
    *,
    engines: int = 1,
    **changes: Any,
) -> Scheduler:
    """Run ``test`` with a scheduler of so many engines."""

    async def run() -> Scheduler:
        loaded = load(str(bundle.path), EngineSettings(engines=engines, threads=1))
        settings = {"capacity": 8, "batch_delay_s": 0.0, "statistics": ModelStatistics(), **changes}
        scheduler = Scheduler(loaded, **settings)
        try:
            await test(scheduler)
        finally:
            scheduler.close()
        return scheduler

    return asyncio.run(run())


async def until(event: threading.Event) -> None:
    assert await asyncio.to_thread(event.wait, 30)


def test_requests_that_wait_together_share_a_call_and_get_their_own_answers(tiny: Bundle) -> None:
    async def test(scheduler: Scheduler) -> None:
        alone = [(await scheduler.predict(CROPS[index : index + 1]))[0] for index in range(5)]
        held = Held()
        first = asyncio.create_task(scheduler.run(held))
        await until(held.begun)
        waiting = [
            asyncio.create_task(scheduler.predict(CROPS[start:end]))
            for start, end in ((0, 1), (1, 3), (3, 5))
        ]
        held.free.set()
        assert (await first)[0] == "done"
        together = [(await task)[0] for task in waiting]
        np.testing.assert_allclose(np.concatenate(together), np.concatenate(alone), atol=1e-6)

    calls = scheduled(tiny, test).statistics.calls
    assert {faces: duration.count for faces, duration in calls.items()} == {1: 6, 5: 1}


def test_crops_of_other_sizes_and_too_many_faces_wait_for_the_next_call(tiny: Bundle) -> None:
    async def test(scheduler: Scheduler) -> None:
        held = Held()
        first = asyncio.create_task(scheduler.run(held))
        await until(held.begun)
        crops = [CROPS[:1], CROPS[:2, :8, :8], np.repeat(CROPS[:1], 15, axis=0), CROPS[:1], CROPS[:1]]
        waiting = [asyncio.create_task(scheduler.predict(each)) for each in crops]
        held.free.set()
        answers = [(await task)[0] for task in [*waiting]]
        assert [len(answer) for answer in answers] == [1, 2, 15, 1, 1]
        await first

    calls = scheduled(tiny, test).statistics.calls
    assert {faces: duration.count for faces, duration in calls.items()} == {1: 1, 2: 2, 16: 1}


def test_an_idle_engine_waits_for_company_no_longer_than_it_was_told(tiny: Bundle) -> None:
    async def test(scheduler: Scheduler) -> None:
        await asyncio.wait_for(scheduler.predict(CROPS[:1]), 30)
        await asyncio.gather(*(scheduler.predict(CROPS[:1]) for _ in range(3)))

    calls = scheduled(tiny, test, batch_delay_s=0.05).statistics.calls
    assert {faces: duration.count for faces, duration in calls.items()} == {1: 1, 3: 1}


def test_a_full_queue_refuses_and_says_when_to_come_again(tiny: Bundle) -> None:
    async def test(scheduler: Scheduler) -> None:
        held = Held()
        first = asyncio.create_task(scheduler.run(held))
        await until(held.begun)
        waiting = [asyncio.create_task(scheduler.predict(CROPS[:1])) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(Refusal, match="2 requests are waiting") as caught:
            await scheduler.predict(CROPS[:1])
        assert caught.value.status == 503 and caught.value.retry_after_s == 1
        held.free.set()
        assert len(await asyncio.gather(first, *waiting)) == 3
        assert (scheduler.waiting, scheduler.busy) == (0, 0)

    scheduled(tiny, test, capacity=2)


def test_whoever_gives_up_leaves_the_queue_and_costs_no_engine_time(tiny: Bundle) -> None:
    async def test(scheduler: Scheduler) -> None:
        held = Held()
        first = asyncio.create_task(scheduler.run(held))
        await until(held.begun)
        with pytest.raises(Refusal, match="late") as caught, within(0.01, Refusal(DEADLINE_EXCEEDED, "late")):
            await scheduler.predict(CROPS[:1])
        assert caught.value.status == 504 and scheduler.waiting == 0
        held.free.set()
        await first

    assert scheduled(tiny, test).statistics.executions == 1


def test_an_engine_that_fails_fails_its_own_requests_only(tiny: Bundle) -> None:
    async def test(scheduler: Scheduler) -> None:
        def broken(classifier: Classifier) -> None:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await scheduler.run(broken)
        assert len((await scheduler.predict(CROPS))[0]) == 5

    scheduled(tiny, test)


def test_every_engine_has_a_thread_of_its_own(tiny: Bundle) -> None:
    threads: dict[Classifier, set[int]] = {}

    async def test(scheduler: Scheduler) -> None:
        both = threading.Barrier(2)

        def together(classifier: Classifier) -> None:
            both.wait(30)
            threads.setdefault(classifier, set()).add(threading.get_ident())

        def alone(classifier: Classifier) -> None:
            threads[classifier].add(threading.get_ident())

        for _ in range(50):
            await asyncio.gather(scheduler.run(together), scheduler.run(together))
            await scheduler.run(alone)

    scheduled(tiny, test, engines=2)
    assert [len(each) for each in threads.values()] == [1, 1]
    assert len(set.union(*threads.values())) == 2


def test_an_idle_engine_holds_no_crops(tiny: Bundle) -> None:
    async def test(scheduler: Scheduler) -> None:
        crops = CROPS.copy()
        held = weakref.ref(crops)
        await scheduler.predict(crops)
        del crops
        end = time.monotonic() + 30
        while held() is not None and time.monotonic() < end:
            await asyncio.sleep(0.01)
        assert held() is None

    scheduled(tiny, test)


def test_a_swap_answers_what_waits_and_lets_what_runs_end(tiny: Bundle) -> None:
    async def test(scheduler: Scheduler) -> None:
        before, after = scheduler.loaded, load(str(tiny.path), EngineSettings(engines=1, threads=1))
        held = Held()
        running = asyncio.create_task(scheduler.run(held))
        await until(held.begun)
        waiting = asyncio.create_task(scheduler.predict(CROPS[:1]))
        await asyncio.sleep(0)
        scheduler.swap(after)
        held.free.set()
        assert (await running)[1] is before and (await waiting)[1] is after

    scheduled(tiny, test)
