"""What the producer makes of its client's reports."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from penstock.broker.kafka.producer import KafkaProducer
from penstock.record import Outgoing, Position


class Client:
    """Takes records, and reports when it is told to."""

    def __init__(self):
        self.taken = []

    def produce(self, topic, value, key, partition, *, on_delivery, headers):
        self.taken.append((topic, value, on_delivery))

    def report(self, offset):
        topic, _, on_delivery = self.taken[-1]
        on_delivery(None, SimpleNamespace(topic=lambda: topic, partition=lambda: 3, offset=lambda: offset))

    def poll(self, _timeout):
        return 0


@pytest.mark.parametrize("nowhere", [None, -1])
def test_what_is_acknowledged_without_a_place_is_sent_again(nowhere):
    async def law():
        producer = KafkaProducer({"bootstrap.servers": "127.0.0.1:1"}, "client")
        producer._client = client = Client()
        sent = producer.send(Outgoing("retries", b"k", b"v"))
        client.report(nowhere)
        assert not sent.done()
        assert [(topic, value) for topic, value, _ in client.taken] == [("retries", b"v")] * 2
        assert producer.outstanding == 1
        client.report(0)
        assert await sent == Position("retries", 3, 0)
        assert producer.outstanding == 0

    asyncio.run(law())
