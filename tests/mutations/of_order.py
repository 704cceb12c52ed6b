"""Bugs of order, lanes and time."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from penstock.engine import intake
from penstock.engine.deadlines import Deadlines
from penstock.engine.delay_gate import DelayGate
from penstock.engine.lanes import Lanes
from penstock.engine.retry_policy import RetryPolicy
from penstock.engine.settle import Settle
from penstock.engine.worker import Worker
from tests.mutations.mutation import mutation
from tests.simulation import stage


def _no_lane(self: Lanes, runs: Any) -> None:
    self._ready.extend(runs)


mutation(
    "no-lanes",
    "records of one key run beside each other",
    1,
    (Lanes, "add", _no_lane),
    (Lanes, "release", lambda self, runs: None),
)


def _lane_from_the_wrong_end(self: Lanes, runs: Any) -> None:
    for run in runs:
        key = run.record.key if self._by_key else b""
        if queue := self._lanes.get(key):
            queue.rotate(1)
        _release(self, [run])


_release = Lanes.release
mutation(
    "lane-from-the-wrong-end",
    "the last record waiting in a lane goes first",
    0,
    (Lanes, "release", _lane_from_the_wrong_end),
)


def _open_at_once(self: DelayGate, now: float) -> list[Any]:
    released = list(self._waiting)
    for run in released:
        run.record._timestamp = 0
    self._waiting.clear()
    self.bytes = 0
    return released


mutation(
    "gate-opens-early",
    "the first due record of a retry partition takes all others with it",
    9,
    (DelayGate, "release", lambda self, now: _open_at_once(self, now) if _any_due(self, now) else []),
    (intake, "not_before", lambda record: 0.0),
)


def _any_due(gate: DelayGate, now: float) -> bool:
    due = gate.head_due()
    return due is not None and due <= now


def _no_delay(self: Settle, run: Any, due: float, delay: float, failure: Any) -> Any:
    return _to_retry_topic(self, run, due - delay, min(delay, 1.0), failure)


_to_retry_topic = Settle._to_retry_topic
mutation(
    "back-off-ignored",
    "a failed record waits in the shortest tier, whatever the policy says",
    0,
    (Settle, "_to_retry_topic", _no_delay),
)


def _no_history(run: Any) -> None:
    run.attempts = 0


mutation(
    "attempts-in-memory",
    "attempts are not read from the headers: a retry begins at the first again",
    2,
    (intake, "read_history", _no_history),
)
mutation(
    "retry-for-ever",
    "max_attempts is not looked at",
    0,
    (
        RetryPolicy,
        "_retried",
        lambda self, after, failure, run, now: _retried(
            replace(self, processor=replace(self.processor, retry=replace(self.processor.retry, max_attempts=1000))),
            after,
            failure,
            run,
            now,
        ),
    ),
)
_retried = RetryPolicy._retried
mutation("no-deadlines", "handlers that hang are not cancelled", 0, (Deadlines, "sweep", lambda self: None))


async def _doze_while_work_is_ready(self: Deadlines) -> None:
    while True:
        await self._work.wait()
        await asyncio.sleep(self.interval)
        if self._dispatch.running:
            self.sweep()
        else:
            self.idle = True
            self._work.clear()


mutation(
    "deadlines-fall-asleep",
    "the sweep ends when nothing runs at that moment, though work is ready (once a bug of ours)",
    204,
    (Deadlines, "watch", _doze_while_work_is_ready),
)


async def _build_by_the_wall(*given: Any, **named: Any) -> Worker:
    worker = await _build(*given, **named)
    clock = worker._clock
    worker._deadlines._time = clock.now
    worker.parts.dispatch._time = clock.now
    worker._clock = _WallOnly(clock)
    return worker


class _WallOnly:
    """A clock whose durations follow the wall."""

    def __init__(self, clock: Any) -> None:
        self.now = clock.now
        self.monotonic = clock.now


_build = stage.build
mutation(
    "deadlines-by-the-wall",
    "how long a handler runs is measured by a clock that may jump",
    9,
    (stage, "build", _build_by_the_wall),
)
