"""Suspects: after two deaths without progress, the records of a partition run one at a time, to find the killer.

Each is named in the commit before it starts, and nothing else of its partition starts before its end is committed:
else the next one's crime would be laid at its door. The one named when the process dies again is accused: records of
other partitions ran beside it, and one of them may have done it. So the accused runs once more, with nothing else in
the whole process; only if that dies too does it go to the dead letter topic (`crashed`). An ordinary crash costs
nothing of this.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable

from penstock.engine.committer import Committer
from penstock.engine.dispatch import Dispatch
from penstock.engine.partition import PartitionState
from penstock.engine.run import Run

log = logging.getLogger("penstock.suspects")
DEATHS = 2  # hand-overs without progress, before this one
_AGAIN = 0.5
_LOOK = 0.02


class Suspects:
    """The queue of suspicious records of all partitions of a worker: one runs, the others wait."""

    def __init__(
        self,
        committer: Committer,
        window: int,
        dispatch: Dispatch,
        start: Callable[[Run], None],
        wake: Callable[[], None],
    ) -> None:
        """`window`: how many offsets of a partition are suspected; `start` lets a run begin, `wake` all ready ones."""
        self._committer = committer
        self._window = window
        self._dispatch = dispatch
        self._start = start
        self._wake = wake
        self._queue: deque[Run] = deque()
        self._current: Run | None = None
        self._previous: PartitionState | None = None
        self._clearing: dict[PartitionState, asyncio.Task[None]] = {}
        self._task: asyncio.Task[None] | None = None

    def judge(self, partition: PartitionState, end: int) -> None:
        """At assignment: put the partition under suspicion where its last owners died without progress."""
        deaths = partition.unclean - 1
        known = partition.accused if partition.crashed_offset is None else partition.crashed_offset
        if (deaths < DEATHS and known is None) or partition.start >= end:
            return
        partition.suspicious_until = min(max(partition.start + self._window, (known or 0) + 1), end)
        log.warning(
            "%s was handed over %d times without progress: its next records run one at a time", partition.source, deaths
        )

    def add(self, run: Run) -> None:
        """Queue a record of a suspicious partition; those past its window wait until it is clear."""
        partition = run.partition
        if run.record.offset >= partition.suspicious_until:
            partition.held_back.append(run)
            self._clear_if_done(partition)
            return
        self._queue.append(run)
        self._next()

    def finished(self, run: Run) -> None:
        """The running suspect survived."""
        partition = run.partition
        if partition.suspect == partition.accused:
            partition.accused = None
            self._let_others_run()
        partition.suspect = None
        self._current, self._previous = None, partition
        self._clear_if_done(partition)
        self._next()

    def forget(self, partition: PartitionState) -> None:
        """The partition went to another worker."""
        if (clearing := self._clearing.pop(partition, None)) is not None:
            clearing.cancel()
        self._queue = deque(run for run in self._queue if run.partition is not partition)
        if self._current is not None and self._current.partition is partition:
            self._current = None
            self._let_others_run()
            self._next()

    def _let_others_run(self) -> None:
        self._dispatch.unhush()
        self._wake()

    def _next(self) -> None:
        if self._current is None and self._queue:
            self._current = self._queue.popleft()
            self._task = asyncio.get_running_loop().create_task(self._name_and_start(self._current))

    async def _name_and_start(self, run: Run) -> None:
        if self._current is not run:  # its partition went before its turn came
            return
        partition = run.partition
        before = [self._previous] if self._previous not in {None, partition} else []
        accused = run.record.offset == partition.accused
        if accused:
            log.warning("%s is accused of killing its process: it runs alone", run.record.position)
            self._dispatch.hush()
            while self._dispatch.running and self._current is run:
                await asyncio.sleep(_LOOK)
            if self._current is not run:
                return
        partition.suspect = run.record.offset  # only now: a commit that names it alone must be true
        if await self._committed(partition, *before) and self._current is run:
            if accused:
                self._dispatch.alone(run)
                self._wake()
            else:
                self._start(run)

    async def _committed(self, partition: PartitionState, *others: PartitionState | None) -> bool:
        """Commit until it is done; False where the partition went meanwhile."""
        states = [partition, *(one for one in others if one is not None)]
        while partition.active and not await self._committer.commit(states):
            await asyncio.sleep(_AGAIN)
        return partition.active

    def _clear_if_done(self, partition: PartitionState) -> None:
        pending = any(run.partition is partition for run in self._queue)
        running = self._current is not None and self._current.partition is partition
        if pending or running or partition.tracker.position < partition.suspicious_until:
            return
        if partition not in self._clearing:
            self._clearing[partition] = asyncio.get_running_loop().create_task(self._clear(partition))

    async def _clear(self, partition: PartitionState) -> None:
        cleared = await self._committed(partition)
        self._clearing.pop(partition, None)
        if not cleared:
            return
        partition.suspicious_until = -1
        partition.unclean = 0
        partition.dirty = True
        log.warning("%s is no longer under suspicion", partition.source)
        partition.lanes.add(partition.held_back)
        partition.held_back.clear()
        self._wake()
