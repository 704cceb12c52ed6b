"""What an operator moves while a worker runs: whether it takes anything, how much at once, which runs are given up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from penstock.engine.parts import Parts

_MOST_CANCELLED: Final = 10_000  # remembered; the oldest are forgotten first


class Levers:
    """The levers of one worker. Each says how things shall be, so moving one twice changes nothing."""

    def __init__(self, parts: Parts, wake: Callable[[], None]) -> None:
        """`wake` lets what is ready begin."""
        self._parts = parts
        self._wake = wake
        self._paused = ""

    def pause(self, by: str) -> None:
        """Take and start nothing, retries and replays included. What runs goes on to its end."""
        self.resume()
        self._paused = f"paused by {by}"
        self._parts.valve.close(self._paused, everything=True)

    def resume(self) -> None:
        """Take records again, unless something else stands against it."""
        if self._paused:
            self._parts.valve.open(self._paused)
            self._paused = ""

    def set_concurrency(self, concurrency: int | None) -> None:
        """Run so many at once from now on; None returns to the topology's own. What runs already goes on."""
        parts = self._parts
        wanted = parts.processor.concurrency if concurrency is None else concurrency
        parts.pool.grow(wanted)
        parts.dispatch.limit(wanted, parts.pool.most)
        parts.intake.expect(wanted)
        self._wake()

    def cancel(self, run_id: str, by: str, at: int) -> None:
        """Give a run up at `at` (epoch ms): it goes to the dead letter topic, reason rejected, and may be replayed.

        An attempt under way is cancelled where it waits. A plain `def` cannot be: it runs to its end, and counts.
        """
        parts = self._parts
        cancelled = parts.executor.cancelled
        cancelled[run_id] = (by, at)
        while len(cancelled) > _MOST_CANCELLED:
            del cancelled[next(iter(cancelled))]
        if parts.handler.threaded:
            return
        for run in list(parts.dispatch.running):
            if parts.identify(run) == run_id and parts.executor.given_up(run):
                run.cancel()
