"""Bugs of bounds and memory."""

from __future__ import annotations

from typing import Any

from penstock.engine.dispatch import Dispatch
from penstock.engine.intake import Intake
from penstock.engine.pool import Pool
from tests.mutations.mutation import mutation


def _keeps_the_bytes(self: Intake, runs: Any, state: Any) -> None:
    state.in_flight_bytes += sum(len(run.record.value or b"") for run in runs)
    _left(self, runs, state)


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
    7,
    (Intake, "reapply_pauses", lambda self: None),
)


def _pauses_forgotten(self: Intake) -> None:
    self._paused.clear()
    for state in self._partitions.values():
        self.review(state)


mutation(
    "pause-for-ever",
    "after an assignment the engine forgets a pause that the client remembers (once a bug of ours)",
    61,
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
    3584,
    (Dispatch, "forget", lambda self, partition: None),
)
