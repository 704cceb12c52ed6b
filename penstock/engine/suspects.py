"""Suspects: after two deaths over the same records, these run one at a time, to find the killer.

A commit says how far its partition had started, so the next owner knows a line below which the killer stands. A death
counts until everything below the line is finished, whatever else makes progress. Where the dead could not even tell
how far it was, the next owner goes on in steps, each committed before the next begins: it can tell where it dies.

From the second death on, each record below the line is named in the commit before it starts, and nothing else of its
partition starts before its end is committed: else the next one's crime would be laid at its door. The one named when
the process dies again is accused: records of other partitions may have run beside it, and one of them may have done
it. So the accused runs once more, with nothing else in the whole process; only if that dies too does it go to the dead
letter topic (`crashed`). An ordinary crash costs nothing of this.
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
DEATHS = 2  # owners that died over the same records, before this one
_AGAIN = 0.5
_PROBATION = 3.0  # seconds: more than what ran between two commits of the dead has then run again
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
        """`window`: how many offsets are suspected at least; `start` lets a run begin, `wake` all ready ones."""
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
        """At assignment: draw the line, and put what is below it under suspicion where owners died over it."""
        deaths = partition.unclean - 1
        known = partition.accused if partition.crashed_offset is None else partition.crashed_offset
        reach, partition.reach = partition.reach, None  # of the dead; how far this one comes is not known yet
        partition.line = min(partition.start + self._window if reach is None else reach, end)
        partition.since = asyncio.get_running_loop().time()
        if partition.start >= end:
            partition.reach = partition.start
            return
        if deaths < 1 and known is None:
            return
        if deaths < DEATHS and known is None:
            if reach is None:
                partition.probing, partition.suspicious_until = True, partition.line
            return
        partition.line = min(max(partition.line, (known or 0) + 1), end)
        partition.suspicious_until = partition.line
        log.warning(
            "%s: %d workers died over the same records; those below offset %d run one at a time",
            partition.source,
            deaths,
            partition.line,
        )

    def add(self, run: Run) -> None:
        """Queue a record of a suspicious partition; those past its window wait until it is clear."""
        partition = run.partition
        if run.record.offset >= partition.suspicious_until:
            partition.held_back.append(run)
            self._clear_if_done(partition)
        elif partition.probing:
            partition.lanes.add([run])
        else:
            self._queue.append(run)
            self._next()

    def finished(self, run: Run) -> None:
        """A record below the line is finished."""
        partition = run.partition
        if partition.probing:
            partition.lanes.release([run])
            self._clear_if_done(partition)
            return
        if partition.suspect == partition.accused:
            partition.accused = None
        if partition.alone:
            self._let_others_run()
        partition.suspect, partition.alone = None, False
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
        alone = await self._hushed(run)
        if self._current is not run:
            return
        partition.suspect, partition.alone = run.record.offset, alone  # a commit that names it alone must be true
        if await self._committed(partition, *before) and self._current is run:
            if alone:
                self._dispatch.alone(run)
                self._wake()
            else:
                self._start(run)

    async def _hushed(self, run: Run) -> bool:
        """Whether the run has the process for itself: the accused must, the others where nothing else is to be done."""
        accused = run.record.offset == run.partition.accused
        if not accused and (self._dispatch.running or self._dispatch.waiting):
            return False
        self._dispatch.hush()
        if accused:
            log.warning("%s is accused of killing its process: it runs alone", run.record.position)
        while self._dispatch.running and self._current is run:
            await asyncio.sleep(_LOOK)
        return True

    async def _committed(self, partition: PartitionState, *others: PartitionState | None) -> bool:
        """Commit until it is done; False where the partition went meanwhile."""
        states = [partition, *(one for one in others if one is not None)]
        while partition.active and not await self._committer.commit(states):
            await asyncio.sleep(_AGAIN)
        return partition.active

    def _clear_if_done(self, partition: PartitionState) -> None:
        """Go on past the line once everything below it is finished."""
        pending = any(run.partition is partition for run in self._queue)
        running = self._current is not None and self._current.partition is partition
        if pending or running or partition.tracker.position < partition.suspicious_until:
            return
        if partition.probing and partition.tracker.frontier < partition.suspicious_until:
            return
        if partition not in self._clearing:
            self._clearing[partition] = asyncio.get_running_loop().create_task(self._clear(partition))

    async def _clear(self, partition: PartitionState) -> None:
        line, suspicious = partition.suspicious_until, partition.is_suspicious
        on_probation = asyncio.get_running_loop().time() - partition.since <= _PROBATION
        if partition.probing and on_probation and line < partition.end:
            line = partition.line = min(2 * line - partition.start + self._window, partition.end)
        else:
            partition.unclean, line = 1, -1
        cleared = await self._committed(partition)  # before anything past the line starts
        self._clearing.pop(partition, None)
        if cleared:
            if suspicious:
                log.warning("%s is no longer under suspicion", partition.source)
            partition.suspicious_until, partition.probing = line, partition.probing and line >= 0
            self._release(partition)

    def _release(self, partition: PartitionState) -> None:
        """Let go what was held back above the line."""
        line = partition.suspicious_until
        held = partition.held_back
        while held and (line < 0 or held[0].record.offset < line):
            partition.lanes.add([held.popleft()])
        if held:  # a gap may reach over the whole next step: then nothing in it will end and ask
            self._clear_if_done(partition)
        self._wake()
