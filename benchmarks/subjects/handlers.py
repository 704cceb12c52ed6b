"""The handlers that our own workers run here. Plain functions, as any app writes them; `ours` sets the meter."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from benchmarks.meter import Meter, Task

meter: Meter = None  # type: ignore[assignment]  # set before the first call
task: Task = None  # type: ignore[assignment]
first_failed: dict[int, float] = {}
retried: list[tuple[float, float]] = []  # due and started, epoch seconds
last_source: float = 0.0


async def noop(event: Any, ctx: Any) -> None:
    meter.one()


async def sleep(event: Any, ctx: Any) -> None:
    record = event.record
    key = record.key
    meter.enter(key, record.offset)
    await asyncio.sleep(task.sleep)
    meter.leave(key)


async def answer(event: Any, ctx: Any) -> Any:
    """One output each. With `concurrency` in flight, all but so many are confirmed when the last one starts."""
    meter.one()
    return event.data


async def delay(event: Any, ctx: Any) -> None:
    """How long ago the record was made, in ms. Warm-up records carry no time."""
    now = time.time_ns()
    sent = event.data["t"]
    if not meter.events:
        meter.one()
    if sent:
        meter.samples.append((now - sent) / 1e6)
        if len(meter.samples) == task.count:
            meter.finish()


async def fail_once(event: Any, ctx: Any) -> None:
    """The first attempt fails; the second notes when it was due at the earliest, and when it started."""
    global last_source  # noqa: PLW0603
    now = time.time()
    number = event.data["n"]
    if ctx.attempt == 1:
        if not first_failed:
            meter.start()
        last_source = now
        first_failed[number] = now
        raise RuntimeError("fails once")
    retried.append((first_failed[number] + task.sleep, now))
    meter.events += 1
    if meter.events == task.count:
        meter.finish()
