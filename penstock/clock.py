"""The only door to time: what the wall says, and how long things take. Passed in, never reached for."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Time as the engine sees it. Sleeping is asyncio's own: a virtual loop moves both."""

    def now(self) -> float:
        """Wall time in epoch seconds; it may jump."""
        ...

    def monotonic(self) -> float:
        """Seconds that only grow, for durations and deadlines."""
        ...


class SystemClock:
    """The machine's clocks."""

    now = staticmethod(time.time)  # epoch seconds
    monotonic = staticmethod(time.monotonic)  # by CLOCK_MONOTONIC, which asyncio's own loop uses too
