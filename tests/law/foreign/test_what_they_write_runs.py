"""What other programs write runs, and lands where ours would: kcat, a Java producer, librdkafka's."""

from __future__ import annotations

import asyncio
import json
import subprocess

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from penstock.broker.kafka.keeper import KafkaBroker
from penstock.record import Outgoing
from tests.law.foreign.stage import CLIENT, PATIENCE, spell

pytestmark = pytest.mark.kafka


@pytest.mark.slow
def test_a_java_producer_and_ours_agree_on_partitions(stage, java):
    keys = [f"customer-{number}".encode() for number in range(196)] + ["schlüssel".encode(), b"", b"\xff\x00", b"abc"]
    topic = f"{stage.name}-keys"
    admin = AdminClient({"bootstrap.servers": stage.bootstrap})  # kept: it is asked in the background
    admin.create_topics([NewTopic(topic, 12)])[topic].result(30)

    by_java = java(
        [str(CLIENT), "write", stage.bootstrap, topic], stdin="".join(f"{spell(key)} {spell(b'v')}\n" for key in keys)
    )

    async def send() -> list[int]:
        broker = KafkaBroker({"bootstrap.servers": stage.bootstrap})
        try:
            producer = broker.producer()
            return [
                one.partition
                for one in await asyncio.gather(*(producer.send(Outgoing(topic, key, b"v")) for key in keys))
            ]
        finally:
            await broker.close()

    ours = asyncio.run(send())
    assert [int(word) for word in by_java.split()] == ours
    assert len(set(ours)) == 12
    assert by_librdkafka(stage.bootstrap, topic, keys) == ours


def by_librdkafka(bootstrap: str, topic: str, keys: list[bytes]) -> list[int]:
    placed: dict[bytes, int] = {}
    producer = Producer({"bootstrap.servers": bootstrap, "partitioner": "murmur2_random"})
    for key in keys:
        producer.produce(
            topic, b"v", key, on_delivery=lambda _, sent: placed.__setitem__(sent.key() or b"", sent.partition())
        )
    producer.flush(30)
    return [placed[key] for key in keys]


def test_records_of_a_java_producer_run(stage, java):
    plain, typed = {"number": 101}, {"number": 102}
    lines = [
        f"{spell(b'ada')} {spell(json.dumps(plain).encode())}",
        f"- {spell(json.dumps(typed).encode())} ce_id={spell(b'java-1')} ce_type={spell(b'other')} x=-",
        f"{spell(b'tombstone-java')} -",
    ]

    java([str(CLIENT), "write", stage.bootstrap, stage.topic("asked")], stdin="\n".join(lines) + "\n")

    stage.answers(
        [
            {"saw": plain, "key": "ada", "type": "asked"},
            {"saw": typed, "key": "None", "type": "other"},
            {"saw": None, "key": "tombstone-java", "type": "asked"},
        ]
    )


def test_records_of_kcat_run(stage, kcat):
    plain, typed = {"number": 201}, {"number": 202}
    send = [kcat, "-P", "-b", stage.bootstrap, "-t", stage.topic("asked")]
    for arguments, line in (
        (["-K", "|"], f"ada|{json.dumps(plain)}"),
        (["-H", "ce_id=kcat-1", "-H", "ce_type=other", "-H", "x"], json.dumps(typed)),
        (["-K", "|", "-Z"], "tombstone-kcat|"),
    ):
        subprocess.run([*send, *arguments], input=line.encode(), check=True, timeout=PATIENCE)

    stage.answers(
        [
            {"saw": plain, "key": "ada", "type": "asked"},
            {"saw": typed, "key": "None", "type": "other"},
            {"saw": None, "key": "tombstone-kcat", "type": "asked"},
        ]
    )
