"""Bugs of commits and progress."""

from __future__ import annotations

import asyncio
from typing import Any

from penstock.engine import committer
from penstock.engine.assignment import Assignment
from penstock.engine.committer import Committer
from penstock.engine.offsets import OffsetTracker
from tests.mutations.mutation import mutation

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
    334,
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
