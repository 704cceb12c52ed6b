"""The law of commits: what was committed, metadata included, is where the next owner begins."""

from __future__ import annotations

from penstock.broker.contract import Commit
from penstock.broker.progress import METADATA_LIMIT
from penstock.record import TopicPartition


def test_a_commit_and_its_metadata_come_back_and_reading_resumes_there(keeper):
    async def law(stage):
        at, group = TopicPartition(await stage.topic(), 0), stage.name("group")
        values = await stage.fill(at, 10)
        first = await stage.peer(group).join(at.topic)
        await first.has(10)
        assert await first.member.commit([Commit(at, 4, "a map of things")]) == {}
        committed = (await stage.broker.admin().committed(group))[at]
        assert (committed.offset, committed.metadata) == (4, "a map of things")
        await first.member.leave()
        second = await stage.peer(group).join(at.topic)
        await second.has(6)
        assert second.values() == values[4:]
        assert (second.starts[at].start, second.starts[at].metadata) == (4, "a map of things")

    keeper.run(law)


def test_nothing_is_committed_that_was_not_asked_for(keeper):
    async def law(stage):
        at, group = TopicPartition(await stage.topic(), 0), stage.name("group")
        await stage.fill(at, 10)
        first = await stage.peer(group).join(at.topic)
        await first.has(10)
        await stage.quiet()
        await first.member.leave()
        assert await stage.broker.admin().committed(group) == {}
        second = await stage.peer(group).join(at.topic)
        await second.has(10)

    keeper.run(law)


def test_a_later_commit_replaces_the_earlier_also_backwards(keeper):
    async def law(stage):
        at = TopicPartition(await stage.topic(), 0)
        await stage.fill(at, 10)
        peer = await stage.peer().join(at.topic)
        await peer.owns(at)
        for offset, metadata in [(3, "three"), (9, "nine"), (5, "")]:
            assert await peer.member.commit([Commit(at, offset, metadata)]) == {}
        committed = (await stage.broker.admin().committed(peer.group))[at]
        assert (committed.offset, committed.metadata) == (5, "")

    keeper.run(law)


def test_metadata_too_long_is_refused_and_the_other_commits_of_the_request_are_made(keeper):
    """Measured: the broker refuses one partition, the client then blames all of the request. So more may be named."""

    async def law(stage):
        topic = await stage.topic(2)
        fits, too_long = TopicPartition(topic, 0), TopicPartition(topic, 1)
        peer = await stage.peer().join(topic)
        await peer.owns(fits, too_long)
        longest = "x" * (METADATA_LIMIT - 1)  # counted in characters; the limit itself is refused
        refused = await peer.member.commit([Commit(fits, 0, longest), Commit(too_long, 0, longest + "xx")])
        assert refused[too_long]
        committed = await stage.broker.admin().committed(peer.group)
        assert list(committed) == [fits]
        assert committed[fits].metadata == longest
        assert await peer.member.commit([Commit(too_long, 0, "é" * (METADATA_LIMIT - 1))]) == {}

    keeper.run(law)


def test_assigned_may_commit_what_it_was_told(keeper):
    async def law(stage):
        at = TopicPartition(await stage.topic(), 0)
        await stage.fill(at, 3)
        peer = stage.peer()
        peer.on_assigned = peer.commit_born
        await peer.join(at.topic)
        await peer.has(3)
        assert (await stage.broker.admin().committed(peer.group))[at].offset == 0

    keeper.run(law)


def test_what_revoked_commits_is_where_the_peer_begins(keeper):
    async def law(stage):
        topic, group = await stage.topic(2), stage.name("group")
        partitions = [TopicPartition(topic, 0), TopicPartition(topic, 1)]
        for at in partitions:
            await stage.fill(at, 10)
        first = stage.peer(group)

        async def commit(revoked):
            assert await first.member.commit([Commit(at, 6, f"from {at.partition}") for at in revoked]) == {}

        first.on_revoked = commit
        await first.join(topic)
        await first.has(20)
        second = await stage.peer(group).join(topic)
        await second.has(4)
        (moved,) = second.owned
        assert (second.starts[moved].start, second.starts[moved].metadata) == (6, f"from {moved.partition}")
        assert second.offsets(moved) == [6, 7, 8, 9]

    keeper.run(law)


def test_what_revoked_commits_while_leaving_counts_too(keeper):
    async def law(stage):
        at, group = TopicPartition(await stage.topic(), 0), stage.name("group")
        await stage.fill(at, 10)
        peer = stage.peer(group)

        async def commit(revoked):
            assert await peer.member.commit([Commit(one, 7, "last word") for one in revoked]) == {}

        peer.on_revoked = commit
        await peer.join(at.topic)
        await peer.has(10)
        await peer.member.leave()
        committed = (await stage.broker.admin().committed(group))[at]
        assert (committed.offset, committed.metadata) == (7, "last word")

    keeper.run(law)
