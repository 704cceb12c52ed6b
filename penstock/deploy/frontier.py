"""Where a group stands in the log: its frontier per partition, its lag, and what is finished above the frontier."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from penstock.broker import progress, starts
from penstock.broker.contract import Admin, Committed, Ends, TopicDescription
from penstock.record import TopicPartition


@dataclass(frozen=True, slots=True)
class Frontier:
    """One partition as a group has it: everything below `offset` is finished, and `finished` records above it."""

    partition: TopicPartition
    offset: int
    end: int
    finished: int

    @property
    def lag(self) -> int:
        """Records from the frontier to the end."""
        return self.end - self.offset


@dataclass(frozen=True, slots=True)
class Standing:
    """A group over some topics; `started` where it has committed anything there."""

    frontiers: tuple[Frontier, ...]
    started: bool

    @property
    def lag(self) -> int:
        """End - frontier, over all partitions."""
        return sum(frontier.lag for frontier in self.frontiers)

    def within(self, topics: Collection[str]) -> Standing:
        """The part of it that lies in these topics."""
        return Standing(tuple(one for one in self.frontiers if one.partition.topic in topics), self.started)

    @property
    def finished(self) -> int:
        """Finished above the frontier, over all partitions."""
        return sum(frontier.finished for frontier in self.frontiers)


async def position_of(
    admin: Admin,
    group_id: str,
    topics: Collection[str],
    start_from: str | int = "earliest",
    *,
    always_earliest: Collection[str] = (),
) -> Standing:
    """Where the group stands in those topics that exist.

    What it never read of `topics` counts from `start_from`, of `always_earliest` (retry, replay) from the beginning.
    """
    names = [*topics, *always_earliest]
    there = await admin.topics(names) if names else {}
    committed = await admin.committed(group_id)
    partitions = [TopicPartition(name, number) for name, topic in there.items() for number in range(topic.partitions)]
    ends = await admin.ends(partitions) if partitions else {}
    fallbacks = await _fallbacks(admin, [one for one in partitions if one.topic in topics], ends, start_from)
    frontiers = [
        _frontier(
            partition,
            there[partition.topic],
            committed,
            ends[partition],
            fallbacks.get(partition, ends[partition].low),
        )
        for partition in partitions
        if partition in ends
    ]
    return Standing(tuple(frontiers), any(partition in committed for partition in partitions))


def _frontier(
    partition: TopicPartition,
    topic: TopicDescription,
    committed: Mapping[TopicPartition, Committed],
    ends: Ends,
    fallback: int,
) -> Frontier:
    siblings = {one.partition: found for one, found in committed.items() if one.topic == partition.topic}
    newborn = starts.is_newborn(partition.partition, siblings)
    start = starts.resolve(committed.get(partition), ends, fallback if newborn else ends.low, topic.id)
    found = progress.decode(start.metadata)
    finished = len(found.finished(start.offset, ends.high)) if found else 0
    return Frontier(partition, start.offset, ends.high, finished)


async def _fallbacks(
    admin: Admin,
    partitions: Collection[TopicPartition],
    ends: Mapping[TopicPartition, Ends],
    start_from: str | int,
) -> Mapping[TopicPartition, int]:
    if isinstance(start_from, int) and partitions:
        return await admin.offsets_at(partitions, start_from)
    if start_from == "latest":
        return {partition: ends[partition].high for partition in partitions if partition in ends}
    return {}
