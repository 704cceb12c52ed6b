"""Commits: promptly when runs are slow and each is dear to repeat, once a second when they are fast.

One commit is in flight at a time, and none is ever sent again: it is built anew from the trackers of the partitions
owned now. The broker accepts an old owner's late commit over the new owner's, so a repeated one could move a group
backwards or, worse, forwards.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping

from penstock.broker.contract import Commit, GroupMember
from penstock.broker.progress import BRAKE, METADATA_LIMIT
from penstock.engine.counters import Counters
from penstock.engine.partition import PartitionState
from penstock.errors import BrokerUnavailable
from penstock.record import TopicPartition

log = logging.getLogger("penstock.commit")
_TICK = 0.05
_PACE = 1.0  # seconds between commits while runs are fast
_FAST = 0.05  # seconds: runs that take less on average are cheap to repeat


class Committer:
    """Commits the partitions of one member: those that are `dirty`."""

    def __init__(
        self,
        member: GroupMember,
        partitions: Mapping[TopicPartition, PartitionState],
        counters: Counters,
        highest: Callable[[], Mapping[PartitionState, int]],
    ) -> None:
        """`highest` tells the highest offset that runs now, of each partition."""
        self._member = member
        self._partitions = partitions
        self._counters = counters
        self._highest = highest
        self._one = asyncio.Lock()
        self._work = asyncio.Event()
        self.idle = True
        self.on_brake: Callable[[PartitionState], None] | None = None  # a partition's metadata grew too long, or shrank

    def wake(self) -> None:
        """There is something to commit again. Worth calling only while `idle`."""
        self.idle = False
        self._work.set()

    async def watch(self) -> None:
        """Commit for ever, at the pace of the runs."""
        time = asyncio.get_running_loop().time
        seen, spent, committed, looked = 0, 0.0, time() - _PACE, time()
        duration = self._counters.duration
        while True:
            if not any(one.to_be_told for one in self._partitions.values()):
                self.idle = True
                self._work.clear()
                await self._work.wait()
                looked = time()
            await asyncio.sleep(_TICK)
            fast = duration.total - spent < _FAST * (duration.count - seen)
            seen, spent = duration.count, duration.total
            watched = any(one.is_watched for one in self._partitions.values())
            if fast and not watched and time() - committed < _PACE:
                continue
            until_next = 0.0 if not fast else 2 * _TICK if watched else _PACE + _TICK
            self._look_at_starts(until_next / (time() - looked))
            committed = looked = time()
            await self.commit([one for one in self._partitions.values() if one.dirty])

    def _look_at_starts(self, more: float) -> None:
        """What started is worth a commit of its own: should it kill its process, the next owner knows where to look.

        Until the next commit, `more` times as much may start as since the last look.
        """
        highest = self._highest()
        for partition in self._partitions.values():
            offset = highest.get(partition, -1)
            if partition.to_be_told or offset >= partition.started:
                partition.note_started(offset, more)
                partition.dirty = True

    async def commit(self, partitions: Collection[PartitionState], *, clean: bool = False) -> bool:
        """Commit the frontiers of those still owned; False where one was not made. `clean` marks a tidy hand-over."""
        async with self._one:
            built = [(one, self._build(one, clean=clean)) for one in partitions if one.active]
            changed = [(one, commit) for one, commit in built if one.committed != (commit.offset, commit.metadata)]
            for one, _ in built:
                one.dirty = False
            if not changed:
                return True
            try:
                refused = await self._member.commit([commit for _, commit in changed])
            except BrokerUnavailable as error:
                refused = {one.source: str(error) for one, _ in changed}
            return self._take_over(changed, refused)

    def _build(self, partition: PartitionState, *, clean: bool) -> Commit:
        metadata = partition.progress(clean=clean)
        braked = len(metadata) > BRAKE
        if braked != partition.braked:
            partition.braked = braked
            if self.on_brake is not None:
                self.on_brake(partition)
        if len(metadata) >= METADATA_LIMIT:  # the broker takes one character less
            self._counters.maps_dropped += 1
            metadata = partition.progress(clean=clean, with_map=False)
        return Commit(partition.source, partition.tracker.frontier, metadata)

    def _take_over(self, changed: list[tuple[PartitionState, Commit]], refused: Mapping[TopicPartition, str]) -> bool:
        self._counters.commits += 1
        for partition, commit in changed:
            reason = refused.get(partition.source)
            if reason is None:
                partition.committed = (commit.offset, commit.metadata)
            else:
                partition.dirty = True
                self._counters.commit_failures += 1
                log.warning("commit of %s at %d was not made: %s", partition.source, commit.offset, reason)
        return not refused
