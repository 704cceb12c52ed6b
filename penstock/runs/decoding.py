"""Run records read back: a batch opened, and each attempt in it as a value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from penstock.engine.trail import ModelUsage, Step
from penstock.record import Record
from penstock.runs import fields


@dataclass(frozen=True, slots=True)
class AttemptError:
    """Why an attempt failed; `trace` is '' where there was no exception."""

    type: str
    message: str
    fingerprint: str
    trace: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RanAttempt:
    """One attempt as the record of what ran tells it.

    `started` is epoch seconds, all durations are seconds; positions are text (`topic/0@12`). `at` is where the record
    stood that was handled, `origin` where it first stood, `sent` where its outputs stand, or its retry record or dead
    letter. `code` is the app's own version. Texts are '' where nothing is said.
    """

    processor: str
    group: str
    worker: str
    code: str
    run_id: str
    event_id: str
    type: str
    correlation_id: str
    causation_id: str
    at: str
    origin: str
    key: str | None
    attempt: int
    deferrals: int
    outcome: str
    reason: str
    started: float
    queued: float
    duration: float
    lateness: float | None
    error: AttemptError | None
    steps: tuple[Step, ...]
    steps_left_out: int
    usage: tuple[ModelUsage, ...]
    sent: tuple[str, ...]
    sent_count: int
    replay_id: str
    replayed_from: str
    data: Any

    @property
    def cost(self) -> float | None:
        """Of all model calls; None where none named one."""
        known = [one.cost for one in self.usage if one.cost is not None]
        return sum(known) if known else None

    @property
    def tokens(self) -> tuple[int, int]:
        """In and out."""
        return sum(one.tokens_in for one in self.usage), sum(one.tokens_out for one in self.usage)

    @property
    def ended(self) -> float:
        """Epoch seconds."""
        return self.started + self.duration


def opened(record: Record) -> tuple[Mapping[str, Any], list[dict[str, Any]]] | None:
    """The head of a batch and its attempts as they stand; None for what is not one, or of another version.

    They are taken apart: who keeps one attempt with its head does not keep the whole batch.
    """
    try:
        batch = orjson.loads(record.value or b"")
    except orjson.JSONDecodeError:
        return None
    if not isinstance(batch, dict) or batch.get(fields.V) != fields.VERSION:
        return None
    attempts = batch.pop(fields.ATTEMPTS, None)
    return (batch, attempts) if isinstance(attempts, list) else None


def attempts_in(record: Record) -> Iterator[RanAttempt]:
    """Every attempt of a batch; none where it is not one."""
    found = opened(record)
    if found is not None:
        head, attempts = found
        for attempt in attempts:
            yield ran_attempt(head, attempt)


def ran_attempt(head: Mapping[str, Any], found: Mapping[str, Any]) -> RanAttempt:
    """One attempt of a batch as a value."""
    get = found.get
    event = get(fields.EVENT, "")
    at = get(fields.AT, "")
    sent = tuple(get(fields.SENT, ()))
    late = get(fields.LATE)
    error = get(fields.ERROR)
    return RanAttempt(
        processor=head.get(fields.PROCESSOR, ""),
        group=head.get(fields.GROUP, ""),
        worker=head.get(fields.WORKER, ""),
        code=head.get(fields.CODE, ""),
        run_id=get(fields.RUN, ""),
        event_id=event,
        type=get(fields.TYPE, ""),
        correlation_id=get(fields.CORRELATION, event),
        causation_id=get(fields.CAUSATION, ""),
        at=at,
        origin=get(fields.ORIGIN, at),
        key=get(fields.KEY),
        attempt=get(fields.ATTEMPT, 1),
        deferrals=get(fields.DEFERRALS, 0),
        outcome=get(fields.OUTCOME, ""),
        reason=get(fields.REASON, ""),
        started=get(fields.STARTED, 0) / 1000,
        queued=get(fields.QUEUED, 0) / 1000,
        duration=get(fields.RAN, 0) / 1000,
        lateness=None if late is None else late / 1000,
        error=AttemptError(**error) if error else None,
        steps=tuple(Step(name, began / 1000, ms / 1000, error) for name, began, ms, error in get(fields.STEPS, ())),
        steps_left_out=get(fields.STEPS_LEFT_OUT, 0),
        usage=tuple(ModelUsage(**one) for one in get(fields.USAGE, ())),
        sent=sent,
        sent_count=get(fields.SENT_COUNT, len(sent)),
        replay_id=get(fields.REPLAY, ""),
        replayed_from=get(fields.REPLAYED_FROM, ""),
        data=get(fields.DATA),
    )
