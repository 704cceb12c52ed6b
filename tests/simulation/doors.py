"""Where the checker looks in: at the broker's log and coordinator, at each worker's member and producer, and inside."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from typing import Any

from penstock.broker.contract import Assigned, Commit, GroupListener
from penstock.broker.in_memory import InMemoryBroker
from penstock.engine import intake as bounds
from penstock.record import Outgoing, Position, Record, TopicPartition
from tests.simulation.checker import GROUP, SOURCE, Checker
from tests.simulation.ledger import Life
from tests.simulation.world import LONGEST_DELAY


def watch_broker(broker: InMemoryBroker, checker: Checker) -> None:
    """Let the checker hear of every append, commit and expulsion."""
    log, group = broker._log, broker._coordinator.group(GROUP)
    append, commit, remove = log.append, group.commit, group.remove

    def watched_append(record: Outgoing, partition: int) -> Position:
        at = append(record, partition)
        if record.topic != SOURCE:
            checker.appended(log.existing(TopicPartition(at.topic, at.partition)).records[-1])
        return at

    def watched_commit(member: str, commits: Sequence[Commit]) -> Any:
        before = dict(group.committed)
        refused = commit(member, commits)
        checker.committed = group.committed
        for one in commits:
            partition = log.partition(one.partition)
            if one.partition not in refused and partition is not None:
                old = before.get(one.partition)
                lowest = min(old.offset if old else 0, one.offset)
                records = partition.read(lowest, len(partition.records))
                checker.commit_made(one, old, records, partition.high)
        return refused

    def watched_remove(member: str) -> None:
        life = next((one for one in checker.ledger.lives if one.member._id == member), None)
        if life is not None and group.seated(member) and not life.crashed and not life.member._leaving:
            checker.cut_off(life, "was expelled")
        remove(member)

    log.append = watched_append
    group.commit = watched_commit
    group.remove = watched_remove


def watch_worker(life: Life, checker: Checker) -> None:
    """Let the checker hear of everything between one worker and its broker."""
    member, producer = life.member, life.worker.parts.producer
    join, commit, send = member.join, member.commit, producer.send
    pause, resume, wind_down = member.pause, member.resume, life.worker.parts.assignment.wind_down

    async def watched_join(topics: Collection[str], listener: GroupListener) -> None:
        await join(topics, Watch(listener, life, checker))

    async def watched_commit(commits: Sequence[Commit]) -> Any:
        checker.commit_asked(life, commits)
        look_inside(life, checker)
        if checker.plan.classic and life.member._leaving and not life.crashed:
            return {one.partition: "of an old generation: others began to leave before" for one in commits}
        return await commit(commits)

    def watched_send(record: Outgoing) -> asyncio.Future[Position]:
        checker.send_asked(life, record)
        return send(record)

    def watched_pause(partitions: Collection[TopicPartition]) -> None:
        life.paused.update(partitions)
        pause(partitions)

    def watched_resume(partitions: Collection[TopicPartition]) -> None:
        life.paused.difference_update(partitions)
        resume(partitions)

    async def watched_wind_down() -> None:
        if not life.leaving:  # else a grace runs already
            life.asked_at = asyncio.get_running_loop().time()
        life.winding_down = True
        life.leaving.update(life.owned)
        await wind_down()

    replaced: Any = member
    replaced.join, replaced.commit, replaced.pause, replaced.resume = (
        watched_join,
        watched_commit,
        watched_pause,
        watched_resume,
    )
    life.worker.parts.producer.send = watched_send
    life.worker.parts.assignment.wind_down = watched_wind_down


class Watch:
    """A GroupListener before the engine's own."""

    def __init__(self, listener: GroupListener, life: Life, checker: Checker) -> None:
        self._listener = listener
        self._life = life
        self._checker = checker

    def received(self, records: Sequence[Record]) -> None:
        """See GroupListener."""
        self._listener.received(records)
        look_inside(self._life, self._checker)

    async def assigned(self, partitions: Sequence[Assigned]) -> None:
        """See GroupListener. A forgetful client no longer knows what was paused, as an eager one does not."""
        for one in partitions:
            self._checker.assigned(self._life, one)
        if self._checker.plan.forgetful:
            self._life.member.resume(list(self._life.paused))
        self._life.in_assigned = True  # nothing is delivered meanwhile
        await self._listener.assigned(partitions)
        self._life.in_assigned = False
        look_inside(self._life, self._checker)

    async def revoked(self, partitions: Collection[TopicPartition]) -> None:
        """See GroupListener."""
        asked_at = asyncio.get_running_loop().time()
        if not self._life.winding_down:  # else its grace runs already
            self._life.asked_at = asked_at
        self._life.leaving.update(partitions)
        await self._listener.revoked(partitions)
        for one in partitions:
            self._life.paused.discard(one)
            self._checker.handed_over(self._life, one, self._could_commit_since(asked_at))
        look_inside(self._life, self._checker)

    def _could_commit_since(self, asked_at: float) -> float:
        """Trouble from then on excuses what was not committed: one already under way may outlast the winding down."""
        if self._checker.plan.classic and self._life.winding_down:
            return self._life.asked_at - LONGEST_DELAY
        return asked_at

    def lost(self, partitions: Collection[TopicPartition]) -> None:
        """See GroupListener."""
        self._listener.lost(partitions)
        for one in partitions:
            self._life.paused.discard(one)
            self._checker.lost(self._life, one)
        look_inside(self._life, self._checker)

    def truncated(self, partition: TopicPartition, next_offset: int, lost: int) -> None:
        """See GroupListener."""
        self._listener.truncated(partition, next_offset, lost)

    def disturbed(self, problem: str) -> None:
        """See GroupListener."""
        self._listener.disturbed(problem)

    def failed(self, error: Exception) -> None:
        """See GroupListener."""
        self._checker.fail("error", f"the member of {self._life.name} failed: {error!r}")
        self._listener.failed(error)


def look_inside(life: Life, checker: Checker) -> None:
    """Whether the worker's counters say what is true; cheap, so it is asked at every step."""
    if life.crashed or life.ended:
        return
    parts = life.worker.parts
    intake, dispatch, states = parts.intake, parts.dispatch, list(parts.partitions.values())
    seen = [run for run in (*dispatch.running, *dispatch.ready, *dispatch.ready_own) if run.partition.active]
    held = sum(len(run.record.value or b"") for run in seen)
    if intake.bytes < held:
        checker.fail("counts", f"{life.name} counts {intake.bytes} bytes, {held} run or are ready")
    own = sum(run.partition.own for run in dispatch.running)
    if dispatch.running_own != own:
        checker.fail("counts", f"{life.name} counts {dispatch.running_own} own runs, {own} run")
    waiting = sum(len(state.gate) for state in states if state.gate)
    for state in states:
        ahead = state.gate and state.gate.delay <= bounds.READ_AHEAD and waiting < bounds.MOST_AT_GATES
        if state.gate and not ahead and state.dispatching and not life.in_assigned and state.source not in life.paused:
            checker.fail("gate-paused", f"{life.name} reads on in {state.source}, whose records wait")
    bound = checker.plan.bound
    taken = sum(state.tracker.unfinished for state in states if state.gate is None)
    if bound and taken > bound:  # what a gate held back comes on top: its partition was paused when it began to wait
        checker.fail("bounds", f"{life.name} holds {taken} records, {bound} are allowed")


def leaks(life: Life) -> list[str]:
    """What a quiet worker still holds."""
    parts = life.worker.parts
    intake, dispatch = parts.intake, parts.dispatch
    found = {
        "records in flight": intake.in_flight,
        "bytes": intake.bytes,
        "runs held in lanes": intake.held,
        "handlers": len(dispatch.running),
        "own runs": dispatch.running_own,
        "ready runs": dispatch.waiting,
        "paused partitions": intake.paused,
        "paused at the client": len(life.paused),
        "hand-offs waiting": parts.hand_off.waiting,
        "records sent": parts.producer.outstanding,
        "suspects": len(parts.suspects._queue) + (parts.suspects._current is not None),
        "partitions being cleared": len(parts.suspects._clearing),
        "pool tasks too many": max(parts.pool.size - parts.processor.concurrency, 0),
    }
    for state in parts.partitions.values():
        found[f"unfinished of {state.source}"] = state.tracker.unfinished
        found[f"lanes of {state.source}"] = len(state.lanes)
        found[f"waiting in lanes of {state.source}"] = state.lanes.waiting
        found[f"gate of {state.source}"] = len(state.gate or ())
        found[f"bytes of {state.source}"] = state.in_flight_bytes
        found[f"held back of {state.source}"] = len(state.held_back)
    return [f"{count} {what}" for what, count in found.items() if count]
