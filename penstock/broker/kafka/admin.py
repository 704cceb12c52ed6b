"""The Kafka keeper's administrator: one door to the questions about topics and about groups."""

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
from penstock.broker.kafka import admin_groups, admin_topics
from penstock.broker.kafka.admin_calls import AdminCalls
from penstock.record import TopicPartition


class KafkaAdmin:
    """contract.Admin on a Kafka cluster; see there for what each method promises.

    `settings` are librdkafka's. Every question waits `timeout` seconds at most, then raises BrokerUnavailable.
    A change that was accepted shows in the next question.
    """

    def __init__(self, settings: Mapping[str, str], *, timeout: float = 10.0) -> None:
        self._calls = AdminCalls(settings, timeout)

    async def cluster(self) -> Cluster:
        """Id and brokers."""
        return await admin_topics.describe_cluster(self._calls)

    async def topics(self, names: Collection[str] | None = None) -> Mapping[str, TopicDescription]:
        """The topics of these names that exist; all but the broker's own where None."""
        return await admin_topics.describe_topics(self._calls, names)

    async def topic_configs(self, names: Collection[str]) -> Mapping[str, Mapping[str, ConfigValue]]:
        """The settings of existing topics."""
        return await admin_topics.describe_configs(self._calls, names)

    async def create_topics(self, topics: Sequence[NewTopic]) -> Mapping[str, str]:
        """Create; returns the broker's reason for each that was refused."""
        return await admin_topics.create(self._calls, topics)

    async def add_partitions(self, topic: str, total: int) -> None:
        """Raise the partition count to `total`."""
        await admin_topics.add_partitions(self._calls, topic, total)

    async def alter_configs(self, topic: str, configs: Mapping[str, str | None]) -> None:
        """Set these topic settings, or return them to the default where None."""
        await admin_topics.alter_configs(self._calls, topic, configs)

    async def delete_topics(self, names: Collection[str]) -> None:
        """Delete."""
        await admin_topics.delete(self._calls, names)

    async def groups(self) -> Sequence[str]:
        """The ids of all consumer groups."""
        return await admin_groups.list_groups(self._calls)

    async def group(self, group_id: str) -> GroupDescription:
        """State and members."""
        return await admin_groups.describe_group(self._calls, group_id)

    async def committed(self, group_id: str) -> Mapping[TopicPartition, Committed]:
        """What the group has committed, with metadata."""
        return await admin_groups.committed(self._calls, group_id)

    async def alter_committed(self, group_id: str, offsets: Mapping[TopicPartition, int]) -> None:
        """Set offsets of a group without members."""
        await admin_groups.alter_committed(self._calls, group_id, offsets)

    async def ends(self, partitions: Collection[TopicPartition]) -> Mapping[TopicPartition, Ends]:
        """Low and high offsets of existing partitions."""
        return await admin_topics.ends(self._calls, partitions)

    async def offsets_at(self, partitions: Collection[TopicPartition], time_ms: int) -> Mapping[TopicPartition, int]:
        """The first offset at or after a time; the end where there is none."""
        return await admin_topics.offsets_at(self._calls, partitions, time_ms)

    async def delete_records(self, before: Mapping[TopicPartition, int]) -> None:
        """Remove every record below the offset."""
        await admin_topics.delete_records(self._calls, before)

    async def group_session_timeout(self, group_id: str) -> float | None:
        """Seconds until a silent member of a KIP-848 group is given up; None where not readable."""
        return await admin_groups.session_timeout(self._calls, group_id)

    async def set_group_session_timeout(self, group_id: str, timeout: float) -> str:
        """Ask for another; returns '' or the broker's reason to refuse."""
        return await admin_groups.set_session_timeout(self._calls, group_id, timeout)

    async def close(self) -> None:
        """End. Idempotent."""
        self._calls.close()
