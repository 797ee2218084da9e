"""Energy of one inference, where the machine can tell: its own counter, or rails sampled by the clock."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from edgefer_runtime.errors import DeviceError
from edgefer_runtime.sensors import Sensors

SAMPLE_HZ = 10.0
IDLE_SHARE = 0.25


def measure_energy(
    call: Callable[[], Any], sensors: Sensors, *, rails: Sequence[str] = (), duration_s: float
) -> dict[str, Any]:
    """Energy of calling without a pause, less what the machine draws when idle.

    Idle is measured before and after; half their difference is the error that a wandering idle puts on the
    net energy.

    Args:
        call: one inference.
        sensors: of this machine.
        rails: whose sum is the whole power; by default all there are.
        duration_s: how long to go on; idle takes half as long again.

    Returns:
        ``gross_mj`` and ``net_mj`` an inference with ``error_mj``; ``idle_w``, ``busy_w``, ``calls``,
        ``duration_s`` and ``source``. Where there is no sensor the energies are null and ``reason`` says why.
    """
    if sensors.counter is None and sensors.total_power(rails) is None:
        reason = sensors.no_power or f"the rails {', '.join(rails)} cannot be read"
        return {"gross_mj": None, "net_mj": None, "reason": reason}
    source = sensors.counter.name if sensors.counter else " + ".join(rails or sensors.rails)
    idle_s = IDLE_SHARE * duration_s
    idle_before_w = _watts(sensors, rails, lambda: time.sleep(idle_s))
    calls = 0

    def work() -> None:
        nonlocal calls
        end = time.perf_counter() + duration_s
        while time.perf_counter() < end:
            call()
            calls += 1

    busy_j, busy_s = _joules(sensors, rails, work)
    idle_after_w = _watts(sensors, rails, lambda: time.sleep(idle_s))
    idle_w = (idle_before_w + idle_after_w) / 2
    return {
        "gross_mj": 1e3 * busy_j / calls,
        "net_mj": 1e3 * (busy_j - idle_w * busy_s) / calls,
        "error_mj": 1e3 * abs(idle_before_w - idle_after_w) / 2 * busy_s / calls,
        "idle_w": idle_w,
        "busy_w": busy_j / busy_s,
        "calls": calls,
        "duration_s": busy_s,
        "source": source,
        "sample_hz": None if sensors.counter else SAMPLE_HZ,
    }


def _watts(sensors: Sensors, rails: Sequence[str], work: Callable[[], None]) -> float:
    joules, seconds = _joules(sensors, rails, work)
    return joules / seconds


def _joules(sensors: Sensors, rails: Sequence[str], work: Callable[[], None]) -> tuple[float, float]:
    """Energy and time of ``work``: a counter's difference, or the mean of sampled power times the time."""
    if counter := sensors.counter:
        before_j, begin = counter.read(), time.perf_counter()
        work()
        seconds, after_j = time.perf_counter() - begin, counter.read()
        if before_j is None or after_j is None:
            raise DeviceError(f"the energy counter {counter.name} is gone", action="measure again")
        return counter.between(before_j, after_j), seconds
    watts: list[float] = []
    over = threading.Event()

    def sample() -> None:
        while not over.wait(1 / SAMPLE_HZ):
            if (now := sensors.total_power(rails)) is not None:
                watts.append(now)

    sampler = threading.Thread(target=sample, daemon=True)
    begin = time.perf_counter()
    sampler.start()
    work()
    seconds = time.perf_counter() - begin
    over.set()
    sampler.join()
    if not watts:
        raise DeviceError("a power rail stopped answering", action="measure again, and longer")
    return sum(watts) / len(watts) * seconds, seconds
