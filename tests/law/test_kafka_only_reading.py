"""What reading on a real broker must hold: exact under pauses and small demand, honest when records are gone."""

from __future__ import annotations

import asyncio
import random

import pytest

from penstock.broker.contract import Commit
from penstock.record import TopicPartition

pytestmark = pytest.mark.kafka
PROTOCOLS = ("classic", "consumer")


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_random_pauses_and_demand_lose_and_repeat_nothing(on_kafka, protocol, seed):
    dice = random.Random(seed)

    async def law(stage):
        topic = await stage.topic(4)
        sources = [TopicPartition(topic, number) for number in range(4)]
        for source in sources:
            await stage.fill(source, 1000)
        peer = await stage.peer(settings={"group.protocol": protocol}).join(topic, demand=5)
        paused = set()
        turns = 0
        while len(peer.records) < 4000:
            turns += 1
            assert turns < 3000, f"stuck at {len(peer.records)} records"
            some = set(dice.sample(sources, dice.randint(1, 4)))
            if dice.random() < 0.5:
                peer.member.pause(some)
                paused |= some
                await asyncio.sleep(0)  # what was handed over before may still come
                quiet = {one: len(peer.offsets(one)) for one in paused}
            else:
                peer.member.resume(some)
                paused -= some
                quiet = {one: len(peer.offsets(one)) for one in paused}
            peer.demand(dice.choice([0, 1, 7, 100, 400]))
            # Now and then long enough without demand that all is paused in the client too.
            await asyncio.sleep(0.7 if dice.random() < 0.02 else dice.random() * 0.01)
            assert {one: len(peer.offsets(one)) for one in paused} == quiet, "nothing comes of what is paused"
        assert [peer.offsets(source) for source in sources] == [list(range(1000))] * 4
        assert peer.member.stale <= 4  # nothing but what a rebalance made uncertain was read twice

    on_kafka.run(law)


async def leave_as_the_engine_does(peer, seen):
    """Commit, then leave: in the hand-over itself a commit may be refused (see GroupMember.leave)."""
    while await peer.member.commit([Commit(one, len(seen[one])) for one in peer.owned]):
        await asyncio.sleep(0.1)
    await peer.member.leave()


@pytest.mark.slow
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_rebalances_under_load_deliver_every_record_once_from_each_start(on_kafka, protocol):
    async def law(stage):
        topic, group = await stage.topic(6), stage.name("group")
        sources = [TopicPartition(topic, number) for number in range(6)]
        settings = {"settings": {"group.protocol": protocol}, "failover": 30.0}
        seen = {source: [] for source in sources}
        peers, leaving = [], []

        def make():
            peer = stage.peer(group, **settings)

            async def commit_what_was_seen(partitions):
                await peer.member.commit([Commit(one, len(seen[one])) for one in partitions])

            hear = peer.received

            def received(records):
                hear(records)
                if peer in leaving:
                    return
                for record in records:
                    assert record.offset == len(seen[record.source]), f"{record.position}: lost or repeated"
                    seen[record.source].append(record.offset)
                peer.demand(300)

            peer.on_revoked, peer.received = commit_what_was_seen, received
            peers.append(peer)
            return peer

        await make().join(topic, demand=300)
        for turn in range(4):
            await asyncio.gather(*(stage.fill(source, 1000) for source in sources))
            await make().join(topic, demand=300)
            if turn % 2:
                leaving.append(peers.pop(0))
                await leave_as_the_engine_does(leaving[-1], seen)
        await stage.until(lambda: all(len(offsets) == 4000 for offsets in seen.values()), "every record came, once")

    on_kafka.run(law)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_records_truncated_ahead_of_the_reader_are_counted_and_skipped_once(on_kafka, protocol):
    async def law(stage):
        topic = await stage.topic(2)
        at, other = TopicPartition(topic, 0), TopicPartition(topic, 1)
        await stage.fill(at, 3000)
        settings = {"group.protocol": protocol, "queued.min.messages": "1", "fetch.message.max.bytes": "1000"}
        peer = await stage.peer(settings=settings).join(topic, demand=10)
        await peer.has(10)
        peer.demand(0)
        peer.member.pause([at])
        await stage.broker.admin().delete_records({at: 2500})
        await stage.fill(other, 10)
        peer.demand(100_000)
        await stage.until(lambda: len(peer.offsets(other)) == 10, "the other partition goes on")
        peer.member.resume([at])
        await stage.until(lambda: peer.offsets(at)[-1] == 2999, "reading goes on behind what is gone")
        read_before = [offset for offset in peer.offsets(at) if offset < 2500]
        assert read_before == list(range(len(read_before)))
        assert peer.truncations == [(at, 2500, 2500 - len(read_before))]
        assert [offset for offset in peer.offsets(at) if offset >= 2500] == list(range(2500, 3000))
        assert await peer.member.commit([Commit(at, 3000)]) == {}
        assert peer.errors == []

    on_kafka.run(law)


def test_headers_are_opened_late_and_come_whole(on_kafka):
    async def law(stage):
        at = TopicPartition(await stage.topic(), 0)
        headers = [("a", b"1"), ("n", None), ("a", b"2"), ("e", b"")]
        await stage.send(at.topic, None, key=b"", headers=headers)
        await stage.send(at.topic, b"", key=None)
        peer = await stage.peer().join(at.topic)
        await peer.has(2)
        tombstone, empty = peer.records
        assert (tombstone.key, tombstone.value, list(tombstone.headers)) == (b"", None, headers)
        assert (empty.key, empty.value, list(empty.headers)) == (None, b"", [])

    on_kafka.run(law)
