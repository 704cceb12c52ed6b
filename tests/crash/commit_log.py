"""Reads `__consumer_offsets`: what was committed, by whomever, in the order the broker took it."""

from __future__ import annotations

import struct
from collections import defaultdict

from confluent_kafka import Consumer
from confluent_kafka import TopicPartition as KafkaPartition

from penstock.record import TopicPartition

_TOPIC = "__consumer_offsets"
_OFFSET_COMMIT = 1  # the highest version of a key that is a commit; others are of members


def commit_log(bootstrap: str) -> dict[tuple[str, TopicPartition], list[int]]:
    """The committed offsets of each group and partition, oldest first; compaction may have removed early ones."""
    consumer = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": "-", "enable.auto.commit": False, "enable.partition.eof": True}
    )
    try:
        count = len(consumer.list_topics(_TOPIC, 10).topics[_TOPIC].partitions)
        consumer.assign([KafkaPartition(_TOPIC, number, 0) for number in range(count)])
        found: dict[tuple[str, TopicPartition], list[int]] = defaultdict(list)
        ended = 0
        while ended < count:
            message = consumer.poll(10)
            assert message is not None, "the broker's own topic cannot be read"
            if message.error() is not None:
                ended += 1
            elif (commit := _commit(message.key(), message.value())) is not None:
                group, partition, offset = commit
                found[group, partition].append(offset)
        return found
    finally:
        consumer.close()


def _commit(key: bytes, value: bytes | None) -> tuple[str, TopicPartition, int] | None:
    if value is None or struct.unpack_from(">h", key)[0] > _OFFSET_COMMIT:
        return None
    group, at = _text(key, 2)
    topic, at = _text(key, at)
    (partition,) = struct.unpack_from(">i", key, at)
    (offset,) = struct.unpack_from(">q", value, 2)
    return group, TopicPartition(topic, partition), offset


def _text(data: bytes, at: int) -> tuple[str, int]:
    (length,) = struct.unpack_from(">h", data, at)
    return data[at + 2 : at + 2 + length].decode(), at + 2 + length
