"""What every Python subject counts and says. Standard library only: it runs in the peers' environment too."""

from __future__ import annotations

import dataclasses
import json
import os
import resource
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any


@dataclasses.dataclass(frozen=True)
class Task:
    """What one subject is to do. Times in seconds; `spawned` is the wall time at which its process was started."""

    mode: str
    bootstrap: str
    topic: str
    group: str
    count: int
    limit: float = 60.0  # from the first record on; a slow subject is stopped then, and its rate is over what it did
    concurrency: int = 100
    sleep: float = 0.0
    output: str = ""
    spawned: float = 0.0
    data: str = "."  # a folder for the subject's own files

    def dump(self) -> str:
        """As one argument of a command line."""
        return json.dumps(dataclasses.asdict(self))


def task() -> Task:
    """The task this process was started with."""
    return Task(**json.loads(sys.argv[1]))


def say(word: str, value: Any = None) -> None:
    """One line to whoever started this process."""
    sys.stdout.write(f"{word} {json.dumps(value)}\n")
    sys.stdout.flush()


class Meter:
    """Counts records from the first handled to the last, and what they cost. Not for use from several threads."""

    def __init__(self, given: Task, stop: Callable[[], None]) -> None:
        """`stop` is called once, when all is counted or the time is up; it may be called from a thread."""
        self.events = 0
        self.running = self.peak = self.violations = 0
        self.samples: list[float] = []
        self.extra: dict[str, Any] = {}
        self._task = given
        self._stop = stop
        self._mark = 1
        self._lock = threading.Lock()
        self.result: dict[str, Any] | None = None
        self._busy: set[Any] = set()
        self._last: dict[Any, int] = {}
        self._began = self._first = self._cpu = 0.0
        self._threads: Counter[str] = Counter()

    def one(self) -> None:
        """A record was handled."""
        self.events += 1
        if self.events == self._mark:
            self._marked()

    def enter(self, key: Any, offset: int) -> None:
        """A handler starts. Two of one key at once, or one that is not later than the one before, is a violation."""
        if key in self._busy or self._last.get(key, -1) >= offset:
            self.violations += 1
        self._busy.add(key)
        self._last[key] = offset
        self.running += 1
        if self.running > self.peak:
            self.peak = self.running
            if self.peak == self._task.concurrency:
                self.extra["reached"] = round(time.perf_counter() - (self._began or time.perf_counter()), 3)
        if not self._began:
            self.start()

    def leave(self, key: Any) -> None:
        """It ends."""
        self._busy.discard(key)
        self.running -= 1
        self.events += 1
        if self.events == self._task.count:
            self.finish()

    def _marked(self) -> None:
        if self.events == 1 and self._task.count > 1:
            self._mark = self._task.count
            self.start()
        else:
            self.finish()

    def start(self) -> None:
        """The first record is there: what was imported, built and joined before is counted nowhere."""
        self._cpu = time.process_time()
        self._threads = threads()
        self._began = time.perf_counter()
        self._first = time.time() - self._task.spawned
        say("first", self._first)
        timer = threading.Timer(self._task.limit, self.finish)
        timer.daemon = True
        timer.start()

    def finish(self) -> None:
        """All is counted, or the time is up. Later calls do nothing."""
        with self._lock:
            if self.result is not None:
                return
            seconds = time.perf_counter() - self._began
            cpu = time.process_time() - self._cpu
            self.result = {
                "events": self.events,
                "seconds": seconds,
                "rate": self.events / seconds,
                "cpu_us": cpu / max(self.events, 1) * 1e6,
                "rss": peak_rss(),
                "peak": self.peak,
                "violations": self.violations,
                "first": self._first,
                "threads_us": {
                    name: spent / max(self.events, 1) * 1e6 for name, spent in (threads() - self._threads).items()
                },
            }
        self._stop()

    def report(self) -> None:
        """Say the result; to be called last, from the main thread."""
        if self.result is None:
            say("failed", "ended before anything could be measured")
            sys.exit(1)
        say("result", {**self.result, **self.extra, "samples": self.samples})


def peak_rss() -> float:
    """MiB. From /proc where there is one: `ru_maxrss` also holds what the parent had when it forked."""
    try:
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    scale = 1024**2 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale


def threads() -> Counter[str]:
    """Processor seconds so far, by kind of thread: the main one (loop), librdkafka's own (client), others."""
    spent: Counter[str] = Counter()
    tick = os.sysconf("SC_CLK_TCK")
    for folder in Path("/proc/self/task").glob("*"):
        try:
            name, fields = (folder / "stat").read_text(encoding="utf-8").rsplit(")", 1)
        except OSError:
            continue
        used = fields.split()
        comm = name.partition("(")[2]
        kind = "main" if folder.name == str(os.getpid()) else "client" if comm.startswith("rdk:") else "others"
        spent[kind] += (int(used[11]) + int(used[12])) / tick  # type: ignore[assignment]
    return spent
