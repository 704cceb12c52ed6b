"""What a publisher has returned, Kafka holds: plain code, asyncio code, a forked child; else it says no, in time."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from typing import Any

import pytest

from penstock import AsyncPublisher, Publisher
from penstock.broker.contract import NewTopic
from penstock.broker.kafka.keeper import KafkaBroker
from penstock.errors import BrokerUnavailable, SendFailed
from penstock.record import Record, TopicPartition

pytestmark = pytest.mark.kafka


@pytest.fixture
def topic(kafka: str, topic_name: Callable[[str], str]) -> str:
    name = topic_name("published")

    async def create() -> None:
        broker = KafkaBroker({"bootstrap.servers": kafka})
        assert not await broker.admin().create_topics([NewTopic(name, 3)])
        await broker.close()

    asyncio.run(create())
    return name


def held(kafka: str, topic: str) -> list[Record]:
    """Everything in the topic."""

    async def scan() -> list[Record]:
        broker = KafkaBroker({"bootstrap.servers": kafka})
        ends = await broker.admin().ends([TopicPartition(topic, number) for number in range(3)])
        ranges = {partition: (end.low, end.high) for partition, end in ends.items()}
        found = [record async for record in broker.reader().scan(ranges)]
        await broker.close()
        return found

    return asyncio.run(scan())


def test_what_was_sent_is_where_it_was_said_to_be(kafka: str, topic: str) -> None:
    with Publisher(bootstrap=kafka) as publisher:
        position = publisher.send(topic, {"a": 1}, key="k", id="e-1", headers={"x": None})
        assert publisher.send_many(topic, ({"id": n} for n in range(2000)), key="id") == 2000
    records = held(kafka, topic)
    assert len(records) == 2001
    (first,) = [record for record in records if record.position == position]
    assert (first.key, first.value, first.header("ce_id"), dict(first.headers)["x"]) == (b"k", b'{"a":1}', b"e-1", None)


def test_many_senders_in_one_loop_all_get_their_own_answer(kafka: str, topic: str) -> None:
    async def main() -> list[Any]:
        async with AsyncPublisher(bootstrap=kafka, max_outstanding=20) as publisher:
            return await asyncio.gather(*(publisher.send(topic, n, key=n) for n in range(200)))

    positions = asyncio.run(main())
    found = {record.position: record.value for record in held(kafka, topic)}
    assert [found[position] for position in positions] == [str(n).encode() for n in range(200)]


def test_a_publisher_works_on_both_sides_of_a_fork(kafka: str, topic: str) -> None:
    with Publisher(bootstrap=kafka) as publisher:
        publisher.send(topic, "before")
        child = os.fork()
        if child == 0:
            try:
                publisher.send(topic, "child")
                publisher.close()
            finally:
                os._exit(0)
        deadline = time.monotonic() + 30
        while os.waitpid(child, os.WNOHANG) == (0, 0):
            if time.monotonic() > deadline:
                os.kill(child, 9)
                os.waitpid(child, 0)
                pytest.fail("the child is stuck")
            time.sleep(0.02)
        publisher.send(topic, "after")
    assert sorted(record.value or b"" for record in held(kafka, topic)) == [b'"after"', b'"before"', b'"child"']


@pytest.mark.slow
def test_a_topic_that_is_not_there_is_said_with_what_to_do(kafka: str, topic_name: Callable[[str], str]) -> None:
    name = topic_name("nowhere")
    with Publisher(bootstrap=kafka) as publisher, pytest.raises(SendFailed, match=rf"event for topic {name}") as caught:
        publisher.send(name, 1)
    assert "penstock apply" in caught.value.hint


@pytest.mark.slow
def test_a_broker_that_is_not_there_is_said_in_time() -> None:
    started = time.monotonic()
    with (
        Publisher(bootstrap="127.0.0.1:1", timeout=0.5) as publisher,
        pytest.raises(BrokerUnavailable, match="topic t"),
    ):
        publisher.send("t", 1)
    assert time.monotonic() - started < 15
