"""One attempt, from bytes to an Outcome: open the event, call the handler, seal what it emits. Never raises."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

from penstock.clock import Clock
from penstock.engine.attempt import Attempt, Surroundings
from penstock.engine.handler import Handler, StillRunning, Yields
from penstock.engine.outcome import ABANDONED, DONE, Done, Outcome, Skipped
from penstock.engine.retry_policy import RetryPolicy
from penstock.engine.run import Run
from penstock.errors import CodecError
from penstock.event import AnyEvent
from penstock.record import Record
from penstock.signals import Signal


class Opens(Protocol):
    """What the executor needs of the envelope's Opener."""

    def open(self, record: Record) -> AnyEvent:
        """The event in a record; raises Undecodable or UnknownSchema."""
        ...


class Executor:
    """Runs one attempt at a time for each caller. `wedged` is called with a run whose thread will not end."""

    def __init__(
        self,
        shared: Surroundings,
        handler: Handler,
        policy: RetryPolicy,
        opener: Opens,
        clock: Clock,
        convert: Callable[[Any], Any] | None,
        wedged: Callable[[Run], None],
        *,
        name_all: bool,
    ) -> None:
        """`name_all` keeps the run id on every run; else only on those that are handed off."""
        self._shared = shared
        self._call = handler.call
        self._policy = policy
        self._open = opener.open
        self._clock = clock
        self._convert = convert
        self._wedged = wedged
        self._name_all = name_all
        self._types = frozenset(shared.processor.types)
        self._timeout = shared.processor.timeout
        self._expires_after = shared.processor.expires_after

    async def execute(self, run: Run) -> Outcome:
        """The outcome of the next attempt of `run`."""
        record = run.record
        partition = run.partition
        if partition.crashed_offset is not None and record.offset == partition.crashed_offset:
            return self._policy.crashed()
        now = self._clock.now()
        try:
            event = self._open(record)
            if self._types and event.type not in self._types:
                return Skipped("type")
            if self._convert is not None and event.data is not None:
                event.data = self._convert(event.data)
        except CodecError as error:
            return self._policy.after_error(error, run, now)
        if self._expires_after is not None and (age := now - event.time.timestamp()) > self._expires_after:
            return self._policy.expired(age)
        attempt = Attempt(self._shared, event, run.run_id, run.attempts + 1, now + self._timeout)
        outcome = await self._attempt(run, event, attempt)
        if outcome is not DONE or self._name_all:
            run.run_id = attempt.run_id
        return outcome

    async def _attempt(self, run: Run, event: AnyEvent, attempt: Attempt) -> Outcome:
        try:
            result = await self._call(event, attempt)
            if result is not None:
                if isinstance(result, Signal):
                    return self._policy.after_signal(result, run, self._clock.now())
                self._give(result, attempt)
        except Signal as signal:
            return self._policy.after_signal(signal, run, self._clock.now())
        except asyncio.CancelledError as cancelled:
            return self._cancelled(run, cancelled)
        except StillRunning:
            self._wedged(run)
            return ABANDONED
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a handler raises is an outcome
            return self._policy.after_error(error, run, self._clock.now())
        if run.abandoned:
            return ABANDONED
        return Done(tuple(attempt.emitted)) if attempt.emitted else DONE

    def _give(self, result: Any, attempt: Attempt) -> None:
        if isinstance(result, Yields):
            for item in result.items:
                attempt.give(item)
        else:
            attempt.give(result)

    def _cancelled(self, run: Run, cancelled: asyncio.CancelledError) -> Outcome:
        if run.timed_out:
            late = TimeoutError(f"the attempt took longer than {self._timeout:g} s")
            return self._policy.after_error(late, run, self._clock.now())
        if run.abandoned:
            return ABANDONED
        # A handler cancelled itself, or awaited something that was: an ordinary failure of its own.
        error = RuntimeError("the handler was cancelled from within")
        error.__cause__ = cancelled
        return self._policy.after_error(error, run, self._clock.now())
