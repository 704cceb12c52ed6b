"""One attempt, from bytes to an Outcome: open the event, call the handler, seal what it emits. Never raises."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

from penstock.engine.attempt import Attempt, Surroundings
from penstock.engine.handler import Handler, StillRunning
from penstock.engine.outcome import ABANDONED, DONE, Done, Outcome, Skipped
from penstock.engine.retry_policy import RetryPolicy
from penstock.engine.run import Run
from penstock.errors import CodecError, Undecodable, UnknownSchema
from penstock.event import AnyEvent
from penstock.headers import REPLAY_ID
from penstock.record import Record
from penstock.signals import Signal

_HEARD_WITHIN = 5000  # ms: an attempt may fail, and be put off, before its worker hears that it is cancelled


class Opens(Protocol):
    """What the executor needs of the envelope's Opener."""

    def open(self, record: Record) -> AnyEvent:
        """The event in a record; raises Undecodable or UnknownSchema."""
        ...

    def type_of(self, record: Record) -> str:
        """Its type, without opening the data."""
        ...


class Executor:
    """Runs attempts. `wedged` is called with a run whose thread will not end."""

    def __init__(
        self,
        shared: Surroundings,
        handler: Handler,
        policy: RetryPolicy,
        opener: Opens,
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
        self._type_of = opener.type_of
        self._now = shared.clock.now
        self._convert = convert
        self._wedged = wedged
        self._name_all = name_all
        self.cancelled: dict[str, tuple[str, int]] = {}  # run id -> by whom, and when (epoch ms)
        self._types = frozenset(shared.processor.types)
        self._expires_after = shared.processor.expires_after
        self._screened = convert is not None or self._expires_after is not None

    async def execute(self, run: Run) -> Outcome:
        """The outcome of the next attempt of `run`."""
        record = run.record
        if record.offset == run.partition.crashed_offset:
            return self._policy.crashed()
        if self._types and self._type_of(record) not in self._types:
            return Skipped("type")
        try:
            try:
                event = self._open(record)
            except UnknownSchema as unknown:
                event = await self._learned(record, unknown)
            if self._screened and (screened := self._screen(event)) is not None:
                return screened
        except CodecError as error:
            return self._policy.after_error(error, run, self._now())
        attempt = Attempt(self._shared, event, run)
        if self.cancelled:
            run.run_id = attempt.run_id
            if by := self.given_up(run):
                return self._policy.cancelled(by, running=False)
        try:
            result = await self._call(event, attempt)
            outcome = DONE if result is None and not attempt.emitted else self._given(result, attempt, run)
        except BaseException as error:  # noqa: BLE001 - whatever a handler raises is an outcome
            outcome = self._raised(error, run)
        if self._name_all or outcome is not DONE:
            run.run_id = attempt.run_id
        return ABANDONED if run.abandoned else outcome

    def given_up(self, run: Run) -> str:
        """Who cancelled the run (its id is known); '' where nobody did, or where it was replayed since."""
        by, until = self.cancelled.get(run.run_id, ("", 0))
        if not by or not run.partition.own or run.record.header(REPLAY_ID) is None:
            return by
        replayed = run.first_failure - _HEARD_WITHIN if run.first_failure else run.record.timestamp
        return by if replayed <= until else ""

    async def _learned(self, record: Record, unknown: UnknownSchema) -> AnyEvent:
        """The event, once the registry has been asked for its schema: beside the loop, since asking blocks."""
        if unknown.fetch is None:
            raise unknown
        await asyncio.to_thread(unknown.fetch)
        return self._open(record)

    def _screen(self, event: AnyEvent) -> Outcome | None:
        """What keeps an event from its handler: its age, or data that is not a T of `Event[T]`."""
        if self._expires_after is not None:
            age = self._now() - event.time.timestamp()
            if age > self._expires_after:
                return self._policy.expired(age)
        if self._convert is not None and event.data is not None:
            event.data = self._converted(event.data, self._convert)
        return None

    @staticmethod
    def _converted(data: Any, convert: Callable[[Any], Any]) -> Any:
        try:
            return convert(data)
        except CodecError:
            raise
        except Exception as error:  # the app's own class may raise anything
            raise Undecodable(f"the data does not fit: {type(error).__name__}: {error}") from error

    def _given(self, result: Any, attempt: Attempt, run: Run) -> Outcome:
        if isinstance(result, Signal):
            return self._policy.after_signal(result, run, self._now())
        attempt.take(result)
        return Done(attempt.emitted) if attempt.emitted else DONE

    def _raised(self, error: BaseException, run: Run) -> Outcome:
        if isinstance(error, Signal):
            return self._policy.after_signal(error, run, self._now())
        if isinstance(error, asyncio.CancelledError):
            return self._cancelled(run, error)
        if isinstance(error, StillRunning):
            if not run.abandoned:
                self._wedged(run)
            return ABANDONED
        if isinstance(error, KeyboardInterrupt):
            raise error  # the operator's, not the handler's
        if isinstance(error, BaseExceptionGroup) and (signal := _signal_in(error)) is not None:
            return self._policy.after_signal(signal, run, self._now())
        return self._policy.after_error(error, run, self._now())

    def _cancelled(self, run: Run, cancelled: asyncio.CancelledError) -> Outcome:
        if run.abandoned:
            return ABANDONED
        if self.cancelled and (by := self.given_up(run)):
            return self._policy.cancelled(by, running=True)
        error: Exception
        if run.timed_out:
            error = TimeoutError(f"the attempt took longer than {self._shared.processor.timeout:g} s")
        else:  # a handler cancelled itself, or awaited something that was: an ordinary failure of its own
            error = RuntimeError("the handler was cancelled from within")
            error.__cause__ = cancelled
        return self._policy.after_error(error, run, self._now())


def _signal_in(group: BaseExceptionGroup[BaseException]) -> Signal | None:
    """The first signal that a task group wrapped: its tasks may say Reject as well as the handler itself."""
    for one in group.exceptions:
        if isinstance(one, Signal):
            return one
        if isinstance(one, BaseExceptionGroup) and (found := _signal_in(one)) is not None:
            return found
    return None
