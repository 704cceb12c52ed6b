"""A run as it went: its attempts one under the other, the waits between them, and the steps inside each to scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from penstock.engine.trail import Step
from penstock.runs.decoding import RanAttempt

_THINNEST = 0.4  # percent: what took no time is still seen


@dataclass(frozen=True, slots=True)
class Bar:
    """One step: where it begins and how long it is, in percent of its attempt."""

    step: Step
    left: float
    width: float


@dataclass(frozen=True, slots=True)
class Stretch:
    """One attempt; `waited` are the seconds since the one before ended, or since the event was there."""

    attempt: RanAttempt
    waited: float
    bars: tuple[Bar, ...]


def timeline_of(attempts: Sequence[RanAttempt]) -> tuple[Stretch, ...]:
    """The attempts of one run, in the order of their start."""
    found = []
    ended: float | None = None
    for one in attempts:
        waited = one.queued if ended is None else max(one.started - ended, 0.0)
        found.append(Stretch(one, waited, _bars(one)))
        ended = one.ended
    return tuple(found)


def _bars(attempt: RanAttempt) -> tuple[Bar, ...]:
    length = max(attempt.duration, *(step.at + step.duration for step in attempt.steps), 1e-6)

    def bar(step: Step) -> Bar:
        left = min(step.at / length * 100, 100 - _THINNEST)
        return Bar(step, left, min(max(step.duration / length * 100, _THINNEST), 100 - left))

    return tuple(bar(step) for step in attempt.steps)
