"""What the screen shows: numbers that the demonstration keeps while it runs, and the sentences it says."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Look:
    """A worker as it was a moment ago. `pid` None: it runs inside this process; `up` False: it does not live now."""

    in_flight: int
    partitions: int
    concurrency: int
    pid: int | None = None
    up: bool = True


@dataclass
class Board:
    """The state of the screen. `watched` is the processor whose workers are shown."""

    watched: str
    say: Callable[[str], None] = lambda _: None
    title: str = ""
    target: int = 0
    begun: float = field(default_factory=time.monotonic)
    looks: dict[str, Look] = field(default_factory=dict)
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)  # (processor, outcome) -> attempts
    peak: int = 0
    dead: str = ""  # the worker that was killed, and its partitions
    inherited: frozenset[int] = frozenset()
    heirs: Counter[str] = field(default_factory=Counter)  # worker -> runs of those partitions it finished

    def attempt(self, worker: str, processor: str, outcome: str, partition: int) -> None:
        """One attempt has ended."""
        self.outcomes[processor, outcome] += 1
        if processor == self.watched and outcome == "done" and partition in self.inherited and worker != self.dead:
            self.heirs[worker] += 1

    def looked(self, looks: Mapping[str, Look]) -> None:
        """The watched workers as they are now."""
        self.looks = dict(looks)
        self.peak = max(self.peak, self.in_flight)

    def bequeath(self, dead: str, partitions: Collection[int]) -> None:
        """From now on, count who finishes runs of a dead worker's partitions; its own last words do not count."""
        self.dead, self.inherited = dead, frozenset(partitions)

    def restart(self, title: str, target: int) -> None:
        """A new act begins: its title, how many tickets it is about, and all counts from nothing."""
        self.title, self.target = title, target
        self.outcomes.clear()
        self.heirs.clear()
        self.peak = 0
        self.say(title)

    @property
    def in_flight(self) -> int:
        """Runs of the watched processor that execute now."""
        return sum(look.in_flight for look in self.looks.values())

    @property
    def elapsed(self) -> float:
        """Seconds since the demonstration began."""
        return time.monotonic() - self.begun

    def counted(self, outcome: str, processor: str | None = None) -> int:
        """Attempts with this outcome; of the watched processor, unless another is named ('' means all)."""
        wanted = self.watched if processor is None else processor
        return sum(n for (one, ended), n in self.outcomes.items() if ended == outcome and wanted in {"", one})

    def line(self) -> str:
        """Everything in one line, for a screen that is none."""
        workers = ", ".join(
            f"{name}: {look.in_flight} on {look.partitions} partitions" if look.up else f"{name}: down"
            for name, look in self.looks.items()
        )
        return (
            f"in flight {self.in_flight} ({workers}) | triage runs done {self.counted('done')}, "
            f"retried {self.counted('retried')}, dead letters {self.counted('dead_lettered')}"
        )
