"""The last minutes of what ran: how fast each processor is, how much of it fails, and which runs were the slowest."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from penstock.runs.decoding import RanAttempt

WINDOW: Final = 120.0  # seconds
_MOST: Final = 50_000  # attempts kept; beyond, the window is shorter
SLOWEST: Final = 8
_FINISHED: Final = ("done", "skipped", "dead_lettered")


@dataclass(frozen=True, slots=True)
class Rate:
    """One processor lately: attempts a second that ended, by outcome, and their mean run time in seconds.

    `finished` of them a second needed no further attempt. `running` is how many ran at once on average (the
    attempts' time over the window's); `cost` is an hour's, at this pace.
    """

    per_second: float
    finished: float
    outcomes: dict[str, int]
    mean: float
    running: float
    cost: float | None


class Recent:
    """A sliding window over attempts. `now` is epoch seconds."""

    def __init__(self, window: float = WINDOW) -> None:
        self._window = window
        self._attempts: deque[RanAttempt] = deque(maxlen=_MOST)

    def take(self, attempts: Iterable[RanAttempt]) -> None:
        """Attempts that ended, in the order they were heard of."""
        self._attempts.extend(attempts)

    def rates(self, now: float) -> dict[str, Rate]:
        """Every processor of which anything ended within the window."""
        by_processor: dict[str, list[RanAttempt]] = {}
        for one in self._within(now):
            by_processor.setdefault(one.processor, []).append(one)
        return {name: self._rate(found, now) for name, found in by_processor.items()}

    def slowest(self, now: float) -> list[RanAttempt]:
        """The attempts that took longest within the window."""
        return sorted(self._within(now), key=lambda one: one.duration, reverse=True)[:SLOWEST]

    def _within(self, now: float) -> list[RanAttempt]:
        while self._attempts and self._attempts[0].ended < now - self._window:
            self._attempts.popleft()
        return [one for one in self._attempts if one.ended >= now - self._window]

    def _rate(self, found: list[RanAttempt], now: float) -> Rate:
        spent = sum(one.duration for one in found)
        span = max(min(self._window, now - min(one.ended for one in found)), 1.0)
        costs = [cost for one in found if (cost := one.cost) is not None]
        return Rate(
            per_second=len(found) / span,
            finished=sum(one.outcome in _FINISHED for one in found) / span,
            outcomes=dict(Counter(one.outcome for one in found)),
            mean=spent / len(found),
            running=spent / span,
            cost=sum(costs) / span * 3600 if costs else None,
        )
