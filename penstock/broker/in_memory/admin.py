"""The administrator's door to the broker in memory: every question is answered at once."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from penstock.broker.contract import (
    Cluster,
    Committed,
    ConfigValue,
    Ends,
    GroupDescription,
    NewTopic,
    TopicDescription,
)
from penstock.broker.in_memory.group import Coordinator
from penstock.broker.in_memory.log import Log
from penstock.broker.in_memory.topic_configs import CONFIG_DEFAULTS, objection
from penstock.errors import BrokerError
from penstock.record import TopicPartition


class InMemoryAdmin:
    """See contract.Admin. Raises TopicMissing and BrokerError where Kafka would refuse."""

    def __init__(self, cluster: Cluster, log: Log, coordinator: Coordinator) -> None:
        self._cluster = cluster
        self._log = log
        self._coordinator = coordinator

    async def cluster(self) -> Cluster:
        """Id and brokers."""
        return self._cluster

    async def topics(self, names: Collection[str] | None = None) -> Mapping[str, TopicDescription]:
        """The topics of these names that exist; all of them where None."""
        return {name: topic.describe() for name, topic in self._log.topics.items() if names is None or name in names}

    async def topic_configs(self, names: Collection[str]) -> Mapping[str, Mapping[str, ConfigValue]]:
        """The settings of existing topics, the defaults included."""
        topics = [self._log.topics[name] for name in names if name in self._log.topics]
        return {topic.name: {key: topic.config(key) for key in CONFIG_DEFAULTS} for topic in topics}

    async def create_topics(self, topics: Sequence[NewTopic]) -> Mapping[str, str]:
        """Create; returns the reason for each that was refused."""
        answers = {new.name: self._log.create(new) for new in topics}
        return {name: reason for name, reason in answers.items() if reason}

    async def add_partitions(self, topic: str, total: int) -> None:
        """Raise the partition count to `total`."""
        self._log.add_partitions(topic, total)

    async def alter_configs(self, topic: str, configs: Mapping[str, str | None]) -> None:
        """Set these topic settings, or return them to the default where None."""
        found = self._log.topic(topic)
        wrong = objection(configs)
        if wrong:
            raise BrokerError(wrong, "see the topic settings in Kafka's documentation")
        for name, value in configs.items():
            if value is None:
                found.configs.pop(name, None)
            else:
                found.configs[name] = value

    async def delete_topics(self, names: Collection[str]) -> None:
        """Delete."""
        for name in names:
            self._log.delete(name)

    async def groups(self) -> Sequence[str]:
        """The ids of all consumer groups that have members or commits."""
        return [group.id for group in self._coordinator.groups.values() if group.alive]

    async def group(self, group_id: str) -> GroupDescription:
        """State and members."""
        return self._coordinator.group(group_id).describe()

    async def committed(self, group_id: str) -> Mapping[TopicPartition, Committed]:
        """What the group has committed."""
        return dict(self._coordinator.group(group_id).committed)

    async def alter_committed(self, group_id: str, offsets: Mapping[TopicPartition, int]) -> None:
        """Set offsets of a group without members."""
        group = self._coordinator.group(group_id)
        if group.has_members:
            raise BrokerError(f"the group {group_id} has members", "stop its workers first")
        for partition, offset in offsets.items():
            self._log.existing(partition)
            group.committed[partition] = Committed(offset, "", 0)

    async def ends(self, partitions: Collection[TopicPartition]) -> Mapping[TopicPartition, Ends]:
        """Low and high offsets of existing partitions."""
        found = {at: self._log.partition(at) for at in partitions}
        return {at: partition.ends for at, partition in found.items() if partition is not None}

    async def offsets_at(self, partitions: Collection[TopicPartition], time_ms: int) -> Mapping[TopicPartition, int]:
        """The first offset at or after a time; the end where there is none. Missing partitions are left out."""
        found = {at: self._log.partition(at) for at in partitions}
        return {at: partition.offset_at(time_ms) for at, partition in found.items() if partition is not None}

    async def delete_records(self, before: Mapping[TopicPartition, int]) -> None:
        """Truncate: remove every record below the offset."""
        for partition, offset in before.items():
            if offset > self._log.existing(partition).high:
                raise BrokerError(f"{partition} has no offset {offset} yet", "ask for its end at most")
        for partition, offset in before.items():
            self._log.truncate(partition, offset)

    async def group_session_timeout(self, group_id: str) -> float | None:
        """What was set for the group; None where its members' own `failover` holds."""
        return self._coordinator.group(group_id).session_timeout

    async def set_group_session_timeout(self, group_id: str, timeout: float) -> str:
        """Always granted."""
        self._coordinator.group(group_id).session_timeout = timeout
        return ""

    async def close(self) -> None:
        """Nothing to end."""
