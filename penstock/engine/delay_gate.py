"""The gate of a retry partition: records wait in order until their tier's time has passed. Never early.

Every record of a retry topic waits the same time after it was written, so the head is always the first due.
"""

from __future__ import annotations

from collections import deque

from penstock.engine.run import Run


class DelayGate:
    """The waiting records of one partition of a retry topic whose tier is `delay` seconds long."""

    __slots__ = ("_waiting", "bytes", "delay")

    def __init__(self, delay: float) -> None:
        self.delay = delay
        self.bytes = 0  # of the values that wait
        self._waiting: deque[Run] = deque()

    def add(self, run: Run) -> None:
        """Queue a record that was just received."""
        self._waiting.append(run)
        self.bytes += len(run.record.value or b"")

    def head_due(self) -> float | None:
        """When the head may leave (epoch seconds), None where nothing waits."""
        return self._waiting[0].record.timestamp / 1000 + self.delay if self._waiting else None

    def release(self, now: float) -> list[Run]:
        """Those whose time has come, in order; `now` in epoch seconds."""
        released = []
        while (due := self.head_due()) is not None and due <= now:
            run = self._waiting.popleft()
            self.bytes -= len(run.record.value or b"")
            released.append(run)
        return released

    def __len__(self) -> int:
        return len(self._waiting)
