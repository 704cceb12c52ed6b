"""Lanes: which record of a partition may run now. One lane per key; a lane runs one record at a time.

A null key belongs to no lane. Ordering `partition` puts every record into one lane, `none` into none.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from penstock.engine.run import Run


class Lanes:
    """The lanes of one partition. What may run is appended to `ready`, which all partitions of a worker share."""

    __slots__ = ("_by_key", "_lanes", "_ready", "_unordered", "waiting")

    def __init__(self, ordering: str, ready: deque[Run]) -> None:
        self._by_key = ordering == "key"
        self._unordered = ordering == "none"
        self._ready = ready
        self._lanes: dict[bytes, deque[Run] | None] = {}  # None: one runs, none waits
        self.waiting = 0

    def add(self, runs: Iterable[Run]) -> None:
        """Let each go at once if its lane is free, else queue it there."""
        ready, lanes, by_key = self._ready, self._lanes, self._by_key
        if self._unordered:
            ready.extend(runs)
            return
        for run in runs:
            key = run.record.key if by_key else b""
            if key is None:
                ready.append(run)
            elif key not in lanes:
                lanes[key] = None
                ready.append(run)
            else:
                self._queue(key).append(run)
                self.waiting += 1

    def _queue(self, key: bytes) -> deque[Run]:
        queue = self._lanes[key]
        if queue is None:
            queue = self._lanes[key] = deque()
        return queue

    def release(self, runs: Iterable[Run]) -> None:
        """These are finished: the next of their lanes may go."""
        lanes, by_key = self._lanes, self._by_key
        if self._unordered:
            return
        for run in runs:
            key = run.record.key if by_key else b""
            if key is not None and (queue := lanes.pop(key)):
                lanes[key] = queue
                self._ready.append(queue.popleft())
                self.waiting -= 1

    def __len__(self) -> int:
        return len(self._lanes)
