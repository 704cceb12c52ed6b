"""Where a member begins to read the partitions it gained: the rules of starts.py, asked of this log."""

from __future__ import annotations

from collections.abc import Iterable

from penstock.broker.contract import Assigned, GroupSettings
from penstock.broker.in_memory.group import Group
from penstock.broker.in_memory.log import Log
from penstock.broker.starts import is_newborn, resolve
from penstock.record import TopicPartition
from penstock.topology.derived import replay_topic, retry_prefix


def resolve_starts(
    settings: GroupSettings, group: Group, log: Log, partitions: Iterable[TopicPartition]
) -> list[Assigned]:
    """What to tell the listener about each partition. Raises TopicMissing where one is gone."""
    return [_assigned(settings, group, log, at) for at in partitions]


def _assigned(settings: GroupSettings, group: Group, log: Log, at: TopicPartition) -> Assigned:
    topic = log.topic(at.topic)
    ends = log.existing(at).ends
    start = resolve(group.committed.get(at), ends, _fallback(settings, group, log, at), topic.id)
    return Assigned(at, start.offset, start.metadata, ends.high, topic.id, len(topic.partitions), start.lost)


def _fallback(settings: GroupSettings, group: Group, log: Log, at: TopicPartition) -> int:
    """The start of a partition without a commit."""
    partition = log.existing(at)
    siblings = {other.partition: found for other, found in group.committed.items() if other.topic == at.topic}
    if _always_earliest(settings, at.topic) or not is_newborn(at.partition, siblings):
        return partition.low
    if settings.start_from == "earliest":
        return partition.low
    if settings.start_from == "latest":
        return partition.high
    return partition.offset_at(int(settings.start_from))


def _always_earliest(settings: GroupSettings, topic: str) -> bool:
    group_id = settings.group_id
    derived = topic == replay_topic(group_id) or topic.startswith(retry_prefix(group_id))
    return derived or topic in settings.always_earliest
