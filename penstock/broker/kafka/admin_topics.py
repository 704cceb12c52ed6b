"""The administrator's questions and changes about topics, their settings and their offsets."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence

from confluent_kafka import KafkaError, TopicCollection
from confluent_kafka import TopicPartition as RawPartition
from confluent_kafka.admin import (
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ConfigSource,
    NewPartitions,
    OffsetSpec,
    ResourceType,
)
from confluent_kafka.admin import NewTopic as RawTopic

from penstock.broker.contract import Cluster, ConfigValue, Ends, NewTopic, TopicDescription
from penstock.broker.kafka.admin_calls import AdminCalls, Answer, is_unknown, spoken
from penstock.errors import TopicMissing
from penstock.record import TopicPartition


async def describe_cluster(calls: AdminCalls) -> Cluster:
    """Id and brokers."""
    found = await calls.one(lambda client: client.describe_cluster(request_timeout=calls.timeout))
    brokers = tuple(f"{node.host}:{node.port}" for node in found.nodes)
    return Cluster(id=found.cluster_id or "", brokers=brokers)


async def describe_topics(calls: AdminCalls, names: Collection[str] | None) -> dict[str, TopicDescription]:
    """The topics of these names that exist; without names all but the broker's own."""
    wanted = list(names) if names is not None else await _all_names(calls)
    if not wanted:
        return {}
    answers = await calls.each(
        lambda client: client.describe_topics(TopicCollection(wanted), request_timeout=calls.timeout)
    )
    found = {}
    for name, answer in answers.items():
        if is_unknown(answer) or (isinstance(answer, KafkaError) and answer.code() == KafkaError.TOPIC_EXCEPTION):
            continue  # a name that no topic may have is the name of no topic
        topic = _accepted(answer, name)
        if names is None and topic.is_internal:
            continue
        replicas = len(topic.partitions[0].replicas) if topic.partitions else 0
        found[name] = TopicDescription(name, str(topic.topic_id), len(topic.partitions), replicas)
    return found


async def describe_configs(calls: AdminCalls, names: Collection[str]) -> dict[str, dict[str, ConfigValue]]:
    """The settings of existing topics."""
    if not names:
        return {}
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
    answers = await calls.each(lambda client: client.describe_configs(resources, request_timeout=calls.timeout))
    found = {}
    for resource, answer in answers.items():
        if is_unknown(answer):
            continue
        entries = _accepted(answer, resource.name).values()
        explicit = ConfigSource.DYNAMIC_TOPIC_CONFIG.value
        found[resource.name] = {
            entry.name: ConfigValue(entry.value or "", explicit=entry.source == explicit) for entry in entries
        }
    return found


async def create(calls: AdminCalls, topics: Sequence[NewTopic]) -> dict[str, str]:
    """Create; returns the broker's reason for each that was refused."""
    if not topics:
        return {}
    raw = [
        RawTopic(topic.name, topic.partitions, topic.replication_factor or -1, config=dict(topic.configs))
        for topic in topics
    ]
    answers = await calls.each(lambda client: client.create_topics(raw, request_timeout=calls.timeout))
    refused = {
        name: answer.str()
        for name, answer in answers.items()
        if isinstance(answer, KafkaError) and answer.code() != KafkaError.TOPIC_ALREADY_EXISTS
    }
    made = answers.keys() - refused.keys()
    await calls.until(lambda: _shown(calls, dict.fromkeys(made, 1)))
    return refused


async def add_partitions(calls: AdminCalls, topic: str, total: int) -> None:
    """Raise the partition count to `total`; one that is there already is fine."""
    raw = [NewPartitions(topic, total)]
    answers = await calls.each(lambda client: client.create_partitions(raw, request_timeout=calls.timeout))
    answer = answers[topic]
    if isinstance(answer, KafkaError):
        now = (await describe_topics(calls, [topic])).get(topic)
        if now is None or now.partitions != total:
            raise spoken(answer, topic)
    await calls.until(lambda: _shown(calls, {topic: total}))


async def alter_configs(calls: AdminCalls, topic: str, configs: Mapping[str, str | None]) -> None:
    """Set these topic settings, or return them to the default where None."""
    if not configs:
        return
    await alter_resource(calls, ResourceType.TOPIC, topic, configs)

    async def shown() -> bool:
        live = (await describe_configs(calls, [topic])).get(topic, {})
        return all(
            name in live and (live[name].value == value if value is not None else not live[name].explicit)
            for name, value in configs.items()
        )

    await calls.until(shown)


async def alter_resource(calls: AdminCalls, kind: ResourceType, name: str, configs: Mapping[str, str | None]) -> None:
    """Change settings of a topic or group, leaving the others. Raises BrokerError with the broker's reason."""
    entries = [
        ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)
        if value is not None
        else ConfigEntry(key, None, incremental_operation=AlterConfigOpType.DELETE)
        for key, value in configs.items()
    ]
    resource = ConfigResource(kind, name, incremental_configs=entries)
    answers = await calls.each(
        lambda client: client.incremental_alter_configs([resource], request_timeout=calls.timeout)
    )
    for answer in answers.values():
        _accepted(answer, name)


async def delete(calls: AdminCalls, names: Collection[str]) -> None:
    """Delete; those that do not exist are fine."""
    if not names:
        return
    answers = await calls.each(lambda client: client.delete_topics(list(names), request_timeout=calls.timeout))
    for name, answer in answers.items():
        if not is_unknown(answer):
            _accepted(answer, name)

    async def gone() -> bool:
        return not await describe_topics(calls, names)

    await calls.until(gone)


async def ends(calls: AdminCalls, partitions: Collection[TopicPartition]) -> dict[TopicPartition, Ends]:
    """Low and high offsets of existing partitions."""
    existing = await _existing(calls, partitions)
    low, high = await asyncio.gather(
        _offsets(calls, existing, OffsetSpec.earliest()), _offsets(calls, existing, OffsetSpec.latest())
    )
    return {partition: Ends(low[partition], high[partition]) for partition in low if partition in high}


async def offsets_at(
    calls: AdminCalls, partitions: Collection[TopicPartition], time_ms: int
) -> dict[TopicPartition, int]:
    """The first offset at or after a time; the end where there is none; missing partitions are left out."""
    existing = await _existing(calls, partitions)
    at, high = await asyncio.gather(
        _offsets(calls, existing, OffsetSpec.for_timestamp(time_ms)), _offsets(calls, existing, OffsetSpec.latest())
    )
    return {where: at[where] if at[where] >= 0 else high[where] for where in at.keys() & high.keys()}


async def delete_records(calls: AdminCalls, before: Mapping[TopicPartition, int]) -> None:
    """Remove every record below the offset."""
    missing = before.keys() - await _existing(calls, before.keys())
    if missing:
        raise TopicMissing(f"there is no {min(missing)}", "`penstock topics` lists those there are")
    if not before:
        return
    raw = [RawPartition(topic, number, offset) for (topic, number), offset in before.items()]
    answers = await calls.each(lambda client: client.delete_records(raw, request_timeout=calls.timeout))
    for partition, answer in answers.items():
        _accepted(answer, f"{partition.topic}/{partition.partition}")


async def _all_names(calls: AdminCalls) -> list[str]:
    metadata = await calls.blocking(lambda client: client.list_topics(timeout=calls.timeout))
    return list(metadata.topics)


async def _shown(calls: AdminCalls, least: Mapping[str, int]) -> bool:
    """Whether these topics show with at least so many partitions."""
    found = await describe_topics(calls, least.keys())
    return all(name in found and found[name].partitions >= count for name, count in least.items())


async def _existing(calls: AdminCalls, partitions: Collection[TopicPartition]) -> list[TopicPartition]:
    """Those that exist. Asked for none but missing ones, librdkafka would not say why it found no leader."""
    topics = await describe_topics(calls, {partition.topic for partition in partitions})
    return [at for at in partitions if at.topic in topics and at.partition < topics[at.topic].partitions]


async def _offsets(
    calls: AdminCalls, partitions: Collection[TopicPartition], spec: OffsetSpec
) -> dict[TopicPartition, int]:
    if not partitions:
        return {}
    raw = {RawPartition(topic, number): spec for topic, number in partitions}
    answers = await calls.each(lambda client: client.list_offsets(raw, request_timeout=calls.timeout))
    return {
        TopicPartition(partition.topic, partition.partition): _accepted(answer, partition.topic).offset
        for partition, answer in answers.items()
        if not is_unknown(answer)
    }


def _accepted(answer: Answer, subject: str) -> Answer:
    """The answer itself. Raises the broker's refusal."""
    if isinstance(answer, KafkaError):
        raise spoken(answer, subject)
    return answer
