"""Rate limits: how many requests and tokens may leave, in a share that changes with the assignment. Pure."""

from __future__ import annotations

from typing import Final

from penstock.durations import Rate

_BURST: Final = 0.05  # of a period's count may leave at once; the flow is that much less, so no period exceeds it
_UNKNOWN: Final = 0.1  # of the burst: what a run is taken to cost until one has told its cost


class Bucket:
    """What may leave now: filled by time, emptied by starts. May go below zero where a run took more than thought."""

    __slots__ = ("_burst", "_filled", "_flow", "level", "share")

    def __init__(self, rate: Rate, now: float) -> None:
        self._burst = max(rate.count * _BURST, 1.0)
        self._flow = max(rate.count - self._burst, rate.count * _BURST) / rate.period
        self._filled = now
        self.level = 0.0  # a worker that comes anew brings nothing: else each start would be a burst of its own
        self.share = 1.0

    def wait(self, needed: float, now: float) -> float:
        """Seconds until `needed` may leave; 0 for now. More than the burst never fits: it waits for a full bucket."""
        self._fill(now)
        missing = min(needed, self._burst * self.share) - self.level
        return max(missing / (self._flow * max(self.share, 1e-6)), 0.0) if missing > 1e-9 else 0.0

    def take(self, amount: float) -> None:
        """Something left; a negative amount gives back what was thought to."""
        self.level = min(self.level - amount, self._burst * self.share)

    def _fill(self, now: float) -> None:
        self.level = min(self.level + (now - self._filled) * self._flow * self.share, self._burst * self.share)
        self._filled = now

    @property
    def unknown_cost(self) -> float:
        """What a run may cost before any has told."""
        return max(self._burst * _UNKNOWN, 1.0)


class Allowance:
    """The limits of one provider for one worker. A start takes what a run uses on average; the rest when it ended."""

    def __init__(self, requests: Rate | None, tokens: Rate | None, now: float) -> None:
        self._requests = Bucket(requests, now) if requests else None
        self._tokens = Bucket(tokens, now) if tokens else None
        self._requests_each = 1.0
        self._tokens_each = self._tokens.unknown_cost if self._tokens else 0.0
        self._told = False
        self.blocked_until = 0.0

    @property
    def limited(self) -> bool:
        """Whether anything is limited here."""
        return self._requests is not None or self._tokens is not None

    def set_share(self, share: float) -> None:
        """This worker's part of the group's limit, 0 to 1."""
        for bucket in (self._requests, self._tokens):
            if bucket is not None:
                bucket.share = share

    def wait(self, now: float) -> float:
        """Seconds until one more run may start; 0 for now."""
        waits = [self.blocked_until - now, 0.0]
        if self._requests is not None:
            waits.append(self._requests.wait(self._requests_each, now))
        if self._tokens is not None:
            waits.append(self._tokens.wait(self._tokens_each, now))
        return max(waits)

    def start(self) -> tuple[float, float]:
        """One run starts. Returns what was taken in advance, to be given to `settle`."""
        taken = (self._requests_each, self._tokens_each)
        self._take(*taken)
        return taken

    def settle(self, taken: tuple[float, float], requests: int, tokens: int) -> None:
        """The run ended and made so many calls (at least one) with so many tokens."""
        made = max(requests, 1)
        self._take(made - taken[0], tokens - taken[1])
        weight = 0.2 if self._told else 1.0
        self._told = self._told or tokens > 0
        self._requests_each += (made - self._requests_each) * 0.2
        if tokens:
            self._tokens_each += (tokens - self._tokens_each) * weight

    def leave_alone(self, seconds: float, now: float) -> None:
        """The provider named a time (Retry-After): nothing starts before it has passed."""
        self.blocked_until = max(self.blocked_until, now + seconds)

    def _take(self, requests: float, tokens: float) -> None:
        if self._requests is not None:
            self._requests.take(requests)
        if self._tokens is not None:
            self._tokens.take(tokens)
