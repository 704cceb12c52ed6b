"""Bugs of epochs and hand-overs."""

from __future__ import annotations

import asyncio
from typing import Any

from penstock.engine import assignment
from penstock.engine.assignment import Assignment
from penstock.engine.finished import Finished
from penstock.engine.hand_off import HandOff
from penstock.engine.partition import PartitionState
from penstock.engine.worker import Worker
from tests.mutations.mutation import mutation


def _finish_in_the_new_epoch(self: Worker, run: Any, outcome: Any, *, finished: bool) -> None:
    newer = self.parts.partitions.get(run.partition.source)
    late = newer is not None and newer is not run.partition and not run.partition.active
    _ended(self, run, outcome, finished=finished)
    if late and run.record.offset in newer.tracker._unfinished:
        newer.tracker.finish([run.record.offset])
        newer.dirty = True
        run.partition = newer
        self.parts.intake.left([run], newer)
        self.parts.committer.wake()


def _finish_if_open(self: Finished, runs: Any, partition: PartitionState) -> None:
    for run in runs:
        if run.record.offset in partition.tracker._unfinished:
            _finish(self, [run], partition)
        else:
            partition.lanes.release([run])


_ended = Worker._ended
_finish = Finished.finish
mutation(
    "forget-the-epoch",
    "the late result of an old epoch finishes the record in the new one",
    58,
    (Worker, "_ended", _finish_in_the_new_epoch),
    (Finished, "finish", _finish_if_open),
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


async def _gone_at_once(self: Assignment, leaving: Any, end: float, *, hurry: bool = True) -> None:
    if not hurry:
        await _drain(self, leaving, end, hurry=hurry)


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
    (Assignment, "_abandon", lambda self, leaving, *, sending=True: None),
)


async def _revoked_while_dispatching(self: Assignment, partitions: Any) -> None:
    leaving = [self._partitions[one] for one in partitions if one in self._partitions]
    now = asyncio.get_running_loop().time
    await self._drain(leaving, now() + self._grace)
    self._abandon(leaving)
    await self._drain(leaving, now() + assignment._UNWIND, hurry=False)
    await self._committer.commit(leaving, clean=True)
    self._forget(leaving)


mutation(
    "dispatch-while-leaving",
    "records of a partition that is being handed over still start",
    61,
    (Assignment, "revoked", _revoked_while_dispatching),
)


async def _leave_at_once(_self: Assignment) -> None:
    pass


mutation(
    "leave-without-winding-down",
    "a worker's last commits are made while it leaves, when a classic group refuses them (once a bug of ours)",
    65,
    (Assignment, "wind_down", _leave_at_once),
)
