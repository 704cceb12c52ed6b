"""Deadlines by a coarse sweep: a timer per run would cost more than the run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from penstock.engine.counters import Counters
from penstock.engine.dispatch import Dispatch

_COARSEST = 0.25


class Deadlines:
    """Cancels the handlers that run longer than `timeout` seconds, at most a quarter second late."""

    def __init__(
        self, dispatch: Dispatch, timeout: float, time: Callable[[], float], counters: Counters, *, again: bool = True
    ) -> None:
        """`again` cancels one that shrugs it off at every sweep; a thread cannot hear it, so once is enough there."""
        self._dispatch = dispatch
        self._timeout = timeout
        self._time = time
        self._counters = counters
        self._again = again
        self._work = asyncio.Event()
        self.idle = True
        self.interval = min(_COARSEST, timeout / 4)

    def wake(self) -> None:
        """Something runs again. Worth calling only while `idle`."""
        self.idle = False
        self._work.set()

    async def watch(self) -> None:
        """Sweep for ever; while nothing runs or waits, no timer."""
        while True:
            await self._work.wait()
            await asyncio.sleep(self.interval)
            if self._dispatch.running:
                self.sweep()
            elif not self._dispatch.waiting:  # what waits may begin without another call of `wake`
                self.idle = True
                self._work.clear()

    def sweep(self) -> None:
        """Cancel what is overdue."""
        latest_start = self._time() - self._timeout
        overdue = []
        for run in self._dispatch.running:
            if run.started > latest_start:
                break
            if run.started:
                overdue.append(run)
        for run in overdue:
            if run.timed_out and not self._again:
                continue
            if not run.timed_out:
                run.timed_out = True
                self._counters.timeouts += 1
            run.cancel()
