"""The law of the reader: whole ranges, to their very ends, and tails that begin where they were asked to."""

from __future__ import annotations

import asyncio

import pytest
from confluent_kafka import Producer as ConfluentProducer

from penstock.broker.kafka import scan
from penstock.broker.kafka.reader import KafkaReader
from penstock.errors import BrokerUnavailable, TopicMissing
from penstock.record import Outgoing, TopicPartition


async def scanned(stage, ranges):
    async with asyncio.timeout(30):
        return [record async for record in stage.broker.reader().scan(ranges)]


def test_a_scan_gives_every_record_of_its_ranges_in_order_and_ends(keeper):
    async def law(stage):
        topic = await stage.topic(3)
        one, two, three = (TopicPartition(topic, number) for number in range(3))
        await stage.fill(one, 30, "a")
        await stage.fill(two, 5, "b")
        found = await scanned(stage, {one: (10, 20), two: (0, 5), three: (0, 0)})
        assert [record.offset for record in found if record.source == one] == list(range(10, 20))
        assert [record.value for record in found if record.source == two] == [b"b%d" % n for n in range(5)]
        assert len(found) == 15

    keeper.run(law)


def test_a_scan_carries_records_unchanged(keeper):
    async def law(stage):
        topic = await stage.topic()
        headers = [("b", b"2"), ("a", b"1"), ("b", None), ("a", b"")]
        await stage.send(topic, None, key=b"\xff\x00", headers=headers)
        await stage.send(topic, b"", key=None)
        first, second = await scanned(stage, {TopicPartition(topic, 0): (0, 2)})
        assert (first.key, first.value, list(first.headers)) == (b"\xff\x00", None, headers)
        assert (second.key, second.value, list(second.headers)) == (None, b"", [])
        assert abs(first.timestamp / 1000 - stage.clock.now()) < 60

    keeper.run(law)


def test_a_scan_of_nothing_ends(keeper):
    async def law(stage):
        at = TopicPartition(await stage.topic(), 0)
        await stage.fill(at, 3)
        assert await scanned(stage, {}) == []
        assert await scanned(stage, {at: (2, 2)}) == []
        assert await scanned(stage, {at: (3, 9)}) == []
        assert await scanned(stage, {at: (7, 9)}) == []

    keeper.run(law)


def test_a_scan_beyond_the_end_stops_at_the_end(keeper):
    async def law(stage):
        at = TopicPartition(await stage.topic(), 0)
        await stage.fill(at, 3)
        assert [record.offset for record in await scanned(stage, {at: (1, 100)})] == [1, 2]

    keeper.run(law)


def test_a_scan_begins_at_what_is_left(keeper):
    async def law(stage):
        at = TopicPartition(await stage.topic(), 0)
        await stage.fill(at, 10)
        await stage.broker.admin().delete_records({at: 6})
        assert [record.offset for record in await scanned(stage, {at: (2, 8)})] == [6, 7]
        assert await scanned(stage, {at: (0, 5)}) == []

    keeper.run(law)


def test_a_scan_of_a_missing_topic_or_partition_says_so(keeper):
    async def law(stage):
        topic = await stage.topic()
        for missing in (TopicPartition(stage.name(), 0), TopicPartition(topic, 1)):
            with pytest.raises(TopicMissing):
                await scanned(stage, {missing: (0, 1)})

    keeper.run(law)


async def leave_gap(stage, at, bootstrap):
    """Let the log have offsets at its end that hold no record, as transactions and compaction leave."""
    if stage.keeper == "in_memory":
        stage.broker.skip_offsets(at, 3)
        return

    def abort():
        settings = {"bootstrap.servers": bootstrap, "transactional.id": stage.name("transaction")}
        producer = ConfluentProducer(settings)
        producer.init_transactions(30)
        producer.begin_transaction()
        producer.produce(at.topic, b"aborted", partition=at.partition)
        producer.produce(at.topic, b"aborted", partition=at.partition)
        producer.flush(30)
        producer.abort_transaction(30)  # its marker takes the third offset

    await asyncio.to_thread(abort)
    async with asyncio.timeout(30):
        while (await stage.broker.admin().ends([at]))[at].high < 6:  # the marker is written a moment later
            await asyncio.sleep(0.02)


def test_a_scan_ends_where_the_last_offsets_hold_no_record(keeper, request):
    async def law(stage):
        at = TopicPartition(await stage.topic(), 0)
        await stage.fill(at, 3, "before")
        await leave_gap(stage, at, keeper.name == "kafka" and request.getfixturevalue("kafka"))
        assert (await stage.broker.admin().ends([at]))[at].high == 6
        assert [record.offset for record in await scanned(stage, {at: (0, 6)})] == [0, 1, 2]
        assert await scanned(stage, {at: (4, 6)}) == []
        await stage.fill(at, 2, "after")
        assert [record.offset for record in await scanned(stage, {at: (0, 5)})] == [0, 1, 2]
        assert [record.offset for record in await scanned(stage, {at: (1, 8)})] == [1, 2, 6, 7]

    keeper.run(law)


def test_a_scan_given_up_half_way_lets_go(keeper):
    async def law(stage):
        at = TopicPartition(await stage.topic(), 0)
        await stage.fill(at, 50)
        scan = stage.broker.reader().scan({at: (0, 50)})
        assert (await anext(scan)).offset == 0
        await scan.aclose()
        with pytest.raises(StopAsyncIteration):
            await anext(scan)

    keeper.run(law)


OTHERS = ("law", "foreign-")  # groups of tests that share the broker with this one; a reader would not know these names


def test_a_scan_commits_nothing_and_leaves_no_group(keeper):
    async def law(stage):
        at = TopicPartition(await stage.topic(), 0)
        await stage.fill(at, 3)
        before = set(await stage.broker.admin().groups())
        await scanned(stage, {at: (0, 3)})
        made = set(await stage.broker.admin().groups()) - before
        assert {group for group in made if not group.startswith(OTHERS)} == set()

    keeper.run(law)


class Tail:
    """What a tail brought so far, read in a task of its own."""

    def __init__(self, stage, topics, **options):
        self.records = []
        self._task = asyncio.create_task(self._read(stage.broker.reader().tail(topics, **options)))

    async def _read(self, records):
        async for record in records:
            self.records.append(record)

    async def end(self):
        self._task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await self._task


def test_a_tail_from_a_time_gives_what_was_written_since_and_goes_on(keeper):
    async def law(stage):
        at = TopicPartition(await stage.topic(), 0)
        await stage.fill(at, 3, "old")
        [third] = await scanned(stage, {at: (2, 3)})
        await stage.until(lambda: stage.clock.now() * 1000 > third.timestamp + 5, "the clock moved on")
        await stage.fill(at, 2, "new")
        tail = Tail(stage, [at.topic], from_time_ms=third.timestamp + 1)
        await stage.until(lambda: len(tail.records) == 2, "both records since then")
        await stage.fill(at, 1, "later")
        await stage.until(lambda: len(tail.records) == 3, "the record after them")
        assert [record.value for record in tail.records] == [b"new0", b"new1", b"later0"]
        assert [record.offset for record in tail.records] == [3, 4, 5]
        await tail.end()

    keeper.run(law)


def test_a_tail_without_a_time_begins_at_the_end(keeper):
    async def law(stage):
        at = TopicPartition(await stage.topic(), 0)
        await stage.fill(at, 3, "old")
        tail = Tail(stage, [at.topic])
        sent = 0
        async with asyncio.timeout(30):
            while not tail.records:  # there is no sign that a tail has begun but what it brings
                await stage.send(at.topic, b"new", partition=0)
                sent += 1
                await asyncio.sleep(0.05)
        assert all(record.value == b"new" for record in tail.records)
        assert sent
        await tail.end()

    keeper.run(law)


def test_a_tail_carries_headers_unchanged(keeper):
    async def law(stage):
        topic = await stage.topic()
        headers = [("b", b"2"), ("a", b"1"), ("b", None)]
        await stage.send(topic, None, key=b"k", headers=headers)
        tail = Tail(stage, [topic], from_time_ms=0)
        await stage.until(lambda: tail.records, "the record")
        [record] = tail.records
        assert (record.key, record.value, list(record.headers)) == (b"k", None, headers)
        assert record.header("a") == b"1"
        await tail.end()

    keeper.run(law)


def test_a_tail_follows_partitions_that_are_added_from_their_beginning(keeper):
    async def law(stage):
        topic = await stage.topic(1)
        await stage.fill(TopicPartition(topic, 0), 2)
        tail = Tail(stage, [topic], from_time_ms=0)
        await stage.until(lambda: len(tail.records) == 2, "the first partition")
        await stage.add_partitions(topic, 2)
        newcomer = stage.broker.producer()  # the one used so far may not know of the partition yet
        await asyncio.gather(*[newcomer.send(Outgoing(topic, None, b"new", (), 1)) for _ in range(2)])
        await stage.until(lambda: len(tail.records) == 4, "the second partition")
        assert sorted(record.position for record in tail.records) == [(topic, at, n) for at in (0, 1) for n in (0, 1)]
        await tail.end()

    keeper.run(law)


def test_a_kafka_that_does_not_answer_is_unavailable(monkeypatch):
    monkeypatch.setattr(scan, "_TIMEOUT", 0.5)
    reader = KafkaReader({"bootstrap.servers": "127.0.0.1:1"})

    async def ask():
        with pytest.raises(BrokerUnavailable):
            await anext(reader.scan({TopicPartition("any", 0): (0, 1)}))
        with pytest.raises(BrokerUnavailable, match=r"127\.0\.0\.1:1"):
            await anext(reader.tail(["any"]))

    asyncio.run(ask())
