"""Bugs of losses, suspects and starts."""

from __future__ import annotations

from typing import Any

from penstock.broker.in_memory import beginnings
from penstock.engine.assignment import Assignment
from penstock.engine.offsets import OffsetTracker
from penstock.engine.suspects import Suspects
from tests.mutations.mutation import mutation

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
    partition.suspicious_until, partition.probing = -1, False
    partition.unclean = 1
    partition.dirty = True
    self._release(partition)


def _judge_once(self: Suspects, partition: Any, end: int) -> None:
    if partition.crashed_offset is None:
        _judge(self, partition, end)


def _judge_by_progress(self: Suspects, partition: Any, end: int) -> None:
    _judge(self, partition, end)
    if not partition.is_suspicious:
        partition.line, partition.suspicious_until, partition.probing = partition.start + 1, -1, False


_judge = Suspects.judge
mutation(
    "any-progress-forgives",
    "deaths over the same records are forgotten as soon as anything is finished (once a bug of ours)",
    1296,
    (Suspects, "judge", _judge_by_progress),
)
mutation(
    "suspects-cleared-too-soon",
    "the next record starts before the last suspect's end is committed, and the innocent is blamed (a bug of ours)",
    732,
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
