"""Watches one worker process from outside, once a second, and reads what its handler tells of it from inside."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.crash.fleet import Fleet, Worker


@dataclass(frozen=True, slots=True)
class State:
    """What a process holds: resident memory in MiB, open files, threads, asyncio tasks."""

    memory: int
    handles: int
    threads: int
    tasks: int


class Watch:
    """`peak` is resident memory in MiB; `longest` the longest time without a commit while there was work."""

    def __init__(self, fleet: Fleet, worker: Worker, probes: Path) -> None:
        self._fleet = fleet
        self._worker = worker
        self._probes = probes
        self.peak = 0
        self.commits = 0
        self.longest = 0.0

    def until(self, over: Callable[[], bool], within: float) -> None:
        """Look once a second until it is over. Raises AssertionError where the worker ends, or it takes too long."""
        began = last = time.monotonic()
        while not over():
            assert self._worker.alive, self._worker.said()[-2000:]
            now = time.monotonic()
            assert now - began < within, f"not drained after {within:g} s"
            self.peak = max(self.peak, _resident(self._worker.pid))
            commits = int(self._fleet.metric("penstock_commits_total"))
            if commits > self.commits:
                self.commits, last = commits, now
            self.longest = max(self.longest, now - last)
            time.sleep(1)

    def states(self) -> dict[str, State]:
        """What the probes found, by their name."""
        if not self._probes.exists():
            return {}
        lines = [json.loads(line) for line in self._probes.read_text().splitlines()]
        return {line.pop("probe"): State(**line) for line in lines}


def _resident(pid: int) -> int:
    fields = Path(f"/proc/{pid}/statm").read_text().split()
    return int(fields[1]) * 4096 >> 20
