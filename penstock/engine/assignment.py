"""The partitions a worker owns now: gained, handed over, lost. The only place where their state is made and ended."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence

from penstock.broker.contract import Assigned
from penstock.engine.committer import Committer
from penstock.engine.counters import Counters
from penstock.engine.dispatch import Dispatch
from penstock.engine.intake import Intake
from penstock.engine.lanes import Lanes
from penstock.engine.partition import PartitionState
from penstock.engine.suspects import Suspects
from penstock.record import Record, TopicPartition
from penstock.topology.derived import replay_topic, retry_delay
from penstock.topology.model import Processor

log = logging.getLogger("penstock.assignment")
_UNWIND = 2.0  # seconds a cancelled handler has to let go
_START_PATIENCE = 15.0  # seconds in which a start must be committed before anything is read
_COMMIT_AGAIN = 0.5


class Assignment:
    """The engine's side of a group membership: a GroupListener (broker/contract.py)."""

    def __init__(
        self,
        processor: Processor,
        partitions: dict[TopicPartition, PartitionState],
        dispatch: Dispatch,
        intake: Intake,
        committer: Committer,
        suspects: Suspects,
        counters: Counters,
        grace: float,
        book: Callable[[], bool],
        failed: Callable[[Exception], None],
    ) -> None:
        """`grace` is how long a hand-over lets running attempts finish, in seconds; `book` books what has ended."""
        self._processor = processor
        self._partitions = partitions
        self._dispatch = dispatch
        self._intake = intake
        self._committer = committer
        self._suspects = suspects
        self._counters = counters
        self._grace = grace
        self._book = book
        self._epoch = 0
        self._leave_by: float | None = None  # when the grace of winding down ends, by the loop's clock
        self._one_ended = asyncio.Event()
        self._hurry = asyncio.Event()
        self.failed = failed

    def received(self, records: Sequence[Record]) -> None:
        """Records of partitions owned now, or, where a hand-over crossed their delivery, owned before."""
        self._intake.received(records)
        if self._committer.idle:
            self._committer.wake()

    async def assigned(self, partitions: Sequence[Assigned]) -> None:
        """Make fresh state for each, and commit its start at once, so that every later jump can be counted."""
        self._counters.rebalances += 1
        gained = [self._gain(one) for one in partitions]
        await self._commit_starts(gained)
        self._intake.reapply_pauses()
        self._intake.refill()

    async def _commit_starts(self, gained: Sequence[PartitionState]) -> None:
        """Nothing is read before: with `latest`, a start that is not known would be a later one after a crash."""
        loop = asyncio.get_running_loop()
        end = loop.time() + (0 if self._processor.start_from == "earliest" else _START_PATIENCE)
        while gained and not await self._committer.commit(gained):
            self._committer.wake()
            if loop.time() >= end or self._hurry.is_set():
                return
            await asyncio.sleep(_COMMIT_AGAIN)

    def _gain(self, one: Assigned) -> PartitionState:
        topic, group = one.partition.topic, self._processor.group_id
        delay = retry_delay(group, topic)
        own = delay is not None or topic == replay_topic(group)
        self._epoch += 1
        ordering = "none" if self._processor.batch else self._processor.ordering  # batches keep the order themselves
        lanes = Lanes(ordering, self._dispatch.queue_for(own=own))
        foreign: list[str] = []
        state = PartitionState(one, self._epoch, lanes, delay, own=own, foreign=foreign)
        if foreign:
            self._counters.foreign_metadata += 1
            log.warning("%s: the metadata beside its commit is not ours, or damaged; ignored", one.partition)
        if one.lost:
            self._report_lost(one.partition, one.lost)
        sink = self._processor.sink
        if sink is None or not sink.gathers:
            self._suspects.judge(state, one.end)
        self._partitions[one.partition] = state
        return state

    async def wind_down(self) -> None:
        """Before the group is left: finish and commit while the member still follows the group.

        In the hand-over of its leaving it does not: a rebalance that was under way (others leave too) ends without
        its notice, and under the classic protocol its commits are refused as those of an old generation.
        """
        loop = asyncio.get_running_loop()
        self._leave_by = loop.time() + self._grace
        await self._finish(list(self._partitions.values()), self._leave_by)
        committing, hurried = loop.create_task(self._commit_all()), loop.create_task(self._hurry.wait())
        left = max(self._leave_by - loop.time(), _UNWIND)
        await asyncio.wait({committing, hurried}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        if hurried.done():
            await asyncio.wait({committing}, timeout=_COMMIT_AGAIN)
        done = committing.done()
        for task in (committing, hurried):
            task.cancel()
        if done:
            committing.result()
            self._leave_by = loop.time()

    async def _commit_all(self) -> None:
        """Until it is done: the member may have to learn first of which generation it is."""
        while not await self._committer.commit(list(self._partitions.values())):
            await asyncio.sleep(_COMMIT_AGAIN)

    async def revoked(self, partitions: Collection[TopicPartition]) -> None:
        """Let running attempts finish within the grace, cancel the rest, commit, and forget."""
        self._counters.rebalances += 1
        end = self._leave_by or asyncio.get_running_loop().time() + self._grace
        leaving = [self._partitions[one] for one in partitions if one in self._partitions]
        await self._finish(leaving, end)
        if leaving:
            await self._commit_leaving(leaving, end)
        self._forget(leaving)

    async def _finish(self, leaving: Sequence[PartitionState], end: float) -> None:
        self._book()
        for state in leaving:
            state.dispatching = False
        await self._drain(leaving, end)
        if self._dispatch.runs_any(leaving):
            self._abandon(leaving, sending=False)
            await self._drain(leaving, asyncio.get_running_loop().time() + _UNWIND, hurry=False)
            self._abandon(leaving)

    async def _drain(self, leaving: Sequence[PartitionState], end: float, *, hurry: bool = True) -> None:
        loop = asyncio.get_running_loop()
        while self._dispatch.runs_any(leaving) and (left := end - loop.time()) > 0:
            self._one_ended.clear()
            if hurry and self._hurry.is_set():
                return
            try:
                async with asyncio.timeout(left):
                    await self._one_ended.wait()
            except TimeoutError:
                return

    async def _commit_leaving(self, leaving: Sequence[PartitionState], end: float) -> None:
        """The last commit of what is handed over; tried again within the grace, and for a moment at least."""
        loop = asyncio.get_running_loop()
        end = max(end, loop.time() + _UNWIND)
        while not await self._committer.commit(leaving, clean=True) and loop.time() < end:
            await asyncio.sleep(_COMMIT_AGAIN)

    def _abandon(self, leaving: Sequence[PartitionState], *, sending: bool = True) -> None:
        """Cancel what runs. What only waits for the broker's word is spared at first: it may be in the log already."""
        for run in list(self._dispatch.running):
            if run.partition in leaving and run.task is not None and (sending or run.started):
                run.abandoned = True
                run.task.cancel()

    def lost(self, partitions: Collection[TopicPartition]) -> None:
        """They belong to others already: cancel what runs, commit nothing."""
        leaving = [self._partitions[one] for one in partitions if one in self._partitions]
        self._counters.partitions_lost += len(leaving)
        for state in leaving:
            log.error("%s was lost: another worker has it; its runs here are dropped", state.source)
            state.dispatching = False
        self._abandon(leaving)
        self._forget(leaving)

    def _forget(self, leaving: Sequence[PartitionState]) -> None:
        for state in leaving:
            state.active = False
            if self._partitions.get(state.source) is state:
                del self._partitions[state.source]
            self._intake.forget(state)
        for state in list(self._partitions.values()):
            self._intake.review(state)
        self._intake.refill()

    def truncated(self, partition: TopicPartition, next_offset: int, lost: int) -> None:
        """Unread records are gone: say how many, and go on behind them."""
        state = self._partitions.get(partition)
        if state is not None and next_offset < state.tracker.position:
            self._begin_anew(state, next_offset)
        elif state is not None:
            state.tracker.skip_to(next_offset)
            state.dirty = True
            self._committer.wake()
        if lost:
            self._report_lost(partition, lost)

    def _begin_anew(self, state: PartitionState, start: int) -> None:
        """The log was cut back or made anew: what was read is gone, and its offsets mean other records now."""
        log.critical("%s was cut back to offset %d: read anew from there", state.source, start)
        self._abandon([state])
        self._forget([state])
        self._gain(Assigned(state.source, start, "", start, "", state.born))
        self._intake.reopen(state.source)
        self._committer.wake()

    def _report_lost(self, partition: TopicPartition, lost: int) -> None:
        self._counters.records_lost += lost
        log.critical("%s: %d records were removed from the log before they were read", partition, lost)

    def disturbed(self, problem: str) -> None:
        """Something passing at the broker."""
        self._counters.disturbances += 1
        log.warning("%s", problem)

    def run_ended(self) -> None:
        """A run of a partition that is being handed over has ended."""
        self._one_ended.set()

    def hurry(self) -> None:
        """Wait for nothing any more: cancel what runs, still committing what is finished."""
        self._hurry.set()
        self._one_ended.set()
