"""One attempt, from bytes to an Outcome: open the event, call the handler, seal what it emits. Never raises."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
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
        self.call = handler.call
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

    def begin(self, run: Run, *, asked: bool = False) -> Attempt | Awaitable[Outcome]:
        """The next attempt of `run`, ready for its handler; or what there is to await where it is not called now.

        `asked`: the registry was asked already for the schema that the record names.
        """
        record = run.record
        if record.offset == run.partition.crashed_offset:
            return _known(self._policy.crashed())
        if self._types and self._type_of(record) not in self._types:
            return _known(Skipped("type"))
        try:
            event = self._open(record)
            if self._screened and (screened := self._screen(event)) is not None:
                return _known(screened)
        except CodecError as error:
            if isinstance(error, UnknownSchema) and error.fetch is not None and not asked:
                return self._learn(run, error.fetch)
            return _known(self._policy.after_error(error, run, self._now()))
        attempt = Attempt(self._shared, event, run)
        if self.cancelled:
            run.run_id = attempt.run_id
            if by := self.given_up(run):
                return _known(self._policy.cancelled(by, running=False))
        return attempt

    def returned(self, attempt: Attempt, result: Any) -> Outcome:
        """The outcome of an attempt whose handler has returned."""
        try:
            outcome = DONE if result is None and not attempt.emitted else self._given(result, attempt, attempt.run)
        except BaseException as error:  # noqa: BLE001 - the handler's data, or its own class, may raise anything
            return self.raised(attempt, error)
        return self._named(attempt, outcome)

    def raised(self, attempt: Attempt, error: BaseException) -> Outcome:
        """The outcome of an attempt whose handler has raised: whatever it raises is an outcome."""
        return self._named(attempt, self._raised(error, attempt.run))

    async def execute(self, run: Run, *, asked: bool = False) -> Outcome:
        """The outcome of the next attempt of `run`, for who has something to await before it."""
        attempt = self.begin(run, asked=asked)
        if not isinstance(attempt, Attempt):
            return await attempt
        try:
            result = await self.call(attempt.event, attempt)
        except BaseException as error:  # noqa: BLE001 - see raised
            return self.raised(attempt, error)
        return self.returned(attempt, result)

    def _named(self, attempt: Attempt, outcome: Outcome) -> Outcome:
        run = attempt.run
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

    async def _learn(self, run: Run, fetch: Callable[[], None]) -> Outcome:
        """The outcome, once the registry has been asked for the schema: beside the loop, since asking blocks."""
        try:
            await asyncio.to_thread(fetch)
        except CodecError as error:
            return self._policy.after_error(error, run, self._now())
        return await self.execute(run, asked=True)

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


async def _known(outcome: Outcome) -> Outcome:
    """An outcome that no handler was needed for."""
    return outcome


def _signal_in(group: BaseExceptionGroup[BaseException]) -> Signal | None:
    """The first signal that a task group wrapped: its tasks may say Reject as well as the handler itself."""
    for one in group.exceptions:
        if isinstance(one, Signal):
            return one
        if isinstance(one, BaseExceptionGroup) and (found := _signal_in(one)) is not None:
            return found
    return None
