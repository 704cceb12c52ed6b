"""What a worker counts, kept as plain numbers on the loop and exported when somebody scrapes."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

DURATION_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
LATENESS_BUCKETS: Final = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)


MOST_LABELS: Final = 50  # models, and names of steps; what an app makes up beyond is counted as OTHER
OTHER: Final = "other"


class Histogram:
    """Counts per bucket (upper bounds in seconds), the last one open, and the sum."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    @property
    def count(self) -> int:
        """Values counted."""
        return sum(self.counts)

    def observe(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def observe_all(self, values: Iterable[float]) -> None:
        """Count several."""
        bounds, counts, total = self.bounds, self.counts, 0.0
        for value in values:
            counts[bisect_left(bounds, value)] += 1
            total += value
        self.total += total


@dataclass(slots=True)
class Counters:
    """Everything counted since the worker started."""

    done: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)  # the others, by name
    dead_letters: Counter[str] = field(default_factory=Counter)  # by reason
    duration: Histogram = field(default_factory=lambda: Histogram(DURATION_BUCKETS))
    lateness: Histogram = field(default_factory=lambda: Histogram(LATENESS_BUCKETS))
    received: int = 0
    emitted: int = 0
    commits: int = 0
    commit_failures: int = 0
    maps_dropped: int = 0
    foreign_metadata: int = 0
    stale_results: int = 0
    duplicates_received: int = 0
    already_finished: int = 0
    rebalances: int = 0
    partitions_lost: int = 0
    records_lost: int = 0  # removed by retention before they were read
    hand_off_failures: int = 0
    hops: int = 0
    timeouts: int = 0
    disturbances: int = 0
    tokens: Counter[tuple[str, str]] = field(default_factory=Counter)  # by model and direction
    tool_calls: Counter[str] = field(default_factory=Counter)  # by model
    cost: dict[str, float] = field(default_factory=dict)  # by model
    steps: dict[str, Histogram] = field(default_factory=dict)  # durations by name
    run_records: int = 0
    run_records_lost: int = 0  # of the record of what ran: written beside the work, as far as possible
    early_starts: int = 0  # must stay 0: starts before the not-before time

    def used(self, model: str, tokens_in: int, tokens_out: int, tool_calls: int, cost: float) -> None:
        """Count what one call used of a model."""
        label = model if model in self.cost or len(self.cost) < MOST_LABELS else OTHER
        self.tokens[label, "in"] += tokens_in
        self.tokens[label, "out"] += tokens_out
        self.tool_calls[label] += tool_calls
        self.cost[label] = self.cost.get(label, 0.0) + cost

    def step_ended(self, name: str, duration: float) -> None:
        """Count one step."""
        label = name if name in self.steps or len(self.steps) < MOST_LABELS else OTHER
        if label not in self.steps:
            self.steps[label] = Histogram(DURATION_BUCKETS)
        self.steps[label].observe(duration)
