"""A worker: one member of one consumer group, from joining to leaving.

    received → begin → lane → attempt → hand-off → finish → commit

An offset is committed only when every record below it is finished; finished means its handler returned and its
outputs are acknowledged, or it stands in a retry or the dead letter topic, or was skipped by an explicit rule.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from penstock.clock import Clock
from penstock.engine.attempt import Attempt
from penstock.engine.deadlines import Deadlines
from penstock.engine.finished import Finished
from penstock.engine.hand_off import StaleEpoch
from penstock.engine.listeners import Listeners
from penstock.engine.outcome import ABANDONED, DONE, Done, Outcome, Skipped, name_of
from penstock.engine.parts import Parts
from penstock.engine.report import AttemptReport, Recorder
from penstock.engine.run import Run
from penstock.errors import HandlerStuck, TopicMissing
from penstock.headers import DISCARDED

log = logging.getLogger("penstock.worker")
_MISSING = "run `penstock apply` to create them; where they are there, this user is not authorised to see them"
_LOOK_UP = 60.0  # seconds between looks at which retry topics exist


class Worker:
    """Runs one processor until told to stop. Made by `penstock.engine.assembly.build`."""

    def __init__(
        self,
        parts: Parts,
        clock: Clock,
        observe: Callable[[AttemptReport], None] | None,
        recorder: Recorder | None = None,
    ) -> None:
        """`observe` hears of every attempt, `recorder` of as many as it has time for; None costs nothing."""
        self.parts = parts
        self._clock = clock
        self._listeners = Listeners(parts.processor.name, parts.identify, clock, observe, recorder)
        self._stopping = asyncio.Event()
        self._failure: Exception | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self.joined = False
        self._dispatch = parts.dispatch
        self._executor = parts.executor
        self._deadlines = Deadlines(
            parts.dispatch,
            parts.handler.timeout or parts.processor.timeout,
            clock.monotonic,
            parts.counters,
            again=not parts.handler.threaded,
        )
        parts.switch.steps = self
        parts.committer.on_brake = parts.intake.review
        self._finished = Finished(
            parts.dispatch,
            parts.intake,
            parts.committer,
            parts.suspects,
            parts.counters,
            self._listeners,
            self._wake,
            self.fail,
        )
        self.take, self.call, self.book = parts.dispatch.take, parts.executor.call, self._finished.book
        self.begin: Callable[[Run], Attempt | Awaitable[Outcome | None]] = parts.executor.begin
        self._put, self._time, self._all_told = self._finished.put, clock.monotonic, self._listeners.every
        self._pool, self._flow = parts.pool, parts.flow
        parts.pool.bind(self)

    async def run(self) -> None:
        """Join, run until `stop`, drain, leave. Raises what ended it otherwise, after committing what is finished."""
        parts = self.parts
        await parts.handler.setup()
        try:
            topics, missing = await parts.own_topics.look_up()
            if missing:
                raise TopicMissing(f"missing topics: {', '.join(missing)}", _MISSING)
            await parts.member.join(topics, parts.assignment)
            self.joined = True
            self._tasks = [self._spawn(parts.committer.watch()), self._spawn(self._deadlines.watch())]
            self._tasks.append(self._spawn(self._look_up_again(topics)))
            await self._stopping.wait()
        finally:
            await self._leave()
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """Drain and leave; called a second time, stop at once, still committing what is finished."""
        if self._stopping.is_set():
            self.parts.assignment.hurry()
        self._stopping.set()

    def problem(self) -> str:
        """Why this worker can no longer work (its poll thread died, say); '' while all is well."""
        return self.parts.member.problem() if self.joined else ""

    def abort(self) -> None:
        """Drop everything where it stands, as a killed process would: nothing drained, nothing committed."""
        for state in self.parts.partitions.values():
            state.active = state.dispatching = False
        self.joined = False
        self._stopping.set()
        for run in list(self.parts.dispatch.running):
            run.abandoned = True

    def fail(self, error: BaseException) -> None:
        """End with an error, after committing what is finished."""
        if self._failure is None:
            self._failure = error if isinstance(error, Exception) else RuntimeError(f"{type(error).__name__}: {error}")
            log.critical("the worker ends: %s", error)
        self._stopping.set()

    def wedged(self, run: Run) -> None:
        """A plain `def` handler does not end: its process must."""
        processor = self.parts.processor
        late = f"did not end {processor.stop_grace_period:g} s after its timeout, at {run.record.position}"
        hint = "a thread cannot be stopped: give what it waits for a timeout of its own"
        self.fail(HandlerStuck(f"the handler of {processor.name!r} {late}", hint))

    async def _leave(self) -> None:
        parts = self.parts
        parts.intake.closed = True
        parts.intake.refill()
        if self.joined:
            if not self.problem():
                await parts.assignment.wind_down()
            await parts.member.leave()
        for run in parts.dispatch.running:  # whatever still runs is cancelled below: no attempt is spent
            run.abandoned = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await parts.pool.close()
        await parts.producer.close()
        await parts.handler.close()

    def _spawn(self, work: object) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)  # type: ignore[arg-type]
        task.add_done_callback(self._watch_ended)
        return task

    def _watch_ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self.fail(error)

    async def _look_up_again(self, subscribed: list[str]) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_UP):
                    await self.parts.own_topics.made.wait()
            subscribed = await self.parts.subscribe_again(subscribed)

    # one run ---------------------------------------------------------------------------------------------------

    def wake(self) -> None:
        """Let what is ready begin."""
        self._wake(self._dispatch.waiting)

    def _wake(self, ready: int) -> None:
        """Let so many more begin. The deadlines may have fallen asleep between an end and its booking."""
        if self._deadlines.idle:
            self._deadlines.wake()
        self._pool.wake(ready)

    def put(self, run: Run) -> None:
        """Queue a run that already has its lane, unless its partition is going."""
        if run.partition.active and run.partition.dispatching:
            self._dispatch.put(run)
            self.wake()

    def returned(self, attempt: Attempt, result: Any) -> Awaitable[None] | None:
        """A handler has returned. As nearly always there is nothing to hand off, and nobody waits to hear of it."""
        run = attempt.run
        if (
            result is None
            and not attempt.emitted
            and run.partition.dispatching
            and run.trail is None
            and not (self._all_told or self._flow.heeds)
        ):
            self._put(run, self._time() - run.started)
            return None
        return self.end(run, self._executor.returned(attempt, result))

    def raised(self, attempt: Attempt, error: BaseException) -> Awaitable[None] | None:
        """A handler has raised."""
        return self.end(attempt.run, self._executor.raised(attempt, error))

    def end(self, run: Run, outcome: Outcome | None) -> Awaitable[None] | None:
        """Finish a run that is simply done; returns what else there is to await: its hand-off."""
        if outcome is None:
            return None
        if self._flow.heeds or type(outcome) is not Done:
            self._flow.ended(run, outcome)
        if outcome is not DONE:
            return self._settle(run, outcome)
        self._ended(run, outcome, finished=True)
        return None

    async def begin_own(self, run: Run) -> Outcome | None:
        """A run of one of the group's own topics: its time may not have come. None where something else was done."""
        if await self._out_of_turn(run):
            self._flow.ended(run, ABANDONED)
            return None
        return await self._executor.execute(run)

    async def _settle(self, run: Run, outcome: Outcome) -> None:
        """Make an outcome safe elsewhere; only then may the frontier move past the record."""
        finished = False
        run.spent = self._clock.monotonic() - run.started
        run.began = run.started
        run.started = 0.0  # the deadline is the handler's; a hand-off takes the time it needs
        try:
            if outcome is not ABANDONED:
                outcome, finished = await self.parts.settle.settle(run, outcome)
        except StaleEpoch:
            outcome = ABANDONED
        except asyncio.CancelledError:
            outcome = ABANDONED
            if not run.abandoned and run.partition.active and not self._stopping.is_set():
                raise
        finally:
            at = run.partition
            if finished and type(outcome) is Done and at.dispatching and not (at.own or run.trail or self._all_told):
                self._put(run, run.spent)
            else:
                self._ended(run, outcome, finished=finished)

    def _ended(self, run: Run, outcome: Outcome, *, finished: bool) -> None:
        """The run gives back its slot and, where it is finished, its lane and its offset."""
        counters = self.parts.counters
        partition = run.partition
        duration = self._clock.monotonic() - run.started if run.started else run.spent
        began = run.started or run.began
        self._dispatch.ended(run)
        if not partition.active:
            counters.stale_results += 1
        elif finished:
            self._finished.finish([run], partition)
        if not partition.dispatching:
            self.parts.assignment.run_ended()
        if outcome is DONE:
            counters.done += 1
        else:
            counters.outcomes[name_of(outcome)] += 1
        counters.duration.observe(duration)
        self._listeners.tell(run, outcome, duration, began)
        run.timed_out = False

    async def _out_of_turn(self, run: Run) -> bool:
        """Deal with a record of an own topic that does not run now: a marker, or its time has not come."""
        if run.record.header(DISCARDED) is not None:
            self._ended(run, Skipped("discarded"), finished=True)
            return True
        remaining = run.due - self._clock.now()
        if remaining >= 1.0:
            run.started = 0.0
            await self._hop(run)
            return True
        if remaining > 0:  # no tier is so short
            run.started = 0.0
            try:
                await asyncio.sleep(remaining)
            except asyncio.CancelledError:  # the partition goes
                self._ended(run, ABANDONED, finished=False)
                return True
            run.started = self._clock.monotonic()
        if run.due:
            run.lateness = max(self._clock.now() - run.due, 0.0)
            self.parts.counters.lateness.observe(run.lateness)
        return False

    async def _hop(self, run: Run) -> None:
        """Move a record on to a further retry topic, since its time has not come; no attempt, no report."""
        hopped = False
        try:
            await self.parts.settle.hop(run)
            hopped = True
        except StaleEpoch:
            pass  # the next owner will do it
        finally:
            self._dispatch.ended(run)
            if hopped and run.partition.active:
                self._finished.finish([run], run.partition)
            if not run.partition.dispatching:
                self.parts.assignment.run_ended()
