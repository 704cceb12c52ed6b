"""The law of hand-overs: a partition has one owner, and the old one is asked before the new one gets it."""

from __future__ import annotations

import asyncio

from penstock.broker.contract import Commit
from penstock.record import TopicPartition


def test_the_peer_gets_a_partition_only_after_revoked_returned(keeper):
    async def law(stage):
        topic, group = await stage.topic(2), stage.name("group")
        first, gate = stage.peer(group), asyncio.Event()

        async def finish_runs(_):
            await gate.wait()

        first.on_revoked = finish_runs
        await first.join(topic)
        await first.owns(TopicPartition(topic, 0), TopicPartition(topic, 1))
        second = await stage.peer(group).join(topic)
        await stage.until(lambda: any(what == "revoked" for what, _ in first.told), "revoked is called")
        await stage.quiet()
        assert second.owned == set()
        gate.set()
        await stage.until(lambda: len(second.owned) == 1 and len(first.owned) == 1, "the partition has moved")

    keeper.run(law)


def test_only_what_moves_is_revoked(keeper):
    async def law(stage):
        topic, group = await stage.topic(6), stage.name("group")
        everything = [TopicPartition(topic, number) for number in range(6)]
        first = await stage.peer(group).join(topic)
        await first.owns(*everything)
        second = await stage.peer(group).join(topic)
        await stage.until(lambda: len(first.owned) == len(second.owned) == 3, "the load is shared")
        revoked = [partitions for what, partitions in first.told if what == "revoked"]
        assert frozenset().union(*revoked) == second.owned
        assert sum(len(partitions) for partitions in revoked) == 3

    keeper.run(law)


def test_those_who_stay_keep_theirs_when_one_leaves(keeper):
    async def law(stage):
        topic, group = await stage.topic(6), stage.name("group")
        peers = [await stage.peer(group).join(topic) for _ in range(3)]
        await stage.until(lambda: all(len(peer.owned) == 2 for peer in peers), "the load is shared")
        told = [len(peer.told) for peer in peers]
        await peers[0].member.leave()
        await stage.until(lambda: len(peers[1].owned) == len(peers[2].owned) == 3, "the rest is shared")
        for peer, before in list(zip(peers, told, strict=True))[1:]:
            assert all(what == "assigned" for what, _ in peer.told[before:])

    keeper.run(law)


def test_leaving_hands_over_through_revoked_and_may_be_repeated(keeper):
    async def law(stage):
        topic, group = await stage.topic(4), stage.name("group")
        everything = {TopicPartition(topic, number) for number in range(4)}
        first = await stage.peer(group).join(topic)
        await first.owns(*everything)
        second = await stage.peer(group).join(topic)
        await stage.until(lambda: len(second.owned) == 2, "the load is shared")
        mine = frozenset(first.owned)
        await first.member.leave()
        await first.member.leave()
        assert first.told[-1] == ("revoked", mine)
        assert first.owned == set()
        await second.owns(*everything)

    keeper.run(law)


def test_nothing_is_received_after_leaving(keeper):
    async def law(stage):
        at = TopicPartition(await stage.topic(), 0)
        await stage.fill(at, 5)
        peer = await stage.peer().join(at.topic)
        await peer.has(5)
        await peer.member.leave()
        peer.demand(100)
        await stage.fill(at, 5)
        await stage.quiet()
        assert len(peer.records) == 5

    keeper.run(law)


def test_closing_the_broker_lets_its_members_leave(keeper):
    async def law(stage):
        at = TopicPartition(await stage.topic(), 0)
        peer = await stage.peer().join(at.topic)
        await peer.owns(at)
        await stage.broker.close()
        assert peer.told[-1] == ("revoked", frozenset({at}))

    keeper.run(law)


def test_retained_partitions_go_on_where_they_were(keeper):
    async def law(stage):
        topic, group = await stage.topic(2), stage.name("group")
        everything = [TopicPartition(topic, 0), TopicPartition(topic, 1)]
        first = await stage.peer(group).join(topic)
        for at in everything:
            await stage.fill(at, 10, "before")
        await first.has(20)
        second = await stage.peer(group).join(topic)
        await stage.until(lambda: len(second.owned) == 1, "one has moved")
        (kept,) = first.owned
        await stage.fill(kept, 10, "after")
        await stage.until(lambda: len(first.offsets(kept)) >= 20, "the retained one flows")
        await stage.quiet()
        assert first.offsets(kept) == list(range(20))

    keeper.run(law)


def test_members_of_different_subscriptions_get_only_their_topics(keeper):
    async def law(stage):
        one, two, group = await stage.topic(2), await stage.topic(2), stage.name("group")
        ones = [TopicPartition(one, 0), TopicPartition(one, 1)]
        twos = [TopicPartition(two, 0), TopicPartition(two, 1)]
        first = await stage.peer(group).join(one)
        second = await stage.peer(group).join(two)
        await first.owns(*ones)
        await second.owns(*twos)

    keeper.run(law)


def test_more_members_than_partitions_leave_some_without_and_none_stuck(keeper):
    async def law(stage):
        topic, group = await stage.topic(2), stage.name("group")
        peers = [await stage.peer(group).join(topic) for _ in range(3)]
        await stage.until(lambda: sorted(len(peer.owned) for peer in peers) == [0, 1, 1], "two have one, one has none")
        (idle,) = [peer for peer in peers if not peer.owned]
        busy = [peer for peer in peers if peer.owned]
        await busy[0].member.leave()
        await stage.until(lambda: len(idle.owned) == 1, "the idle one takes over")

    keeper.run(law)


def test_a_crashed_member_is_expelled_and_its_partitions_are_read_again(in_memory):
    async def law(stage):
        topic, group = await stage.topic(2), stage.name("group")
        everything = [TopicPartition(topic, 0), TopicPartition(topic, 1)]
        first = await stage.peer(group, failover=10.0).join(topic)
        for at in everything:
            await stage.fill(at, 5)
        await first.has(10)
        second = await stage.peer(group).join(topic)
        await stage.until(lambda: len(second.owned) == 1, "one has moved")
        crashed_at, told = stage.clock.monotonic(), list(first.told)
        stage.broker.crash(first.member)
        stage.owners.clear()
        await second.owns(*everything)
        assert 10 <= stage.clock.monotonic() - crashed_at < 11
        await stage.until(lambda: len(second.records) == 10, "all is read again")
        assert first.told == told

    in_memory.run(law)


def test_an_expelled_member_is_told_lost_and_joins_anew(in_memory):
    async def law(stage):
        at, group = TopicPartition(await stage.topic(), 0), stage.name("group")
        await stage.fill(at, 5)
        first = await stage.peer(group, failover=10.0).join(at.topic)
        await first.has(5)
        stage.broker.expire(first.member)
        stage.owners.clear()
        second = await stage.peer(group).join(at.topic)
        await second.owns(at)
        await stage.until(lambda: first.told[-1] == ("lost", frozenset({at})), "the zombie is told")
        await second.member.leave()
        await first.owns(at)

    in_memory.run(law)


def test_the_commit_of_an_expelled_member_is_refused(in_memory):
    async def law(stage):
        at = TopicPartition(await stage.topic(), 0)
        peer = await stage.peer().join(at.topic)
        await peer.owns(at)
        stage.broker.expire(peer.member)
        refused = await peer.member.commit([Commit(at, 0)])
        assert "unknown member" in refused[at]
        assert await stage.broker.admin().committed(peer.group) == {}

    in_memory.run(law)


def test_a_late_commit_of_an_old_owner_is_accepted_while_it_is_a_member(keeper):
    """Measured on Kafka: it asks for membership, not for ownership. The engine must never rely on a refusal."""

    async def law(stage):
        topic, group = await stage.topic(2), stage.name("group")
        first = await stage.peer(group).join(topic)
        await first.owns(TopicPartition(topic, 0), TopicPartition(topic, 1))
        second = await stage.peer(group).join(topic)
        await stage.until(lambda: len(second.owned) == len(first.owned) == 1, "one has moved")
        (moved,) = second.owned
        assert await first.member.commit([Commit(moved, 0, "late")]) == {}
        assert (await stage.broker.admin().committed(group))[moved].metadata == "late"

    keeper.run(law)


def test_staying_in_revoked_past_the_poll_interval_loses_everything(in_memory):
    async def law(stage):
        topic, group = await stage.topic(2), stage.name("group")
        everything = [TopicPartition(topic, 0), TopicPartition(topic, 1)]
        first = stage.peer(group, max_poll_interval=300.0)

        async def dawdle(_):
            stage.owners.clear()
            await asyncio.sleep(301)

        first.on_revoked = dawdle
        await first.join(topic)
        await first.owns(*everything)
        second = await stage.peer(group).join(topic)
        await second.owns(*everything)
        await stage.until(lambda: any(what == "lost" for what, _ in first.told), "the slow one is told")

    in_memory.run(law)


def test_a_member_that_answered_in_time_stays_for_as_long_as_it_likes(in_memory):
    async def law(stage):
        at = TopicPartition(await stage.topic(), 0)
        peer = await stage.peer(max_poll_interval=300.0).join(at.topic)
        await peer.owns(at)
        await asyncio.sleep(86_400)
        assert peer.told == [("assigned", frozenset({at}))]
        assert len((await stage.broker.admin().group(peer.group)).members) == 1

    in_memory.run(law)
