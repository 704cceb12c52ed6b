"""The law of starts: the commit, else `start_from`, else the beginning; what is gone is said and counted."""

from __future__ import annotations

import pytest

from penstock.broker.contract import Commit
from penstock.broker.progress import Progress, encode
from penstock.record import TopicPartition


async def leave_a_commit(stage, group, at, offset, metadata=""):
    """Let a member of the group commit and go."""
    peer = await stage.peer(group).join(at.topic, demand=0)
    await peer.owns(at)
    assert await peer.member.commit([Commit(at, offset, metadata)]) == {}
    await peer.member.leave()


def test_earliest_reads_what_was_there_before(keeper):
    async def law(stage):
        at = TopicPartition(await stage.topic(), 0)
        values = await stage.fill(at, 5)
        peer = await stage.peer(start_from="earliest").join(at.topic)
        await peer.has(5)
        assert peer.values() == values

    keeper.run(law)


def test_latest_reads_only_what_comes_after_the_first_assignment(keeper):
    async def law(stage):
        at = TopicPartition(await stage.topic(), 0)
        await stage.fill(at, 5, "before")
        peer = await stage.peer(start_from="latest").join(at.topic)
        await peer.owns(at)
        assert peer.starts[at].start == 5
        values = await stage.fill(at, 5, "after")
        await peer.has(5)
        assert peer.values() == values

    keeper.run(law)


def test_a_time_reads_from_the_first_record_at_or_after_it(keeper):
    async def law(stage):
        import asyncio

        at = TopicPartition(await stage.topic(), 0)
        await stage.fill(at, 5, "before")
        await asyncio.sleep(0.05)
        time_ms = int(stage.clock.now() * 1000)
        await asyncio.sleep(0.05)
        values = await stage.fill(at, 5, "after")
        peer = await stage.peer(start_from=time_ms).join(at.topic)
        await peer.has(5)
        assert peer.values() == values

    keeper.run(law)


def test_a_time_after_every_record_starts_at_the_end(keeper):
    async def law(stage):
        at = TopicPartition(await stage.topic(), 0)
        await stage.fill(at, 5)
        peer = await stage.peer(start_from=int(stage.clock.now() * 1000) + 3_600_000).join(at.topic)
        await peer.owns(at)
        assert peer.starts[at].start == 5

    keeper.run(law)


@pytest.mark.parametrize("start_from", ["earliest", "latest"])
def test_a_commit_outweighs_start_from(keeper, start_from):
    async def law(stage):
        at, group = TopicPartition(await stage.topic(), 0), stage.name("group")
        values = await stage.fill(at, 5)
        await leave_a_commit(stage, group, at, 2)
        peer = await stage.peer(group, start_from=start_from).join(at.topic)
        await peer.has(3)
        assert peer.values() == values[2:]

    keeper.run(law)


def test_a_partition_added_later_is_read_from_its_beginning(keeper):
    async def law(stage):
        topic, group = await stage.topic(1), stage.name("group")
        old, new = TopicPartition(topic, 0), TopicPartition(topic, 1)
        await stage.fill(old, 5)
        first = stage.peer(group, start_from="latest")
        first.on_assigned = first.commit_born
        await first.join(topic)
        await first.owns(old)
        await first.member.leave()
        await stage.add_partitions(topic, 2)
        values = await stage.fill(new, 5)
        second = await stage.peer(group, start_from="latest").join(topic)
        await second.has(5)
        assert second.values() == values
        assert (second.starts[old].start, second.starts[new].start) == (5, 0)

    keeper.run(law)


def test_a_partition_that_was_there_from_the_first_keeps_start_from(keeper):
    async def law(stage):
        topic, group = await stage.topic(2), stage.name("group")
        one, other = TopicPartition(topic, 0), TopicPartition(topic, 1)
        await stage.fill(other, 5)
        first = await stage.peer(group, start_from="latest").join(topic)
        await first.owns(one, other)
        born = encode(Progress(topic_id=first.starts[one].topic_id, born=2))
        assert await first.member.commit([Commit(one, 0, born)]) == {}
        await first.member.leave()
        second = await stage.peer(group, start_from="latest").join(topic)
        await second.owns(one, other)
        assert second.starts[other].start == 5

    keeper.run(law)


@pytest.mark.parametrize("derived", ["{group}.retry.5s", "{group}.replay"])
def test_retry_and_replay_topics_are_read_from_the_beginning_whatever_start_from_says(keeper, derived):
    async def law(stage):
        group = stage.name("group")
        at = TopicPartition(await stage.topic(name=derived.format(group=group)), 0)
        values = await stage.fill(at, 5)
        peer = await stage.peer(group, start_from="latest").join(at.topic)
        await peer.has(5)
        assert peer.values() == values

    keeper.run(law)


def test_topics_named_always_earliest_are_read_from_the_beginning(keeper):
    async def law(stage):
        always, other = TopicPartition(await stage.topic(), 0), TopicPartition(await stage.topic(), 0)
        values = await stage.fill(always, 5)
        await stage.fill(other, 5)
        peer = await stage.peer(start_from="latest", always_earliest=(always.topic,)).join(always.topic, other.topic)
        await peer.owns(always, other)
        await peer.has(5)
        await stage.quiet()
        assert peer.values() == values

    keeper.run(law)


def test_a_start_that_retention_ate_is_counted(keeper):
    async def law(stage):
        at, group = TopicPartition(await stage.topic(), 0), stage.name("group")
        values = await stage.fill(at, 10)
        await leave_a_commit(stage, group, at, 3)
        await stage.broker.admin().delete_records({at: 7})
        peer = await stage.peer(group).join(at.topic)
        await peer.has(3)
        assert peer.values() == values[7:]
        assert (peer.starts[at].start, peer.starts[at].lost) == (7, 4)

    keeper.run(law)


def test_unread_records_removed_under_a_reader_are_counted_and_reading_goes_on(keeper):
    async def law(stage):
        at = TopicPartition(await stage.topic(), 0)
        await stage.fill(at, 4)
        peer = await stage.peer().join(at.topic)
        await peer.has(4)
        peer.member.pause([at])
        await stage.quiet()
        values = await stage.fill(at, 6, "late")
        await stage.broker.admin().delete_records({at: 8})
        peer.member.resume([at])
        await peer.has(6)
        assert peer.values()[4:] == values[4:]
        assert peer.truncations == [(at, 8, 4)]

    keeper.run(law)


def test_a_commit_past_the_end_reads_everything_that_is_there(keeper):
    async def law(stage):
        at, group = TopicPartition(await stage.topic(), 0), stage.name("group")
        values = await stage.fill(at, 3)
        await leave_a_commit(stage, group, at, 1000, "of another log")
        peer = await stage.peer(group).join(at.topic)
        await peer.has(3)
        assert peer.values() == values
        assert (peer.starts[at].start, peer.starts[at].metadata, peer.starts[at].lost) == (0, "", 0)

    keeper.run(law)


def test_a_map_of_another_topic_of_that_name_is_dropped(keeper):
    async def law(stage):
        at, group = TopicPartition(await stage.topic(), 0), stage.name("group")
        values = await stage.fill(at, 5)
        await leave_a_commit(stage, group, at, 2, encode(Progress(topic_id="AAAAAAAAAAAAAAAAAAAAAA", runs=((1, 1),))))
        peer = await stage.peer(group).join(at.topic)
        await peer.has(5)
        assert peer.values() == values
        assert peer.starts[at].metadata == ""

    keeper.run(law)


def test_foreign_metadata_is_handed_on_as_it_is(keeper):
    async def law(stage):
        at, group = TopicPartition(await stage.topic(), 0), stage.name("group")
        await stage.fill(at, 5)
        await leave_a_commit(stage, group, at, 2, "someone else's note é")
        peer = await stage.peer(group).join(at.topic)
        await peer.has(3)
        assert (peer.starts[at].start, peer.starts[at].metadata) == (2, "someone else's note é")

    keeper.run(law)
