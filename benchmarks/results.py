"""What was measured, and what is asked of it: runs, medians, ratios of adjacent runs, goals met or missed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median
from typing import Any


@dataclass(frozen=True)
class Run:
    """One process that was measured: which entry, in which round, at which place of the round."""

    name: str
    round: int
    place: int
    result: dict[str, Any]


@dataclass
class Results:
    """All runs of one workload; `failures` are those that gave no result, with what they said."""

    runs: list[Run] = field(default_factory=list)
    failures: list[tuple[str, str]] = field(default_factory=list)

    def of(self, name: str) -> list[Run]:
        """The runs of one entry."""
        return [run for run in self.runs if run.name == name]

    def values(self, name: str, what: str) -> list[float]:
        """One figure of each of its runs."""
        return [run.result[what] for run in self.of(name) if run.result.get(what) is not None]

    def median(self, name: str, what: str) -> float | None:
        """Its median; None where nothing was measured."""
        found = self.values(name, what)
        return median(found) if found else None

    def worst(self, name: str, what: str) -> float | None:
        """Its largest value."""
        return max(self.values(name, what), default=None)

    def least(self, name: str, what: str) -> float | None:
        """Its smallest value."""
        return min(self.values(name, what), default=None)

    def samples(self, name: str) -> list[float]:
        """The samples of all its runs, sorted."""
        return sorted(one for run in self.of(name) for one in run.result["samples"])

    def pairs(self, name: str, rival: str, what: str = "rate") -> list[float]:
        """`name` divided by `rival`, for each run of the rival and the run nearest to it in the same round."""
        ratios = []
        for other in self.of(rival):
            near = [run for run in self.of(name) if run.round == other.round]
            if near:
                own = min(near, key=lambda run: abs(run.place - other.place))
                ratios.append(own.result[what] / other.result[what])
        return ratios


@dataclass(frozen=True)
class Goal:
    """One thing to reach. `value` is None where it could not be measured; a goal without `limit` only reports."""

    words: str
    value: Callable[[Results], float | None]
    limit: float | None = None
    at_most: bool = False
    unit: str = ""
    pairs: Callable[[Results], int] | None = None
    percent: bool = False

    def asked(self) -> str:
        """What is to be reached, in words."""
        if self.limit is None:
            return "reported"
        return f"{'≤' if self.at_most else '≥'} {self.show(self.limit)}"

    def show(self, value: float) -> str:
        """A value of this goal."""
        if self.percent:
            return f"{value * 100:.1f} %"
        text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
        return f"{text} {self.unit}".strip()

    def verdict(self, results: Results) -> tuple[str, str]:
        """(what was measured, how that stands to what was asked)."""
        value = self.value(results)
        if value is None:
            return "-", "not measured"
        shown = self.show(value)
        if self.pairs is not None:
            shown += f" ({self.pairs(results)} pairs)"
        if self.limit is None:
            return shown, ""
        if value <= self.limit if self.at_most else value >= self.limit:
            return shown, "met"
        if not self.limit:
            return shown, "**missed**"
        by = abs(value - self.limit) / self.limit * 100
        return shown, f"**missed** by {by:.0f} %" if by >= 1 else f"**missed** by {by:.1g} %"


def ratio(words: str, name: str, rival: str, limit: float | None) -> Goal:
    """The median ratio of adjacent runs."""

    def middle(results: Results) -> float | None:
        found = results.pairs(name, rival)
        return median(found) if found else None

    return Goal(words, middle, limit, unit="x", pairs=lambda results: len(results.pairs(name, rival)))


def largest(words: str, name: str, what: str, limit: float | None, unit: str = "") -> Goal:
    """The largest value of any run must not be larger."""
    return Goal(words, lambda results: results.worst(name, what), limit, at_most=True, unit=unit)


def smallest(words: str, name: str, what: str, limit: float | None, unit: str = "") -> Goal:
    """The smallest value of any run must not be smaller."""
    return Goal(words, lambda results: results.least(name, what), limit, unit=unit)


def percentile(sorted_values: list[float], share: float) -> float | None:
    """The value below which `share` of them lie; None without values."""
    return sorted_values[min(int(len(sorted_values) * share), len(sorted_values) - 1)] if sorted_values else None
