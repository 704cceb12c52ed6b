"""The pool of long-lived tasks that run handlers: a third of the cost of a task per event.

Each run gets a fresh context all the same: a task whose context a handler changed, or that was cancelled, ends and
is replaced. (Two contexts without a change share one map, so the comparison is a pointer's.)
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from penstock.engine.attempt import Attempt
from penstock.engine.handler import Call
from penstock.engine.outcome import Outcome
from penstock.engine.run import Run

log = logging.getLogger("penstock.pool")
_UNWIND = 2.0  # seconds a cancelled handler has to let go
_STREAK = 64  # runs without a pause for breath before the loop gets a turn


class Work(Protocol):
    """What the tasks do for each run: plain steps around the one await of its handler.

    A coroutine around a coroutine costs as much as all the bookkeeping of a key's lane. `returned`, `raised` and `end`
    give what is still to be awaited (a hand-off), None after most attempts.
    """

    take: Callable[[], Run | None]  # None when nothing may run now
    call: Call
    book: Callable[[], bool]  # books what has ended; whether anything had
    begin: Callable[[Run], Attempt | Awaitable[Outcome | None]]  # what is handed to `call`, or to be awaited instead

    def begin_own(self, run: Run) -> Awaitable[Outcome | None]:
        """The same for a record of the group's own topics."""
        ...

    def returned(self, attempt: Attempt, result: Any) -> Awaitable[None] | None:
        """Its handler has returned."""
        ...

    def raised(self, attempt: Attempt, error: BaseException) -> Awaitable[None] | None:
        """Its handler has raised."""
        ...

    def end(self, run: Run, outcome: Outcome | None) -> Awaitable[None] | None:
        """What was awaited instead of a handler has this outcome; None where the run's time has not come."""
        ...


class Pool:
    """Does `Work` on at most `size` tasks."""

    def __init__(self, size: int, crash: Callable[[BaseException], None]) -> None:
        """`crash` is called with an exception that escaped: a bug of ours, which must not pass unseen."""
        self._size = size
        self._crash = crash
        self._context = contextvars.copy_context()
        self._tasks: set[asyncio.Task[None]] = set()
        self._idle: list[asyncio.Future[None]] = []
        self._closed = False

    def bind(self, work: Work) -> None:
        """What to run. To be called once, before the first `wake`."""
        self._work = work

    def wake(self, ready: int) -> None:
        """Let up to `ready` more runs begin."""
        while ready > 0 and self._idle:
            parked = self._idle.pop()
            if not parked.done():
                parked.set_result(None)
                ready -= 1
        for _ in range(min(ready, self._size - len(self._tasks))):
            self._spawn()

    def _spawn(self) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(), context=self._context.copy())
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def _serve(self) -> None:
        me = asyncio.current_task()
        assert me is not None
        loop = asyncio.get_running_loop()
        work, context = self._work, self._context
        take, begin, begin_own, call, returned = work.take, work.begin, work.begin_own, work.call, work.returned
        cancelling, copy_context = me.cancelling, contextvars.copy_context
        streak = 0
        while not self._closed:
            run = take()
            if run is None:
                if work.book():
                    continue  # what had ended makes room for what waited behind it
                parked = loop.create_future()
                self._idle.append(parked)
                await parked
                streak = 0
                continue
            run.task = me
            attempt = begin_own(run) if run.partition.own else begin(run)
            if isinstance(attempt, Attempt):
                try:
                    result = await call(attempt.event, attempt)
                except BaseException as error:  # noqa: BLE001 - whatever a handler raises is an outcome
                    rest = work.raised(attempt, error)
                else:
                    rest = returned(attempt, result)
            else:
                rest = work.end(run, await attempt)
            if rest is not None:
                await rest
            if cancelling() or copy_context() != context:
                return
            streak += 1
            if streak >= _STREAK:
                streak = 0
                await asyncio.sleep(0)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if self._closed:
            return
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._crash(error)
        else:
            self._spawn()

    @property
    def most(self) -> int:
        """Tasks there may be."""
        return self._size

    def grow(self, size: int) -> None:
        """Allow for more tasks; fewer is for `take` to say."""
        self._size = max(self._size, size)

    async def close(self) -> None:
        """End all tasks; whatever still runs is cancelled, and left behind where it will not let go."""
        self._closed = True
        for task in self._tasks:
            task.cancel()
        if not self._tasks:
            return
        _, stubborn = await asyncio.wait(self._tasks, timeout=_UNWIND)
        if stubborn:
            log.error("%d handlers do not end though they were cancelled; they are left behind", len(stubborn))

    @property
    def size(self) -> int:
        """Tasks alive."""
        return len(self._tasks)
