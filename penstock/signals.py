"""What a handler says instead of a result: try again, not now, never, not mine.

They may be returned or raised. Raised, they derive from BaseException as CancelledError does: agent frameworks
catch Exception inside their tool loops and would turn a raised signal into chat text.
"""

from __future__ import annotations

from datetime import timedelta

from penstock.durations import seconds


class Signal(BaseException):
    """A handler's verdict on its run; not an error."""


class Retry(Signal):
    """The attempt failed; try again `after` (seconds, timedelta or "30s"), or by the policy where None."""

    def __init__(self, reason: str = "", *, after: float | str | timedelta | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.after = None if after is None else seconds(after)


class Defer(Signal):
    """Not now: run again `after`, without spending an attempt (provider outage, rate limit)."""

    def __init__(self, reason: str = "", *, after: float | str | timedelta) -> None:
        super().__init__(reason)
        self.reason = reason
        self.after = seconds(after)


class Reject(Signal):
    """This event will never succeed: straight to the dead letter topic."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Skip(Signal):
    """Nothing to do for this event: finished, and counted as skipped."""

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
