"""Reading the log in memory without a group: a range, or what arrives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Collection, Mapping

from penstock.broker.in_memory.log import Log
from penstock.record import Record, TopicPartition


class InMemoryReader:
    """See contract.Reader."""

    def __init__(self, log: Log) -> None:
        self._log = log

    async def scan(self, ranges: Mapping[TopicPartition, tuple[int, int]]) -> AsyncGenerator[Record, None]:
        """Every record of the ranges that is there when reading begins. Raises TopicMissing."""
        found = [
            record
            for at, (first, last) in ranges.items()
            for record in self._log.existing(at).read(first, max(last - first, 0))
            if record.offset < last
        ]
        for record in found:
            yield record

    async def tail(self, topics: Collection[str], *, from_time_ms: int | None = None) -> AsyncGenerator[Record, None]:
        """Records as they arrive, partitions and topics added later included (from their beginning)."""
        tail = _Tail(self._log, tuple(topics), from_time_ms)
        try:
            while True:
                for record in tail.take():
                    yield record
                await tail.news.wait()
        finally:
            tail.close()


class _Tail:
    """The positions of one tail, and the event that says there is more."""

    def __init__(self, log: Log, topics: tuple[str, ...], from_time_ms: int | None) -> None:
        self.news = asyncio.Event()
        self._log = log
        self._topics = topics
        self._positions: dict[TopicPartition, int] = {}
        log.on_topics_changed.append(self._topics_changed)
        for at in self._unknown():
            partition = log.existing(at)
            self._follow(at, partition.high if from_time_ms is None else partition.offset_at(from_time_ms))

    def take(self) -> list[Record]:
        """All records not taken yet."""
        self.news.clear()
        found: list[Record] = []
        for at, position in self._positions.items():
            partition = self._log.partition(at)
            if partition is not None and partition.high != position:
                first = position if position < partition.high else partition.low  # made anew: all of it is news
                found.extend(partition.read(first, partition.high))
                self._positions[at] = partition.high
        return found

    def close(self) -> None:
        """Hear no more."""
        self._log.on_topics_changed.remove(self._topics_changed)
        for at in self._positions:
            self._log.unwatch(at, self.news.set)

    def _unknown(self) -> list[TopicPartition]:
        topics = [self._log.topics[name] for name in self._topics if name in self._log.topics]
        every = [TopicPartition(topic.name, number) for topic in topics for number in range(len(topic.partitions))]
        return [at for at in every if at not in self._positions]

    def _follow(self, at: TopicPartition, position: int) -> None:
        self._positions[at] = position
        self._log.watch(at, self.news.set)

    def _topics_changed(self) -> None:
        for at in self._unknown():
            self._follow(at, 0)
        self.news.set()
