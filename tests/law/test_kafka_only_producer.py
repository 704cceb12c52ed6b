"""How records are placed and acknowledged on a real broker."""

from __future__ import annotations

import asyncio

import pytest

from penstock.broker.contract import NewTopic
from penstock.broker.kafka.producer import KafkaProducer
from penstock.errors import SendRefused
from penstock.record import Outgoing

pytestmark = pytest.mark.kafka

# Keys and hashes as the Java client's own tests state them.
KNOWN = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


def murmur2(data):
    """MurmurHash2 with the Java client's seed, as an unsigned number."""
    mask, factor = 0xFFFFFFFF, 0x5BD1E995
    found = (0x9747B28C ^ len(data)) & mask
    whole = len(data) // 4 * 4
    for at in range(0, whole, 4):
        word = int.from_bytes(data[at : at + 4], "little") * factor & mask
        word = (word ^ word >> 24) * factor & mask
        found = found * factor & mask ^ word
    if rest := data[whole:]:
        found = (found ^ int.from_bytes(rest, "little")) * factor & mask
    found = (found ^ found >> 13) * factor & mask
    return found ^ found >> 15


def test_records_are_placed_as_java_places_them(on_kafka):
    assert {key: murmur2(key) for key in KNOWN} == {key: value & 0xFFFFFFFF for key, value in KNOWN.items()}

    async def law(stage):
        topic = await stage.topic(12)
        keys = [*KNOWN, *(f"customer-{number}".encode() for number in range(200)), "schlüssel".encode(), b""]
        placed = {key: (await stage.send(topic, b"v", key=key)).partition for key in keys[:6]}
        producer = stage.broker.producer()
        found = await asyncio.gather(*(producer.send(Outgoing(topic, key, b"v")) for key in keys))
        placed.update({key: position.partition for key, position in zip(keys, found, strict=True)})
        assert placed == {key: (murmur2(key) & 0x7FFFFFFF) % 12 for key in keys}

    on_kafka.run(law)


@pytest.mark.slow
def test_what_is_acknowledged_stands_in_the_log_also_of_a_topic_made_a_moment_ago(on_kafka):
    """Such a partition may refuse the first batches and take a later one; what it then calls duplicates is nowhere."""

    async def law(stage):
        admin, producer = stage.broker.admin(), stage.broker.producer()
        for _ in range(8):
            topic = stage.name()
            assert not await admin.create_topics([NewTopic(topic, 80)])
            sent = []
            for _ in range(8):
                sent += [producer.send(Outgoing(topic, None, b"v", (), partition)) for partition in range(80)]
                await asyncio.sleep(0.005)
            positions = await asyncio.gather(*sent)
            ends = await admin.ends({position.source for position in positions})
            assert len(set(positions)) == len(positions), "two are said to stand in one place"
            assert sum(end.high for end in ends.values()) >= len(positions)

    on_kafka.run(law)


def test_a_full_client_queue_keeps_the_order_of_keys(on_kafka, kafka):
    async def law(stage):
        topic = await stage.topic(3)
        producer = KafkaProducer({"bootstrap.servers": kafka, "queue.buffering.max.messages": "10"}, "small")
        sent = [producer.send(Outgoing(topic, b"k%d" % (number % 5), b"%d" % number)) for number in range(500)]
        assert producer.outstanding == 500
        await producer.flush()
        assert producer.outstanding == 0
        positions = await asyncio.gather(*sent)
        for key in range(5):
            offsets = [position.offset for position in positions[key::5]]
            assert offsets == sorted(offsets)
        await producer.close()
        await producer.close()

    on_kafka.run(law)


def test_what_the_client_cannot_take_is_refused_and_leaves_nothing_outstanding(on_kafka):
    async def law(stage):
        producer = stage.broker.producer()
        with pytest.raises(SendRefused):
            await producer.send(Outgoing("no such name!", b"k", b"v"))
        with pytest.raises(SendRefused):
            await producer.send(Outgoing(await stage.topic(), b"k", b"v", [("h", object())]))
        assert producer.outstanding == 0

    on_kafka.run(law)


def test_a_cancelled_send_disturbs_nobody(on_kafka):
    async def law(stage):
        topic = await stage.topic()
        producer = stage.broker.producer()
        given_up = producer.send(Outgoing(topic, b"k", b"1"))
        given_up.cancel()
        position = await producer.send(Outgoing(topic, b"k", b"2"))
        await producer.flush()
        assert position.offset == 1, "a record that was sent is sent; only the wait for it was given up"

    on_kafka.run(law)


def test_a_record_that_is_too_large_takes_no_other_with_it(on_kafka):
    """The broker judges whole batches: what is small enough alone must not fail for its company."""

    async def law(stage):
        topic = await stage.topic(1, max_message_bytes="20000")
        producer = stage.broker.producer()
        await producer.send(Outgoing(topic, b"k", b"the client knows the topic now"))
        small = [producer.send(Outgoing(topic, b"k", b"%03d" % number + bytes(2000))) for number in range(40)]
        large = producer.send(Outgoing(topic, b"k", bytes(30_000)))
        last = producer.send(Outgoing(topic, b"k", b"last"))
        with pytest.raises(SendRefused, match="too large"):
            await large
        offsets = [position.offset for position in await asyncio.gather(*small)]
        assert len(set(offsets)) == 40
        assert (await last).topic == topic
        assert producer.outstanding == 0

    on_kafka.run(law)


def test_a_record_without_a_key_takes_no_other_of_a_compacted_topic_with_it(on_kafka):
    async def law(stage):
        topic = await stage.topic(1, cleanup_policy="compact")
        producer = stage.broker.producer()
        await producer.send(Outgoing(topic, b"k", b"the client knows the topic now"))
        good = [producer.send(Outgoing(topic, b"k", b"%d" % number)) for number in range(5)]
        bad = producer.send(Outgoing(topic, None, b"no key"))
        with pytest.raises(SendRefused):
            await bad
        assert [position.offset for position in await asyncio.gather(*good)] == [1, 2, 3, 4, 5]

    on_kafka.run(law)
