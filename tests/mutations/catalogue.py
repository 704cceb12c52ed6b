"""Deliberate mutations of the engine: the bugs that systems of this kind really had, each one method replaced.

Every entry says what it breaks in a sentence. The simulation must catch each; `seed` is one that does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

from penstock.broker.in_memory import beginnings
from penstock.engine import assignment, committer, intake, wire_records
from penstock.engine.assignment import Assignment
from penstock.engine.attempt import Attempt
from penstock.engine.committer import Committer
from penstock.engine.deadlines import Deadlines
from penstock.engine.delay_gate import DelayGate
from penstock.engine.dispatch import Dispatch
from penstock.engine.hand_off import HandOff, StaleEpoch
from penstock.engine.intake import Intake
from penstock.engine.lanes import Lanes
from penstock.engine.offsets import OffsetTracker
from penstock.engine.outcome import ABANDONED, Deferred
from penstock.engine.partition import PartitionState
from penstock.engine.pool import Pool
from penstock.engine.retry_policy import RetryPolicy
from penstock.engine.settle import Settle
from penstock.engine.suspects import Suspects
from penstock.engine.worker import Worker
from penstock.errors import SendFailed, SendRefused
from penstock.record import Outgoing, Position
from tests.simulation import simulate


@dataclass(frozen=True)
class Mutation:
    """One bug put in. `places` are (owner, attribute, what stands there instead)."""

    name: str
    breaks: str
    seed: int
    places: tuple[tuple[Any, str, Any], ...]

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The engine with this bug, while inside."""
        with ExitStack() as stack:
            for owner, attribute, instead in self.places:
                stack.enter_context(patch.object(owner, attribute, instead))
            yield


MUTATIONS: dict[str, Mutation] = {}


def mutation(name: str, breaks: str, seed: int, *places: tuple[Any, str, Any]) -> None:
    """Put one into the list."""
    assert name not in MUTATIONS
    MUTATIONS[name] = Mutation(name, breaks, seed, places)


# Commits and progress

mutation(
    "commit-highest-seen",
    "the frontier is the next offset to be received, whatever is still unfinished below it",
    0,
    (OffsetTracker, "frontier", property(lambda self: self.position)),
)


def _runs_one_too_far(self: OffsetTracker) -> tuple[tuple[int, int], ...]:
    pairs = _runs(self)
    return (*pairs[:-1], (pairs[-1][0], pairs[-1][1] + 1)) if pairs else ()


_runs = OffsetTracker.runs
mutation(
    "map-one-too-far",
    "the map in the commit names one offset more than was finished",
    0,
    (OffsetTracker, "runs", _runs_one_too_far),
)


def _start_without_map(self: OffsetTracker, start: int, _finished: Any = ()) -> None:
    _tracker_init(self, start)


_tracker_init = OffsetTracker.__init__
mutation(
    "map-ignored",
    "what the commit says is finished above the frontier is not read at an assignment",
    9,
    (OffsetTracker, "__init__", _start_without_map),
)


async def _never_on_revoke(self: Committer, partitions: Any, *, clean: bool = False) -> bool:
    return True if clean else await _commit(self, partitions)


_commit = Committer.commit
mutation("no-commit-on-revoke", "a hand-over does not commit", 16, (Committer, "commit", _never_on_revoke))
mutation("commit-once-a-minute", "finished runs wait a minute for their commit", 3, (committer, "_TICK", 60.0))


def _commit_then_forget(self: Assignment, partitions: Any) -> None:
    states = [self._partitions[one] for one in partitions if one in self._partitions]
    commits = [self._committer._build(state, clean=True) for state in states]
    _background(self._committer._member.commit(commits))
    _lost(self, partitions)


_lost = Assignment.lost
_kept: set[Any] = set()


def _background(work: Any) -> None:
    task = asyncio.get_running_loop().create_task(work)
    _kept.add(task)
    task.add_done_callback(_kept.discard)


mutation(
    "commit-on-lost",
    "partitions that already belong to another worker are committed",
    3,
    (Assignment, "lost", _commit_then_forget),
)


def _take_over_blindly(self: Committer, changed: Any, _refused: Any) -> bool:
    for partition, commit in changed:
        partition.committed = (commit.offset, commit.metadata)
    return True


mutation(
    "failed-commit-believed",
    "a commit that was not made counts as made",
    43,
    (Committer, "_take_over", _take_over_blindly),
)


async def _assigned_without_start(self: Assignment, partitions: Any) -> None:
    for one in partitions:
        self._gain(one).dirty = False
    self._intake.reapply_pauses()
    self._intake.refill()


mutation(
    "start-not-committed",
    "the start of a partition is not committed when it is assigned",
    5,
    (Assignment, "assigned", _assigned_without_start),
)

# Epochs and hand-overs


def _finish_in_the_new_epoch(self: Worker, run: Any, outcome: Any, *, finished: bool) -> None:
    newer = self.parts.partitions.get(run.partition.source)
    late = newer is not None and newer is not run.partition and not run.partition.active
    _ended(self, run, outcome, finished=finished)
    if late and run.record.offset in newer.tracker._unfinished:
        newer.tracker.finish(run.record.offset)
        newer.dirty = True
        run.partition = newer
        self._intake.left(run)
        self._committer.wake()


def _finish_if_open(self: Worker, run: Any, partition: PartitionState) -> None:
    if run.record.offset in partition.tracker._unfinished:
        _finish(self, run, partition)
    else:
        partition.lanes.release(run)


_ended = Worker._ended
_finish = Worker._finish
mutation(
    "forget-the-epoch",
    "the late result of an old epoch finishes the record in the new one",
    58,
    (Worker, "_ended", _finish_in_the_new_epoch),
    (Worker, "_finish", _finish_if_open),
)


def _lost_and_run_on(self: Assignment, partitions: Any) -> None:
    self._forget([self._partitions[one] for one in partitions if one in self._partitions])


mutation(
    "send-without-epoch",
    "runs of a lost partition go on, and a hand-off does not ask whether it is still this worker's",
    5,
    (HandOff, "_send", lambda self, _run, record: self._producer.send(record)),
    (Assignment, "lost", _lost_and_run_on),
)


async def _gone_at_once(self: Assignment, leaving: Any, seconds: float) -> None:
    if seconds == assignment._UNWIND:
        await _drain(self, leaving, seconds)


_drain = Assignment._drain
mutation(
    "no-grace",
    "a hand-over cancels running handlers at once",
    37,
    (Assignment, "_drain", _gone_at_once),
)
mutation(
    "nobody-cancelled",
    "handlers that outlive the grace run on after the hand-over",
    11,
    (Assignment, "_abandon", lambda self, leaving: None),
)


async def _revoked_while_dispatching(self: Assignment, partitions: Any) -> None:
    leaving = [self._partitions[one] for one in partitions if one in self._partitions]
    await self._drain(leaving, self._grace)
    self._abandon(leaving)
    await self._drain(leaving, assignment._UNWIND)
    await self._committer.commit(leaving, clean=True)
    self._forget(leaving)


mutation(
    "dispatch-while-leaving",
    "records of a partition that is being handed over still start",
    30,
    (Assignment, "revoked", _revoked_while_dispatching),
)

# Hand-offs


async def _give_up(self: HandOff, run: Any, record: Outgoing, smaller: Outgoing | None = None) -> Any:
    try:
        return await self._send(run, record)
    except (SendFailed, SendRefused):
        return Position(record.topic, 0, 0)


mutation(
    "drop-on-dead-letter-failure",
    "a retry or dead letter record that cannot be written is dropped",
    8,
    (HandOff, "certainly", _give_up),
)


async def _send_and_forget(self: HandOff, run: Any, records: Any) -> list[Position]:
    for record in records:
        self._send(run, record).add_done_callback(lambda future: future.cancelled() or future.exception())
    return []


mutation(
    "outputs-not-awaited",
    "a run is finished before its outputs are acknowledged",
    0,
    (HandOff, "outputs", _send_and_forget),
)


async def _finish_first(self: Worker, run: Any, outcome: Any) -> None:
    held = isinstance(outcome, Deferred) or self.parts.processor.retry.preserve_order
    if outcome is ABANDONED or held or run.abandoned or not run.partition.active:
        await _settle(self, run, outcome)
        return
    self._ended(run, outcome, finished=True)
    with suppress(StaleEpoch):
        await self.parts.settle.settle(run, outcome)


_settle = Worker._settle
mutation(
    "finish-before-hand-off",
    "the frontier moves before the hand-off is acknowledged",
    0,
    (Worker, "_settle", _finish_first),
)


def _emit_at_once(self: Attempt, topic: str, data: Any, **said: Any) -> None:
    _emit(self, topic, data, **said)
    self._shared.send(self.emitted[-1]).add_done_callback(lambda future: future.cancelled() or future.exception())


_emit = Attempt.emit
mutation("emit-at-once", "an emit leaves before its handler has succeeded", 1, (Attempt, "emit", _emit_at_once))
mutation(
    "foreign-headers-lost",
    "a hop copies only the headers it knows",
    0,
    (wire_records.wire, "foreign", lambda headers: [pair for pair in headers if pair[0].startswith("ce_")]),
)

# Order, lanes, time


def _no_lane(self: Lanes, runs: Any) -> None:
    self._ready.extend(runs)


mutation(
    "no-lanes",
    "records of one key run beside each other",
    1,
    (Lanes, "add", _no_lane),
    (Lanes, "release", lambda self, run: None),
)


def _lane_from_the_wrong_end(self: Lanes, run: Any) -> None:
    key = run.record.key if self._by_key else b""
    queue = self._lanes.get(key)
    if queue:
        queue.rotate(1)
    _release(self, run)


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
        run.record.timestamp = 0
    self._waiting.clear()
    return released


mutation(
    "gate-opens-early",
    "the first due record of a retry partition takes all others with it",
    3,
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


_build = simulate.build
mutation(
    "deadlines-by-the-wall",
    "how long a handler runs is measured by a clock that may jump",
    9,
    (simulate, "build", _build_by_the_wall),
)

# Bounds and memory


def _keeps_the_bytes(self: Intake, run: Any) -> None:
    run.partition.in_flight_bytes += len(run.record.value or b"")
    _left(self, run)


_left = Intake.left
mutation("credits-leak", "bytes of a finished record still count as in flight", 5, (Intake, "left", _keeps_the_bytes))


def _asks_for_everything(self: Intake) -> None:
    self._asked = 0 if self.closed else 1000
    self._member.demand(self._asked)


mutation("no-bound", "the intake asks for more, however much it holds", 0, (Intake, "refill", _asks_for_everything))


def _a_task_for_everyone(self: Pool, ready: int) -> None:
    while ready > 0 and self._idle:
        parked = self._idle.pop()
        if not parked.done():
            parked.set_result(None)
            ready -= 1
    for _ in range(ready):
        self._spawn()


mutation("pool-without-size", "more handlers run at once than were asked for", 0, (Pool, "wake", _a_task_for_everyone))
mutation(
    "pause-not-reapplied",
    "what was paused is not paused again after an assignment, and the client has forgotten it",
    5,
    (Intake, "reapply_pauses", lambda self: None),
)


def _pauses_forgotten(self: Intake) -> None:
    self._paused.clear()
    for state in self._partitions.values():
        self.review(state)


mutation(
    "pause-for-ever",
    "after an assignment the engine forgets a pause that the client remembers (once a bug of ours)",
    41,
    (Intake, "reapply_pauses", _pauses_forgotten),
)


def _one_task_less(self: Pool, task: Any) -> None:
    self._tasks.discard(task)


mutation(
    "pool-shrinks",
    "a task that ended with a cancelled run is not replaced until new records come",
    0,
    (Pool, "_ended", _one_task_less),
)

mutation(
    "stale-runs-stay-ready",
    "runs of a partition that went still count as waiting, and nobody asks for more (once a bug of ours)",
    1901,
    (Dispatch, "forget", lambda self, partition: None),
)

# Loss, suspects, starts

mutation(
    "silent-loss",
    "records that retention took unread are not counted",
    59,
    (Assignment, "_report_lost", lambda self, partition, lost: None),
)
mutation(
    "no-suspects",
    "an event that kills its process is never looked for",
    9,
    (Suspects, "judge", lambda self, partition, end: None),
)


def _clear_at_once(self: Suspects, partition: Any) -> None:
    pending = any(run.partition is partition for run in self._queue)
    running = self._current is not None and self._current.partition is partition
    if pending or running or partition.tracker.position < partition.suspicious_until:
        return
    partition.suspicious_until = -1
    partition.unclean = 1
    partition.dirty = True
    partition.lanes.add(partition.held_back)
    partition.held_back.clear()
    self._wake()


def _judge_once(self: Suspects, partition: Any, end: int) -> None:
    if partition.crashed_offset is None:
        _judge(self, partition, end)


_judge = Suspects.judge
mutation(
    "suspects-cleared-too-soon",
    "the next record starts before the last suspect's end is committed, and the innocent is blamed (a bug of ours)",
    646,
    (Suspects, "_clear_if_done", _clear_at_once),
    (Suspects, "judge", _judge_once),
)


mutation(
    "map-claims-all",
    "the map in the commit names all that was received",
    0,
    (
        OffsetTracker,
        "runs",
        lambda self: ((0, self.position - self.frontier),) if self.position > self.frontier else (),
    ),
)
mutation(
    "added-partition-from-the-end",
    "a partition that was added later is read from its end, as a client's own default does",
    46,
    (beginnings, "is_newborn", lambda partition, committed: True),
)
