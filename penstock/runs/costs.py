"""What a run of a processor costs, by the record of what ran: the expectation before many are run again."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final

from penstock.broker.contract import Broker
from penstock.errors import TopicMissing
from penstock.runs import fields
from penstock.runs.reading import scan_runs
from penstock.topology.model import Topology

ENOUGH: Final = 10_000  # attempts looked at
_A_DAY: Final = 86_400.0  # seconds


@dataclass(frozen=True, slots=True)
class Expectation:
    """What one attempt that ended well took, on average over `seen`; `cost` None where none named any."""

    seen: int
    seconds: float
    cost: float | None
    tokens: float


async def expected_cost(topology: Topology, broker: Broker, processor: str, count: int, now: float) -> str:
    """In words, what `count` runs may cost, by those of the day before `now` (epoch seconds); or why nobody knows.

    Raises BrokerUnavailable.
    """
    try:
        found = await expectation(topology, broker, processor, since=round((now - _A_DAY) * 1000))
    except TopicMissing:
        return "unknown, there is no record of runs"
    if not found.seen:
        return "unknown, no run of the last day is on record"
    cost = "none named" if found.cost is None else f"{found.cost * count:.4g}, {found.tokens * count:,.0f} tokens"
    each = f"{found.seconds * 1000:.0f} ms" if found.seconds < 1 else f"{found.seconds:.1f} s"
    return f"{cost}; {each} each (by {found.seen:,} runs of the last day)"


async def expectation(topology: Topology, broker: Broker, processor: str, *, since: int | None = None) -> Expectation:
    """By the attempts of `processor` that ended well since then (epoch ms). Raises TopicMissing, BrokerUnavailable."""

    def match(head: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
        return head.get(fields.PROCESSOR) == processor and found.get(fields.OUTCOME) == "done"

    seen, seconds, tokens = 0, 0.0, 0
    costs: list[float] = []
    async with aclosing(scan_runs(topology, broker, match, since=since)) as attempts:
        async for attempt in attempts:
            seen += 1
            seconds += attempt.duration
            tokens += sum(attempt.tokens)
            if attempt.cost is not None:
                costs.append(attempt.cost)
            if seen >= ENOUGH:
                break
    if not seen:
        return Expectation(0, 0.0, None, 0.0)
    return Expectation(seen, seconds / seen, sum(costs) / seen if costs else None, tokens / seen)
