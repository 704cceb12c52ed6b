"""A worker: one member of one consumer group, from joining to leaving.

    received → begin → lane → attempt → hand-off → finish → commit

An offset is committed only when every record below it is finished; finished means its handler returned and its
outputs are acknowledged, or it stands in a retry or the dead letter topic, or was skipped by an explicit rule.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from penstock.clock import Clock
from penstock.engine.deadlines import Deadlines
from penstock.engine.hand_off import StaleEpoch
from penstock.engine.outcome import ABANDONED, DONE, Outcome, Skipped, name_of
from penstock.engine.parts import Parts
from penstock.engine.report import AttemptReport, report_of
from penstock.engine.run import Run
from penstock.errors import HandlerStuck, TopicMissing
from penstock.headers import DISCARDED

log = logging.getLogger("penstock.worker")
_LOOK_UP = 60.0  # seconds between looks at which retry topics exist
_DISCARDED = Skipped("discarded")
_HOPPED = Skipped("hop")


class Worker:
    """Runs one processor until told to stop. Made by `penstock.engine.assembly.build`."""

    def __init__(self, parts: Parts, clock: Clock, observe: Callable[[AttemptReport], None] | None) -> None:
        """`observe` hears of every attempt; None costs nothing."""
        self.parts = parts
        self._clock = clock
        self._observe = observe
        self._stopping = asyncio.Event()
        self._failure: Exception | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self.joined = False
        self._deadlines = Deadlines(parts.dispatch, parts.processor.timeout, clock.monotonic, parts.counters)
        parts.switch.steps = self

    async def run(self) -> None:
        """Join, run until `stop`, drain, leave. Raises what ended it otherwise, after committing what is finished."""
        parts = self.parts
        await parts.handler.setup()
        try:
            topics, missing = await parts.own_topics.look_up()
            if missing:
                raise TopicMissing(f"missing topics: {', '.join(missing)}", "run `penstock apply` to create them")
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
        self.fail(
            HandlerStuck(
                f"the handler of {processor.name!r} did not end {processor.stop_grace_period:g} s after its timeout, "
                f"at {run.record.position}",
                "a thread cannot be stopped: give what it waits for a timeout of its own",
            )
        )

    async def _leave(self) -> None:
        parts = self.parts
        parts.intake.closed = True
        parts.intake.refill()
        if self.joined:
            await parts.member.leave()
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
            await asyncio.sleep(_LOOK_UP)
            subscribed = await self.parts.subscribe_again(subscribed)

    # one run ---------------------------------------------------------------------------------------------------

    def take(self) -> Run | None:
        """The next run, if one may start; asks for more records when few are left."""
        intake = self.parts.intake
        if intake.hungry():
            intake.refill()
        run = self.parts.dispatch.take()
        if run is not None and self._deadlines.idle:
            self._deadlines.wake()
        return run

    def put(self, run: Run) -> None:
        """Queue a run that already has its lane, unless its partition is going."""
        if run.partition.active and run.partition.dispatching:
            self.parts.dispatch.put(run)
            self.parts.pool.wake(1)

    async def work(self, run: Run) -> None:
        """One attempt: execute, hand off, finish. What it decides is safe before the offset may move."""
        started = run.started
        finished = False
        outcome: Outcome = ABANDONED
        lateness = self._lateness(run) if run.partition.own else None
        try:
            if run.partition.own and (early := await self._out_of_turn(run)) is not None:
                outcome, finished = early, True
            else:
                outcome = await self.parts.executor.execute(run)
                run.started = 0.0  # the deadline is the handler's; a hand-off takes the time it needs
                if outcome is DONE:
                    finished = True
                elif outcome is not ABANDONED:
                    outcome, finished = await self.parts.settle.settle(run, outcome)
        except StaleEpoch:
            outcome = ABANDONED
        except asyncio.CancelledError:
            outcome = ABANDONED
            if not run.abandoned and run.partition.active and not self._stopping.is_set():
                raise
        finally:
            self.parts.dispatch.ended(run)
            self._finish(run, outcome, finished=finished, started=started, lateness=lateness)

    def _finish(self, run: Run, outcome: Outcome, *, finished: bool, started: float, lateness: float | None) -> None:
        parts = self.parts
        partition = run.partition
        duration = self._clock.monotonic() - started
        counters = parts.counters
        if not partition.active:
            counters.stale_results += 1
        elif finished:
            partition.tracker.finish(run.record.offset)
            partition.dirty = True
            parts.committer.finished += 1
            if parts.committer.idle:
                parts.committer.wake()
            if partition.suspicious_until > run.record.offset:
                parts.suspects.finished(run)
            else:
                partition.lanes.release(run)
            parts.intake.left(run)
        if not partition.dispatching:
            parts.assignment.run_ended()
        counters.outcomes[name_of(outcome)] += 1
        counters.duration.observe(duration)
        if lateness is not None:
            counters.lateness.observe(lateness)
        if self._observe is not None and outcome is not _HOPPED:
            self._report(run, outcome, duration, lateness)
        run.timed_out = False

    def _report(self, run: Run, outcome: Outcome, duration: float, lateness: float | None) -> None:
        spent = name_of(outcome) in ("retried", "dead_lettered") and run.attempts
        attempt = run.attempts if spent else run.attempts + 1
        run_id = self.parts.identify(run)
        report = report_of(self.parts.processor.name, run_id, run.record.position, attempt, outcome, duration, lateness)
        assert self._observe is not None
        self._observe(report)

    def _lateness(self, run: Run) -> float | None:
        if not run.due:
            return None
        late = self._clock.now() - run.due
        return late if late >= 0 else None

    async def _out_of_turn(self, run: Run) -> Outcome | None:
        """What happens to a record of an own topic that does not run now: a marker, or its time has not come."""
        if run.record.header(DISCARDED) is not None:
            return _DISCARDED
        remaining = run.due - self._clock.now()
        if remaining <= 0:
            return None
        if remaining < 1.0:  # no tier is so short
            await asyncio.sleep(remaining)
            return None
        run.started = 0.0
        await self.parts.settle.hop(run)
        return _HOPPED
