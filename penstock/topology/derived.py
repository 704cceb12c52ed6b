"""Names and shapes of the topics a processor implies: the retry ladder, dead letter, replay and progress topics."""

from __future__ import annotations

from typing import Final

from penstock.durations import seconds
from penstock.topology.model import Processor, Retry

LADDER: Final = (
    "1s",
    "5s",
    "15s",
    "30s",
    "1m",
    "2m",
    "5m",
    "10m",
    "15m",
    "30m",
    "1h",
    "2h",
    "4h",
    "8h",
    "12h",
    "24h",
)
TIERS: Final = tuple((seconds(spelling), spelling) for spelling in LADDER)


def tier_for(delay: float) -> str:
    """The smallest tier that is at least `delay` seconds; the largest where none is (the record hops then)."""
    for length, spelling in TIERS:
        if delay <= length:
            return spelling
    return TIERS[-1][1]


def hop_tier(remaining: float) -> str:
    """The largest tier that fits into `remaining` seconds; the smallest where none does."""
    fitting = [spelling for length, spelling in TIERS if length <= remaining]
    return fitting[-1] if fitting else TIERS[0][1]


def backoff_delay(retry: Retry, attempt: int) -> float:
    """Seconds to wait after failed attempt `attempt` (from 1)."""
    backoff = retry.backoff
    exponent = min(attempt - 1, 64)
    return min(backoff.initial * backoff.multiplier**exponent, backoff.max)


def retry_tiers(retry: Retry) -> tuple[str, ...]:
    """The tiers this policy uses, shortest first."""
    used = {tier_for(backoff_delay(retry, attempt)) for attempt in range(1, retry.max_attempts)}
    return tuple(spelling for spelling in LADDER if spelling in used)


def retry_topic(group_id: str, tier: str) -> str:
    """`<group>.retry.<tier>`."""
    return f"{group_id}.retry.{tier}"


def retry_prefix(group_id: str) -> str:
    """What every retry topic of the group begins with."""
    return f"{group_id}.retry."


def retry_delay(group_id: str, topic: str) -> float | None:
    """Seconds of the tier, where `topic` is one of the group's retry topics; else None."""
    prefix = retry_prefix(group_id)
    if not topic.startswith(prefix):
        return None
    tier = topic[len(prefix) :]
    return seconds(tier) if tier in LADDER else None


def dead_letter_topic(group_id: str) -> str:
    """`<group>.dlt`."""
    return f"{group_id}.dlt"


def replay_topic(group_id: str) -> str:
    """`<group>.replay`."""
    return f"{group_id}.replay"


def progress_topic(topology: str) -> str:
    """`<name>.progress`."""
    return f"{topology}.progress"


def cursors_topic(topology: str) -> str:
    """`<name>.cursors`: where the sources of a topology keep how far they are; compacted, key: the connector."""
    return f"{topology}.cursors"


def runs_topic(topology: str) -> str:
    """`<name>.runs`: what ran, one entry per attempt, in batches."""
    return f"{topology}.runs"


def control_topic(topology: str) -> str:
    """`<name>.control`: what operators told the workers; compacted."""
    return f"{topology}.control"


def policy_topics(processor: Processor) -> tuple[str, ...]:
    """Every derived topic of a processor: its retry tiers, dead letter and replay topic."""
    group = processor.group_id
    tiers = () if processor.retry.preserve_order else retry_tiers(processor.retry)
    retries = tuple(retry_topic(group, tier) for tier in tiers)
    return (*retries, dead_letter_topic(group), replay_topic(group))
