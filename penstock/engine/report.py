"""What is said of each attempt: one value, for the log line, the run record and whoever else listens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from penstock.engine.outcome import Failure, Outcome, name_of
from penstock.engine.run import Run
from penstock.engine.trail import ModelUsage, Step
from penstock.record import Position, Record


class AttemptReport(NamedTuple):
    """One attempt as it ended.

    A tuple: one is made per event, and a frozen dataclass costs three times as much.
    `started` is epoch seconds, all other times are seconds. `queued` is how long the record was there (or due) before
    it started; `lateness` is None where nothing was due. `sent` is where its outputs stand in the log, or its retry
    record or dead letter; `deferrals` counts those made before. `record` is the record as it was received.
    """

    processor: str
    run_id: str
    record: Record
    attempt: int
    outcome: str
    reason: str
    duration: float
    lateness: float | None
    failure: Failure | None
    started: float = 0.0
    queued: float = 0.0
    deferrals: int = 0
    steps: Sequence[Step] = ()
    steps_left_out: int = 0
    usage: Sequence[ModelUsage] = ()
    sent: Sequence[Position] = ()

    @property
    def position(self) -> Position:
        """Where the record stands that was handled."""
        return self.record.position


class Recorder(Protocol):
    """Who keeps a record of attempts, as far as there is time for it.

    While `hungry` is False, an attempt that went well and has nothing further to tell is not reported at all (only
    added to `passed_over`): making its report costs as much as all the rest of a run that does nothing.
    """

    hungry: bool
    passed_over: int

    def observe(self, report: AttemptReport) -> None:
        """Take one; must neither block nor raise."""
        ...


def report_of(
    processor: str, run_id: str, run: Run, outcome: Outcome, duration: float, started: float
) -> AttemptReport:
    """The report of an outcome, and an end to the run's trail: the next attempt begins its own."""
    failure = getattr(outcome, "failure", None)
    reason = getattr(outcome, "reason", "") or (failure.message if failure else "")
    name = name_of(outcome)
    spent = name in ("retried", "dead_lettered") and run.attempts
    trail, run.trail = run.trail, None
    sent, run.sent = run.sent, ()
    record = run.record
    return AttemptReport(
        processor,
        run_id,
        record,
        run.attempts if spent else run.attempts + 1,
        name,
        reason,
        duration,
        run.lateness,
        failure,
        started,
        max(started - (run.due or record.timestamp / 1000), 0.0),
        run.deferrals - (name == "deferred"),
        trail.steps if trail else (),
        trail.steps_left_out if trail else 0,
        trail.usage.models if trail else (),
        sent,
    )
