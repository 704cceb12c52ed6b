"""What is said of each attempt: one value, for the log line and whoever else listens."""

from __future__ import annotations

from dataclasses import dataclass

from penstock.engine.outcome import Failure, Outcome, name_of
from penstock.record import Position


@dataclass(frozen=True, slots=True)
class AttemptReport:
    """One attempt as it ended. Times in seconds; `lateness` is None where nothing was due; `queued` since received."""

    processor: str
    run_id: str
    position: Position
    attempt: int
    outcome: str
    reason: str
    duration: float
    lateness: float | None
    failure: Failure | None


def report_of(
    processor: str,
    run_id: str,
    position: Position,
    attempt: int,
    outcome: Outcome,
    duration: float,
    lateness: float | None,
) -> AttemptReport:
    """The report of an outcome."""
    failure = getattr(outcome, "failure", None)
    reason = getattr(outcome, "reason", "") or (failure.message if failure else "")
    return AttemptReport(processor, run_id, position, attempt, name_of(outcome), reason, duration, lateness, failure)
