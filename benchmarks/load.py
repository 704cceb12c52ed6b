"""Fills topics: 512 B of JSON, three headers, the key of each record chosen by its number."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic

SIZE: Final = 512
PARTITIONS: Final = 12
_ON_DISK: Final = SIZE + 90  # bytes a record takes in the log, with key, headers and its share of the batch


@dataclass(frozen=True)
class Load:
    """One topic and what stands in it. `streak` records of one key stand at the head of every partition."""

    topic: str
    count: int
    keys: int = 1000
    streak: int = 0

    @property
    def bytes(self) -> int:
        """What it takes on disk, roughly."""
        return (self.count + self.streak * PARTITIONS) * _ON_DISK


def value_of(number: int, made: int = 0) -> bytes:
    """The JSON of one record; `made` is when, in epoch nanoseconds."""
    data = {"n": number, "t": made, "user": f"user-{number % 1000}", "tags": ["bench", "json"], "text": ""}
    data["text"] = "x" * (SIZE - len(json.dumps(data)))
    return json.dumps(data).encode()


def fill(bootstrap: str, loads: list[Load], say: Callable[[str], None]) -> None:
    """Make the topics, and fill those that are to hold something. Raises RuntimeError where the broker refuses."""
    if not loads:
        return
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for name, future in admin.create_topics([NewTopic(load.topic, PARTITIONS, 1) for load in loads]).items():
        try:
            future.result(30)
        except KafkaException as error:
            raise RuntimeError(f"topic {name} cannot be made: {error.args[0].str()}") from error
    for load in loads:
        if load.count or load.streak:
            say(f"loading {load.topic}: {load.count + load.streak * PARTITIONS:,} records")
            _send(bootstrap, load)


def _send(bootstrap: str, load: Load) -> None:
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "enable.idempotence": True,  # without it a new topic's first records may be written out of order
            "linger.ms": 20,
            "batch.num.messages": 5000,
            "queue.buffering.max.messages": 200_000,
            "partitioner": "murmur2_random",
        }
    )
    lost: list[str] = []

    def delivered(error: object, _: object) -> None:
        if error is not None:
            lost.append(str(error))

    def send(number: int, key: bytes, partition: int = -1) -> None:
        headers = [("ce_id", b"%d" % number), ("ce_type", b"bench"), ("ce_source", b"/bench")]
        while True:
            try:
                producer.produce(
                    load.topic, value_of(number), key, partition=partition, headers=headers, on_delivery=delivered
                )
            except BufferError:
                producer.poll(0.05)
            else:
                return

    for partition in range(PARTITIONS):
        for number in range(load.streak):
            send(-number - 1, b"streak-%d" % partition, partition)
    for number in range(load.count):
        send(number, b"key-%d" % (number % load.keys))
        if number % 1000 == 0:
            producer.poll(0)
    producer.flush(120)
    if lost or len(producer):
        raise RuntimeError(f"{len(lost) + len(producer)} records did not reach {load.topic}: {lost[:1]}")


def held(bootstrap: str, topic: str) -> int:
    """Records that stand in a topic."""
    from confluent_kafka import Consumer, TopicPartition

    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "bench.count"})
    ends = [consumer.get_watermark_offsets(TopicPartition(topic, one), timeout=10) for one in range(PARTITIONS)]
    consumer.close()
    return sum(high - low for low, high in ends)


def forget_group(bootstrap: str, group: str) -> None:
    """Let a group start anew; it must have no members."""
    admin = AdminClient({"bootstrap.servers": bootstrap})  # kept: without it the answer never comes
    for future in admin.delete_consumer_groups([group]).values():
        try:
            future.result(30)
        except KafkaException as error:
            if error.args[0].name() != "GROUP_ID_NOT_FOUND":
                raise RuntimeError(f"group {group} cannot be removed: {error.args[0].str()}") from error
