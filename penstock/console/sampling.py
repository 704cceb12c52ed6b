"""A look at every group each two seconds, as long as somebody watches: rates, and the backlog in seconds.

Backlog, rate and age come from Kafka, so they hold for workers on any host. What is in flight and which share fails is
what the workers of this host serve as metrics; None where none of them runs here.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from penstock.clock import Clock
from penstock.deploy.scrape import Gauges
from penstock.deploy.status import GroupStatus
from penstock.errors import PenstockError

EVERY: Final = 2.0  # seconds
_WINDOW: Final = 15  # samples that a rate is taken over
_FAILED: Final = ("retried", "dead_lettered")


@dataclass(frozen=True, slots=True)
class Figures:
    """One processor now. Rates are per second; `seconds` is how long its backlog takes at that rate."""

    processor: str
    state: str
    members: int
    lag: int
    backlog: int
    waiting: int
    dead_letters: int
    oldest: float | None  # seconds
    rate: float | None
    seconds: float | None
    running: int | None
    slots: int | None
    failing: float | None
    breakers: tuple[str, ...] = ()

    @property
    def saturation(self) -> float | None:
        """Running divided by the slots of this host's workers."""
        return self.running / self.slots if self.running is not None and self.slots else None


@dataclass(frozen=True, slots=True)
class Sample:
    """All processors at one moment (epoch seconds); `problem` says why there is nothing newer."""

    at: float
    figures: Mapping[str, Figures]
    problem: str = ""


@dataclass(slots=True)
class _Series:
    finished: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=_WINDOW))
    outcomes: deque[Counter[str]] = field(default_factory=lambda: deque(maxlen=_WINDOW))


class Sampler:
    """Takes samples while somebody wants them; one series for all who watch."""

    def __init__(
        self,
        look: Callable[[], Awaitable[tuple[GroupStatus, ...]]],
        local: Callable[[], Awaitable[Mapping[str, Gauges]]],
        clock: Clock,
    ) -> None:
        """`look` asks Kafka, `local` the workers of this host."""
        self._look = look
        self._local = local
        self._clock = clock
        self._series: dict[str, _Series] = {}
        self._taken: Sample | None = None
        self._taken_at = 0.0
        self._taking = asyncio.Lock()

    async def newest(self) -> Sample:
        """A sample that is not older than two seconds. Never raises: the sample says what is wrong."""
        async with self._taking:
            if self._taken is None or self._clock.monotonic() - self._taken_at >= EVERY:
                self._taken = await self._take()
                self._taken_at = self._clock.monotonic()
            return self._taken

    async def _take(self) -> Sample:
        try:
            statuses, local = await asyncio.gather(self._look(), self._local())
        except PenstockError as error:
            known = self._taken.figures if self._taken else {}
            return Sample(self._clock.now(), known, str(error))
        now = self._clock.now()
        return Sample(now, {one.processor: self._figures(one, local.get(one.processor), now) for one in statuses})

    def _figures(self, one: GroupStatus, local: Gauges | None, now: float) -> Figures:
        series = self._series.setdefault(one.processor, _Series())
        rate = _rate(series.finished, self._clock.monotonic(), one.finished)
        return Figures(
            processor=one.processor,
            state=one.state,
            members=len(one.members),
            lag=one.lag,
            backlog=one.backlog,
            waiting=one.waiting,
            dead_letters=one.dead_letters,
            oldest=max(now - one.oldest.timestamp / 1000, 0.0) if one.oldest else None,
            rate=rate,
            seconds=one.backlog / rate if rate else (0.0 if not one.backlog else None),
            running=round(local.running) if local else None,
            slots=local.slots if local else None,
            failing=_failing(series.outcomes, local.outcomes) if local else None,
            breakers=local.breakers if local else (),
        )


def _rate(series: deque[tuple[float, int]], at: float, finished: int) -> float | None:
    """Records finished per second over the window; None until there are two samples."""
    if series and finished < series[-1][1]:
        series.clear()  # offsets were reset
    series.append((at, finished))
    (first, before), (last, after) = series[0], series[-1]
    return (after - before) / (last - first) if last > first else None


def _failing(series: deque[Counter[str]], outcomes: Counter[str]) -> float | None:
    """The share of attempts that failed over the window; None where none ended in it."""
    if series and outcomes.total() < series[-1].total():
        series.clear()  # a worker was started anew
    series.append(outcomes)
    ended = outcomes.total() - series[0].total()
    failed = sum(outcomes[name] - series[0][name] for name in _FAILED)
    return failed / ended if ended else None
