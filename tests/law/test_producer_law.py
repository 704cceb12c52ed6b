"""The law of a producer: order, acknowledgement, refusal, and bytes that arrive as they left."""

from __future__ import annotations

import asyncio

import pytest

from penstock.errors import SendFailed, SendRefused
from penstock.record import Outgoing, TopicPartition

# The partition of each key among 12 by the formula of Kafka's Java client, held for all time: another partitioner
# would break the order of every key already in a log.
PARTITIONS_OF_TWELVE = {
    b"21": 0,
    b"foobar": 6,
    b"a-little-bit-long-string": 8,
    b"a-little-bit-longer-string": 11,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": 5,
    b"abc": 3,
}


def test_records_of_one_key_reach_the_log_in_the_order_of_the_calls(keeper):
    async def law(stage):
        topic = await stage.topic(3)
        producer = stage.broker.producer()
        sent = [producer.send(Outgoing(topic, b"k%d" % (n % 5), b"%d" % n)) for n in range(500)]
        peer = await stage.peer().join(topic)
        await asyncio.gather(*sent)
        await peer.has(500)
        for key in {b"k%d" % number for number in range(5)}:
            values = [int(record.value) for record in peer.records if record.key == key]
            assert values == sorted(values)
            assert len(values) == 100

    keeper.run(law)


def test_the_acknowledgement_says_where_the_record_stands(keeper):
    async def law(stage):
        topic = await stage.topic(4)
        told = {number: await stage.send(topic, b"%d" % number, key=b"k%d" % number) for number in range(20)}
        peer = await stage.peer().join(topic)
        await peer.has(20)
        assert {int(record.value): record.position for record in peer.records} == told

    keeper.run(law)


def test_the_partitioner_is_murmur2(keeper):
    async def law(stage):
        topic = await stage.topic(12)
        for key, partition in PARTITIONS_OF_TWELVE.items():
            assert (await stage.send(topic, b"v", key=key)).partition == partition, key

    keeper.run(law)


def test_any_key_has_the_same_partition_in_both_keepers(keeper):
    async def law(stage):
        from penstock.broker.in_memory.partitioner import murmur2

        topic = await stage.topic(12)
        keys = [bytes(range(length)) for length in range(40)] + [b"customer-%d" % number for number in range(40)]
        for key in keys:
            position = await stage.send(topic, b"v", key=key)
            assert position.partition == (murmur2(key) & 0x7FFFFFFF) % 12, key

    keeper.run(law)


def test_a_named_partition_outweighs_the_key(keeper):
    async def law(stage):
        topic = await stage.topic(4)
        for number in range(4):
            assert (await stage.send(topic, b"v", key=b"same", partition=number)).partition == number

    keeper.run(law)


@pytest.mark.parametrize(
    ("key", "value", "headers"),
    [
        (None, b"v", ()),
        (b"", b"", ()),
        (b"k", None, ()),
        (None, None, ()),
        (b"\x00\xff\xfe", bytes(range(256)), ()),
        (b"k", b"v", (("a", b"1"), ("b", None), ("a", b"2"), ("c", b""), ("a", b"1"), ("é", b"\xff\x00"))),
    ],
)
def test_keys_values_and_headers_arrive_byte_identical(keeper, key, value, headers):
    async def law(stage):
        topic = await stage.topic()
        await stage.send(topic, value, key=key, headers=headers)
        peer = await stage.peer().join(topic)
        await peer.has(1)
        (record,) = peer.records
        assert (record.key, record.value, tuple(record.headers)) == (key, value, headers)

    keeper.run(law)


def test_the_timestamp_is_the_time_of_writing(keeper):
    async def law(stage):
        topic = await stage.topic()
        before = int(stage.clock.now() * 1000)
        await stage.send(topic, b"v")
        after = int(stage.clock.now() * 1000)
        peer = await stage.peer().join(topic)
        await peer.has(1)
        assert before <= peer.records[0].timestamp <= after

    keeper.run(law)


def test_too_large_is_refused_for_good_and_the_next_is_taken(keeper):
    async def law(stage):
        topic = await stage.topic(max_message_bytes="10000")
        with pytest.raises(SendRefused):
            await stage.send(topic, b"x" * 20_000)
        await stage.send(topic, b"x" * 9_000)
        await stage.send(topic, b"small")

    keeper.run(law)


def test_large_headers_count_too(keeper):
    async def law(stage):
        topic = await stage.topic(max_message_bytes="10000")
        with pytest.raises(SendRefused):
            await stage.send(topic, b"v", headers=[("h", b"x" * 20_000)])

    keeper.run(law)


def test_the_topic_decides_what_is_too_large_not_the_client(keeper):
    async def law(stage):
        topic = await stage.topic(max_message_bytes="4000000")
        await stage.send(topic, b"x" * 3_000_000)

    keeper.run(law)


def test_an_unknown_topic_fails_for_a_passing_reason(keeper):
    async def law(stage):
        with pytest.raises(SendFailed):
            await stage.send(stage.name("nowhere"), b"v", key=b"k")

    keeper.run(law)


def test_an_unknown_partition_fails_for_a_passing_reason_since_it_may_be_added(keeper):
    async def law(stage):
        topic = await stage.topic(1)
        await stage.send(topic, b"v")
        with pytest.raises(SendFailed):
            await stage.send(topic, b"v", partition=1)

    keeper.run(law)


def test_outstanding_counts_what_is_not_acknowledged_and_flush_waits_for_it(keeper):
    async def law(stage):
        at = TopicPartition(await stage.topic(), 0)
        producer = stage.broker.producer()
        await producer.flush()
        sent = [producer.send(Outgoing(at.topic, None, b"v")) for _ in range(50)]
        assert producer.outstanding == 50
        await producer.flush()
        assert producer.outstanding == 0
        assert all(one.done() for one in sent)
        assert (await stage.broker.admin().ends([at]))[at].high == 50

    keeper.run(law)


def test_close_flushes_and_may_be_repeated(keeper):
    async def law(stage):
        at = TopicPartition(await stage.topic(), 0)
        producer = stage.broker.producer()
        sent = [producer.send(Outgoing(at.topic, None, b"v")) for _ in range(50)]
        await producer.close()
        await producer.close()
        assert sorted(one.result().offset for one in sent) == list(range(50))

    keeper.run(law)


@pytest.mark.slow
def test_far_more_than_a_client_queue_holds_is_taken_without_blocking(keeper):
    async def law(stage):
        topic = await stage.topic(4)
        producer = stage.broker.producer()
        sent = [producer.send(Outgoing(topic, b"%d" % (n % 100), b"v")) for n in range(120_000)]
        await producer.flush()
        assert all(one.exception() is None for one in sent)

    keeper.run(law)
