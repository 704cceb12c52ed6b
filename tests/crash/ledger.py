"""The ledger of one run: what was sent, what the handlers wrote, and from both what was lost or done twice."""

from __future__ import annotations

import itertools
import json
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

COMMITTED_WITHIN = 0.3  # seconds from a run's end to its commit while runs are slow
COMMITTED_WITHIN_FAST = 1.2  # while they are fast


@dataclass(frozen=True, slots=True)
class Line:
    """One line a handler wrote: `what` is start, end or fail; `time` monotonic."""

    what: str
    n: int
    key: str | None
    attempt: int
    topic: str
    partition: int
    offset: int
    pid: int
    time: float


@dataclass(frozen=True, slots=True)
class Fault:
    """A moment at which processes went away: what they had in hand then may be done twice.

    Those that come back without knowing that they were gone learn it by `until`; what they start before may repeat too.
    """

    time: float
    pids: frozenset[int]
    until: float = 0.0


class Ledger:
    """Reads the handlers' file as it grows; `sent` is filled by who sends (number to key), `faults` by who breaks."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.sent: dict[int, str | None] = {}
        self.faults: list[Fault] = []
        self._lines: list[Line] = []
        self._read = 0

    @property
    def lines(self) -> list[Line]:
        """All lines until now, in the order they were written."""
        if self.path.exists():
            with self.path.open("rb") as file:
                file.seek(self._read)
                new = file.read()
            whole = new[: new.rfind(b"\n") + 1]
            self._read += len(whole)
            self._lines += [Line(**json.loads(line)) for line in whole.splitlines()]
        return self._lines

    def of(self, what: str) -> list[Line]:
        """All lines of one kind."""
        return [line for line in self.lines if line.what == what]

    @property
    def done(self) -> set[int]:
        """Numbers whose handler ended well at least once."""
        return {line.n for line in self.lines if line.what == "end"}

    def missing(self, elsewhere: Collection[int] = ()) -> set[int]:
        """Sent, and neither done nor `elsewhere` (the dead letter topic, say)."""
        return set(self.sent) - self.done - set(elsewhere)

    def repeated(self) -> list[Line]:
        """Starts of an attempt that had been started before."""
        seen: set[tuple[int, int]] = set()
        found = []
        for line in self.of("start"):
            attempt = (line.n, line.attempt)
            if attempt in seen:
                found.append(line)
            seen.add(attempt)
        return found

    def allowed(self, within: float) -> set[tuple[int, int]]:
        """The attempts that the faults may repeat: in hand at the fault, or ended less than `within` s before it."""
        spans: dict[tuple[int, int, int], list[float]] = {}
        for line in self.lines:
            attempt = (line.n, line.attempt, line.pid)
            if line.what == "start":
                spans.setdefault(attempt, [line.time, float("inf")])
            elif attempt in spans:
                spans[attempt][1] = line.time
        return {
            (n, attempt)
            for (n, attempt, pid), (start, end) in spans.items()
            for fault in self.faults
            if pid in fault.pids and start <= max(fault.time, fault.until) and end > fault.time - within
        }

    def forbidden(self, within: float) -> list[Line]:
        """Repeated, and no fault explains it."""
        allowed = self.allowed(within)
        return [line for line in self.repeated() if (line.n, line.attempt) not in allowed]

    def out_of_order(self) -> list[tuple[Line, Line]]:
        """Neighbours of one key whose first starts came in another order than they were sent. Repeats do not count."""
        starts: dict[str, list[Line]] = defaultdict(list)
        seen: set[int] = set()
        for line in self.of("start"):
            if line.n not in seen and line.key is not None:
                starts[line.key].append(line)
            seen.add(line.n)
        return [pair for found in starts.values() for pair in _descending(found)]

    def owners(self, before: float) -> dict[int, int]:
        """Which process each source partition was run by last before a moment."""
        return {line.partition: line.pid for line in self.of("start") if line.time < before}

    def recovery(self, fault: Fault) -> float | None:
        """Seconds from a fault to the first end, elsewhere, of a partition whose process went away; None: not yet."""
        left = {partition for partition, pid in self.owners(fault.time).items() if pid in fault.pids}
        ends = [
            line.time
            for line in self.of("end")
            if line.time > fault.time and line.partition in left and line.pid not in fault.pids
        ]
        return ends[0] - fault.time if ends else None


def _descending(lines: list[Line]) -> Iterable[tuple[Line, Line]]:
    return [(first, then) for first, then in itertools.pairwise(lines) if then.n < first.n]
