"""Breakers: when failures say that the provider (or the handler itself) is down, and when it may be asked again.

    closed ──(too many failures, or denied)──> open ──(open_for)──> half open ──(the probe is answered)──> closed
                                                ^─────────────(the probe fails)─────┘

Pure: time is passed in, nothing is scheduled here.
"""

from __future__ import annotations

from collections import deque
from enum import Enum
from typing import Final

LAST_CALLS: Final = 50  # looked at, of those in the window: an outage shows within seconds where much is called
LEAST_CALLS: Final = 5  # fewer calls say nothing
IN_A_ROW: Final = (
    10  # failures without an answer between them: nobody need wait until they are half of what went before
)
FIRST_ATTEMPTS: Final = 100


class State(Enum):
    """Where a breaker stands; the numbers are the metric's."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


class Breaker:
    """One breaker. `opened` counts how often it went from closed to open, `why` says the last failure that did it."""

    __slots__ = ("name", "open_for", "opened", "state", "until", "why")

    def __init__(self, name: str, open_for: float) -> None:
        self.name = name
        self.open_for = open_for
        self.state = State.CLOSED
        self.until = 0.0
        self.opened = 0
        self.why = ""

    def trip(self, why: str, now: float, after: float | None = None, *, least: float | None = None) -> bool:
        """Open, or stay open longer; `after` is what the provider asks for. True where it was not open before.

        `least` seconds it stays open whatever `after` says: `open_for` where None.
        """
        was_open = self.state is State.OPEN
        until = now + max(self.open_for if least is None else least, after or 0.0)
        self.until = max(self.until, until) if not was_open or after else self.until
        self.opened += self.state is State.CLOSED
        self.state = State.OPEN
        if not was_open:
            self.why = why
        return not was_open

    def turn_half_open(self, now: float) -> bool:
        """Let a probe through once the time has come; True where that is now."""
        if self.state is State.OPEN and now >= self.until:
            self.state = State.HALF_OPEN
            return True
        return False

    def answered(self) -> bool:
        """A call went well: True where that closes it. What was called before it opened proves nothing."""
        if self.state is not State.HALF_OPEN:
            return False
        self.state = State.CLOSED
        self.until = 0.0
        return True


class CallWindow:
    """The calls of the last `window` seconds, at most the last 50: do failures make up `share`, or the last ten all?"""

    __slots__ = ("_calls", "_failed", "_in_a_row", "_share", "_window")

    def __init__(self, share: float, window: float) -> None:
        self._share = share
        self._window = window
        self._calls: deque[tuple[float, bool]] = deque()
        self._failed = 0
        self._in_a_row = 0

    def add(self, now: float, *, failed: bool) -> bool:
        """Count a call that ended; True where there are too many failures now."""
        calls = self._calls
        calls.append((now, failed))
        self._failed += failed
        self._in_a_row = self._in_a_row + 1 if failed else 0
        while len(calls) > LAST_CALLS or calls[0][0] < now - self._window:
            self._failed -= calls.popleft()[1]
        too_many = len(calls) >= LEAST_CALLS and self._failed >= self._share * len(calls)
        return failed and (too_many or self._in_a_row >= IN_A_ROW)

    def clear(self) -> None:
        """Forget everything."""
        self._calls.clear()
        self._failed = self._in_a_row = 0


class FirstAttempts:
    """Whether at least half of the last 100 first attempts failed. Successes cost nothing: they are counted anyway."""

    __slots__ = ("_at", "_failures")

    def __init__(self) -> None:
        self._at: deque[int] = deque(maxlen=FIRST_ATTEMPTS // 2)
        self._failures = 0

    def failed(self, done: int) -> bool:
        """A first attempt failed when `done` runs had gone well in all; True where that makes half of the last 100."""
        self._failures += 1
        self._at.append(done + self._failures)
        full = len(self._at) == self._at.maxlen
        return full and self._at[-1] - self._at[0] < FIRST_ATTEMPTS

    def clear(self) -> None:
        """Forget the failures."""
        self._at.clear()
