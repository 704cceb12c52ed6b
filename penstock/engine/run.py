"""A run in flight: one record taken from the broker, from its arrival until it is finished."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from penstock.record import Position, Record

if TYPE_CHECKING:
    from penstock.engine.partition import PartitionState
    from penstock.engine.trail import Trail


class Run:
    """One record in flight. It belongs to the partition state of one assignment, and ends with it.

    `attempts` and `deferrals` were made before; `first_failure` (epoch ms, 0 for none) is when the trouble began.
    `started` is loop time while its handler runs, else 0; `spent` are the seconds the handler took; `lateness` is how
    long after its due time it started, where it had one. Of the attempt under way, `trail` holds steps and usage,
    `sent` says where its records stand, `began` when it started, while it is handed off.
    """

    # Class attributes: what is the same in nearly every run is not stored in each.
    attempts = 0
    deferrals = 0
    first_failure = 0
    due = 0.0
    started = 0.0
    spent = 0.0
    began = 0.0
    lateness: float | None = None
    timed_out = False
    abandoned = False
    run_id = ""
    trail: Trail | None = None
    sent: Sequence[Position] = ()
    task: asyncio.Task[None] | None = None

    def __init__(self, record: Record, partition: PartitionState) -> None:
        self.record = record
        self.partition = partition

    def cancel(self) -> None:
        """Stop the handler where it waits; the run alone is hit. Only for a run that is running."""
        if self.task is not None and self.started:
            self.task.cancel()

    def __repr__(self) -> str:
        return f"<Run {self.record.position} attempt {self.attempts + 1}>"
