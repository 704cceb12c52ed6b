"""Group membership on a real broker, in both protocols: sharing, draining in a revoke, slow handlers, conflicts."""

from __future__ import annotations

import asyncio
import time

import confluent_kafka
import pytest

from penstock.broker.contract import Commit
from penstock.broker.kafka import troubles
from penstock.broker.progress import Progress, encode
from penstock.errors import BrokerError, GroupConflict
from penstock.record import TopicPartition

pytestmark = pytest.mark.kafka


@pytest.fixture(params=["classic", "consumer"])
def speaking(request):
    """GroupSettings of a member that speaks this protocol and hears soon of new partitions."""
    return {"settings": {"group.protocol": request.param, "topic.metadata.refresh.interval.ms": "500"}, "failover": 6.0}


@pytest.mark.slow
def test_two_members_share_and_the_revoked_one_drains_and_commits_first(on_kafka, speaking):
    async def law(stage):
        topic, group = await stage.topic(4), stage.name("group")
        sources = [TopicPartition(topic, number) for number in range(4)]
        for source in sources:
            await stage.fill(source, 50)
        first, second = stage.peer(group, **speaking), stage.peer(group, **speaking)
        drained = {}

        async def drain(partitions):
            await asyncio.sleep(1.5)  # runs that are still going
            commits = [Commit(one, 20 + one.partition, encode(Progress(topic_id="", born=4))) for one in partitions]
            assert await first.member.commit(commits) == {}
            drained.update({one: time.monotonic() for one in partitions})

        taken = {}

        async def note(partitions):
            taken.update({one.partition: time.monotonic() for one in partitions})

        first.on_revoked, second.on_assigned = drain, note
        await first.join(topic)
        await first.has(200)
        await second.join(topic)
        await stage.until(lambda: len(second.owned) == 2 and len(first.owned) == 2, "both own two partitions")
        for source in second.owned:
            assert second.starts[source].start == 20 + source.partition
            assert taken[source] >= drained[source]
        await second.has(sum(50 - 20 - one.partition for one in second.owned))
        await first.member.leave()
        assert set(drained) == set(sources), "leaving drains what is still owned"
        await stage.until(lambda: len(second.owned) == 4, "the other takes all")
        assert second.starts[sources[0]].start == 20
        assert first.member.protocol == speaking["settings"]["group.protocol"]

    on_kafka.run(law)


@pytest.mark.slow
def test_a_commit_in_flight_at_a_revoke_is_answered_inside_it(on_kafka, speaking):
    async def law(stage):
        topic, group = await stage.topic(2), stage.name("group")
        first, second = stage.peer(group, **speaking), stage.peer(group, **speaking)
        await first.join(topic)
        await stage.until(lambda: len(first.owned) == 2, "all is owned")
        going, answers, waited = True, [], []

        async def commit_all_the_time():
            while going:
                answers.append(await first.member.commit([Commit(one, 0) for one in first.owned]))

        async def wait_for_the_one_in_flight(partitions):
            seen = len(answers)
            await stage.until(lambda: len(answers) > seen or not going, "the commit in flight is answered")
            waited.append(len(answers) - seen)

        first.on_revoked = wait_for_the_one_in_flight
        committing = asyncio.ensure_future(commit_all_the_time())
        await second.join(topic)
        await stage.until(lambda: len(second.owned) == 1, "the second got its partition")
        going = False
        await committing
        assert waited
        assert waited[0] >= 1
        assert first.errors == []

    on_kafka.run(law)


@pytest.mark.slow
def test_the_source_is_shared_evenly_whatever_else_the_group_reads(on_kafka, speaking):
    """Own topics come first in the alphabet, and are twice as many: counted together, they alone would move."""

    async def law(stage):
        topic, group = await stage.topic(4), stage.name("group")
        own = [await stage.topic(4, name=f"{group}.{name}") for name in ("replay", "retry.1s")]
        peers = [stage.peer(group, **speaking) for _ in range(2)]
        for number, peer in enumerate(peers):
            await peer.join(topic, *own)
            await stage.until(lambda n=number: sum(len(one.owned) for one in peers[: n + 1]) == 12, "all are owned")
        await stage.until(
            lambda: [sum(at.topic == topic for at in one.owned) for one in peers] == [2, 2], "each has half the source"
        )
        await stage.until(lambda: [len(one.owned) for one in peers] == [6, 6], "and half of the rest")
        described = await stage.broker.admin().group(group)
        assert [len(member.partitions) for member in described.members] == [6, 6], "one member per worker"
        for number in range(4):
            await stage.fill(TopicPartition(topic, number), 10)
            for name in own:
                await stage.fill(TopicPartition(name, number), 10)
        await stage.until(lambda: sum(len(one.records) for one in peers) == 120, "all is read")
        assert await peers[0].member.commit([Commit(one, 1) for one in peers[0].owned]) == {}
        handed = set(peers[0].owned)
        await peers[0].member.leave()
        await stage.until(lambda: len(peers[1].owned) == 12, "the other takes all")
        assert {peers[1].starts[at].start for at in handed} == {1}

    on_kafka.run(law)


@pytest.mark.slow
def test_no_demand_for_longer_than_the_poll_interval_keeps_the_assignment(on_kafka, speaking):
    async def law(stage):
        topic = await stage.topic(2)
        sources = [TopicPartition(topic, number) for number in range(2)]
        for source in sources:
            await stage.fill(source, 500)
        peer = await stage.peer(max_poll_interval=6.0, **speaking).join(topic, demand=10)
        await peer.has(10)
        await asyncio.sleep(9)  # what a slow handler does: nothing is asked for meanwhile
        assert len(peer.records) == 10
        assert peer.member._seats[0]._intake._waiting_records <= 10, "what is polled meanwhile is not piled up"
        assert [word for word, _ in peer.told] == ["assigned"]
        assert time.monotonic() - peer.member.last_polled < 2
        peer.demand(100_000)
        await peer.has(1000)
        assert [peer.offsets(source) for source in sources] == [list(range(500))] * 2
        assert [word for word, _ in peer.told] == ["assigned"]
        assert peer.errors == []

    on_kafka.run(law)


@pytest.mark.slow
def test_a_member_without_demand_still_hands_over(on_kafka, speaking):
    async def law(stage):
        topic, group = await stage.topic(2), stage.name("group")
        for number in range(2):
            await stage.fill(TopicPartition(topic, number), 100)
        first = await stage.peer(group, **speaking).join(topic, demand=1)
        await first.has(1)
        await asyncio.sleep(1)  # long enough that everything is paused
        second = await stage.peer(group, **speaking).join(topic)
        await stage.until(lambda: len(second.owned) == 1, "the second got its partition")
        await second.has(100)
        assert len(first.records) == 1

    on_kafka.run(law)


@pytest.mark.slow
def test_a_pause_and_what_it_held_back_end_with_the_assignment(on_kafka, speaking):
    async def law(stage):
        topic, group = await stage.topic(2), stage.name("group")
        sources = [TopicPartition(topic, number) for number in range(2)]
        for source in sources:
            await stage.fill(source, 20)
        first = stage.peer(group, **speaking)

        async def pause_at_once(partitions):
            first.member.pause([one.partition for one in partitions])

        first.on_assigned = pause_at_once
        await first.join(topic)
        await first.owns(*sources)
        first.on_assigned = None
        second = await stage.peer(group, **speaking).join(topic)
        await stage.until(lambda: len(second.owned) == 1 and len(first.owned) == 1, "both own one partition")
        (moved,) = second.owned
        await second.has(20)
        await second.member.leave()
        await stage.until(lambda: moved in first.owned, "the first has it again")
        await first.has(20)
        assert first.offsets(moved) == list(range(20))

    on_kafka.run(law)


@pytest.mark.slow
def test_a_partition_added_to_a_running_group_is_read_from_its_beginning(on_kafka, speaking):
    async def law(stage):
        topic = await stage.topic(1)
        old, new = TopicPartition(topic, 0), TopicPartition(topic, 1)
        await stage.fill(old, 5)
        peer = stage.peer(start_from="latest", **speaking)
        peer.on_assigned = peer.commit_born
        await peer.join(topic)
        await peer.owns(old)
        await stage.add_partitions(topic, 2)
        values = await stage.fill(new, 20)
        await peer.has(20)
        assert peer.values() == values

    on_kafka.run(law)


def test_commits_carry_metadata_and_the_leader_epoch(on_kafka, speaking):
    async def law(stage):
        at = TopicPartition(await stage.topic(), 0)
        await stage.fill(at, 3)
        peer = await stage.peer(**speaking).join(at.topic)
        await peer.has(3)
        text = encode(Progress(topic_id=peer.starts[at].topic_id, born=1, runs=((1, 1),)))
        assert await peer.member.commit([Commit(at, 1, text)]) == {}
        found = (await stage.broker.admin().committed(peer.group))[at]
        assert (found.offset, found.metadata, found.leader_epoch) == (1, text, 0)

    on_kafka.run(law)


def test_an_eager_neighbour_is_named_after_a_while(on_kafka, kafka, monkeypatch):
    monkeypatch.setattr(troubles, "CONFLICT_PATIENCE", 1.0)

    async def law(stage):
        topic, group = await stage.topic(), stage.name("group")
        neighbour = confluent_kafka.Consumer(
            {
                "bootstrap.servers": kafka,
                "group.id": group,
                "client.id": "the-neighbour",
                "partition.assignment.strategy": "range",
            }
        )
        neighbour.subscribe([topic])
        try:
            deadline = time.monotonic() + 30
            while not neighbour.assignment():
                assert time.monotonic() < deadline
                await asyncio.to_thread(neighbour.poll, 0.2)
            peer = await stage.peer(group, settings={"group.protocol": "classic"}).join(topic)
            await stage.until(lambda: peer.errors, "the conflict is an error")
            assert isinstance(peer.errors[0], GroupConflict)
            assert "the-neighbour" in str(peer.errors[0])
            assert not peer.member.alive
        finally:
            neighbour.close()

    on_kafka.run(law)


def test_a_listener_that_fails_ends_the_member(on_kafka, speaking):
    async def law(stage):
        peer = stage.peer(**speaking)

        async def fail(partitions):
            raise ValueError("a bug in the engine")

        peer.on_assigned = fail
        await peer.join(await stage.topic())
        await stage.until(lambda: peer.errors, "the failure is told")
        assert isinstance(peer.errors[0], ValueError)
        assert not peer.member.alive
        await peer.member.leave()
        assert peer.records == []

    on_kafka.run(law)


def test_a_group_nobody_can_join_is_an_error(on_kafka):
    async def law(stage):
        peer = await stage.peer(failover=1.0, settings={"group.protocol": "classic"}).join(await stage.topic())
        await stage.until(lambda: peer.errors, "a session below the broker's minimum is refused")
        assert "session" in str(peer.errors[0]).lower()
        with pytest.raises(BrokerError):
            await stage.peer(settings={"group.protocol": "eager"}).join("any")

    on_kafka.run(law)


def test_the_protocol_follows_the_live_group(on_kafka):
    async def law(stage):
        topic, group = await stage.topic(2), stage.name("group")
        alone = await stage.peer(stage.name("group"), failover=10.0).join(topic)
        assert alone.member.protocol == "classic"  # the broker would notice a dead KIP-848 member after 45 s only
        patient = await stage.peer(stage.name("group"), failover=60.0).join(topic)
        assert patient.member.protocol == "consumer"
        first = await stage.peer(group, settings={"group.protocol": "consumer"}).join(topic)
        await stage.until(lambda: first.owned, "the first is a member")
        second = await stage.peer(group).join(topic)
        assert second.member.protocol == "consumer"
        assert "members" in second.member.protocol_reason

    on_kafka.run(law)
