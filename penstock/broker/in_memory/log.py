"""The log in memory: topics, their partitions, and who wants to hear of new records."""

from __future__ import annotations

import base64
import random
import re
from bisect import bisect_left
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Final

from penstock.broker.contract import ConfigValue, Ends, NewTopic, TopicDescription
from penstock.broker.in_memory.topic_configs import CONFIG_DEFAULTS, objection
from penstock.clock import Clock
from penstock.errors import BrokerError, SendFailed, SendRefused, TopicMissing
from penstock.record import Outgoing, Position, Record, TopicPartition

_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,249}")
_BATCH_OVERHEAD: Final = 70  # bytes of Kafka's batch of one record beside key, value and headers
_offset = attrgetter("offset")


class PartitionLog:
    """The records of one partition in [low, high), ascending by offset; offsets may have gaps."""

    __slots__ = ("high", "low", "records")

    def __init__(self) -> None:
        self.low = 0
        self.high = 0
        self.records: list[Record] = []

    @property
    def ends(self) -> Ends:
        """The first offset still there and the next to be written."""
        return Ends(self.low, self.high)

    def read(self, first: int, limit: int) -> Sequence[Record]:
        """At most `limit` records from offset `first` on."""
        at = bisect_left(self.records, first, key=_offset)
        return self.records[at : at + limit]

    def truncate(self, before: int) -> None:
        """Remove every record below the offset; the offset is capped by the end."""
        self.low = max(self.low, min(before, self.high))
        del self.records[: bisect_left(self.records, self.low, key=_offset)]

    def offset_at(self, time_ms: int) -> int:
        """The first offset at or after a time; the end where there is none."""
        return next((record.offset for record in self.records if record.timestamp >= time_ms), self.high)


class TopicLog:
    """One topic: its id, its partitions, and the settings made on it."""

    __slots__ = ("configs", "id", "name", "partitions", "replication_factor")

    def __init__(self, name: str, id_: str, new: NewTopic) -> None:
        self.name = name
        self.id = id_
        self.partitions = [PartitionLog() for _ in range(new.partitions)]
        self.replication_factor = new.replication_factor or 1
        self.configs = dict(new.configs)

    def config(self, name: str) -> ConfigValue:
        """A setting: the topic's own, else the broker's default."""
        if name in self.configs:
            return ConfigValue(self.configs[name], explicit=True)
        return ConfigValue(CONFIG_DEFAULTS[name], explicit=False)

    def describe(self) -> TopicDescription:
        """The topic as a client sees it."""
        return TopicDescription(self.name, self.id, len(self.partitions), self.replication_factor)


class Log:
    """All topics. Everything is in order of creation, so that a seed replays exactly."""

    def __init__(self, clock: Clock, chance: random.Random) -> None:
        self._clock = clock
        self._chance = chance
        self.topics: dict[str, TopicLog] = {}
        self._watchers: dict[TopicPartition, list[Callable[[], None]]] = {}
        self.on_topics_changed: list[Callable[[], None]] = []

    def partition(self, partition: TopicPartition) -> PartitionLog | None:
        """One partition, or None where there is none."""
        topic = self.topics.get(partition.topic)
        if topic is None or not 0 <= partition.partition < len(topic.partitions):
            return None
        return topic.partitions[partition.partition]

    def existing(self, partition: TopicPartition) -> PartitionLog:
        """One partition. Raises TopicMissing."""
        found = self.partition(partition)
        if found is None:
            raise TopicMissing(f"there is no partition {partition}", "create the topic first")
        return found

    def topic(self, name: str) -> TopicLog:
        """One topic. Raises TopicMissing."""
        found = self.topics.get(name)
        if found is None:
            raise TopicMissing(f"there is no topic {name}", "create it first")
        return found

    def append(self, record: Outgoing, partition: int) -> Position:
        """Write one record, its time now. Raises SendFailed (no such partition) or SendRefused (too large)."""
        to = TopicPartition(record.topic, partition)
        log = self.partition(to)
        if log is None:
            raise SendFailed(f"there is no partition {to}", "create the topic, or wait until it is there")
        limit = int(self.topics[record.topic].config("max.message.bytes").value)
        if record.size + _BATCH_OVERHEAD > limit:
            raise SendRefused(
                f"a record of {record.size} bytes is too large for {record.topic}",
                f"its max.message.bytes is {limit}",
            )
        timestamp = int(self._clock.now() * 1000)
        at = Position(record.topic, partition, log.high)
        log.records.append(Record(*at, timestamp, record.key, record.value, tuple(record.headers)))
        log.high += 1
        for heard in self._watchers.get(to, ()):
            heard()
        return at

    def truncate(self, partition: TopicPartition, before: int) -> None:
        """Remove every record of a partition below the offset, as retention does."""
        self.existing(partition).truncate(before)
        for heard in self._watchers.get(partition, ()):
            heard()

    def watch(self, partition: TopicPartition, heard: Callable[[], None]) -> None:
        """Call `heard` after each change of a partition's log; it must not append."""
        self._watchers.setdefault(partition, []).append(heard)

    def unwatch(self, partition: TopicPartition, heard: Callable[[], None]) -> None:
        """Undo one `watch`."""
        self._watchers[partition].remove(heard)

    def create(self, new: NewTopic) -> str:
        """Create a topic; returns '' (also where it exists) or the reason to refuse."""
        if new.name in self.topics:
            return ""
        reason = self._objection(new)
        if not reason:
            self.topics[new.name] = TopicLog(new.name, self._new_id(), new)
            self._topics_changed()
        return reason

    def _objection(self, new: NewTopic) -> str:
        if not _NAME.fullmatch(new.name) or new.name in {".", ".."}:
            return f"{new.name!r} is no topic name"
        twin = next((name for name in self.topics if name.replace(".", "_") == new.name.replace(".", "_")), None)
        if twin is not None:
            return f"{new.name} collides with {twin}"
        if new.partitions < 1:
            return "a topic has at least one partition"
        if (new.replication_factor or 1) > 1:
            return "the replication factor is larger than the number of brokers, 1"
        return objection(new.configs)

    def add_partitions(self, name: str, total: int) -> None:
        """Raise the partition count. Raises TopicMissing, or BrokerError where it would not rise."""
        topic = self.topic(name)
        if total <= len(topic.partitions):
            raise BrokerError(f"{name} has {len(topic.partitions)} partitions already", "ask for more than that")
        topic.partitions.extend(PartitionLog() for _ in range(total - len(topic.partitions)))
        self._topics_changed()

    def delete(self, name: str) -> None:
        """Delete a topic. Raises TopicMissing."""
        self.topic(name)
        del self.topics[name]
        self._topics_changed()

    def _topics_changed(self) -> None:
        for heard in list(self.on_topics_changed):
            heard()

    def _new_id(self) -> str:
        return base64.urlsafe_b64encode(self._chance.randbytes(16)).decode().rstrip("=")
