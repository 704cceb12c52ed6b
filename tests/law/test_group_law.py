"""The law of a group member: what it receives, when, and from where on."""

from __future__ import annotations

import asyncio

from penstock.record import Outgoing, TopicPartition


def test_every_record_is_received_once_and_in_order_per_partition(keeper):
    async def law(stage):
        topic = await stage.topic(3)
        peer = await stage.peer().join(topic)
        producer = stage.broker.producer()
        sent = [producer.send(Outgoing(topic, b"%d" % (n % 7), b"%d" % n)) for n in range(600)]
        positions = [await one for one in sent]
        await peer.has(600)
        await stage.quiet()
        assert sorted(record.position for record in peer.records) == sorted(positions)
        for number in range(3):
            at = TopicPartition(topic, number)
            assert peer.offsets(at) == sorted(peer.offsets(at))

    keeper.run(law)


def test_demand_is_never_exceeded_and_replaces_the_former_figure(keeper):
    async def law(stage):
        at = TopicPartition(await stage.topic(), 0)
        values = await stage.fill(at, 50)
        peer = await stage.peer().join(at.topic, demand=5)
        await peer.has(5)
        await stage.quiet()
        assert len(peer.records) == 5
        peer.demand(1000)
        peer.demand(3)
        await peer.has(8)
        await stage.quiet()
        assert peer.values() == values[:8]
        peer.demand(1000)
        await peer.has(50)
        assert peer.values() == values

    keeper.run(law)


def test_without_demand_the_group_is_still_served(keeper):
    async def law(stage):
        topic, group = await stage.topic(2), stage.name("group")
        first = await stage.peer(group).join(topic, demand=0)
        await first.owns(TopicPartition(topic, 0), TopicPartition(topic, 1))
        second = await stage.peer(group).join(topic, demand=0)
        await stage.until(lambda: len(first.owned) == 1 and len(second.owned) == 1, "both have one partition")

    keeper.run(law)


def test_a_paused_partition_is_silent_and_resumes_right_after_the_last_record(keeper):
    async def law(stage):
        topic = await stage.topic(2)
        still, flowing = TopicPartition(topic, 0), TopicPartition(topic, 1)
        early = await stage.fill(still, 40, "early")
        peer = await stage.peer().join(topic)
        await peer.has(40)
        peer.member.pause([still])
        late = await stage.fill(still, 40, "late")
        await stage.fill(flowing, 40)
        await stage.until(lambda: len(peer.offsets(flowing)) == 40, "the other partition flows")
        await stage.quiet()
        assert len(peer.offsets(still)) == 40
        peer.member.resume([still])
        await peer.has(120)
        got = [record.value for record in peer.records if record.source == still]
        assert got == early + late

    keeper.run(law)


def test_pausing_in_the_middle_of_a_partition_loses_and_repeats_nothing(keeper):
    async def law(stage):
        at = TopicPartition(await stage.topic(), 0)
        values = await stage.fill(at, 300)
        peer = await stage.peer().join(at.topic, demand=10)
        for had in range(10, 300, 40):
            await peer.has(had)
            peer.member.pause([at])
            peer.demand(40)
            peer.member.resume([at])
        peer.demand(1000)
        await peer.has(300)
        assert peer.values() == values

    keeper.run(law)


def test_a_partition_paused_while_it_is_assigned_stays_silent(keeper):
    async def law(stage):
        at = TopicPartition(await stage.topic(), 0)
        values = await stage.fill(at, 10)
        peer = stage.peer()

        async def pause(assigned):
            peer.member.pause([one.partition for one in assigned])

        peer.on_assigned = pause
        await peer.join(at.topic)
        await peer.owns(at)
        await stage.quiet()
        assert peer.records == []
        peer.member.resume([at])
        await peer.has(10)
        assert peer.values() == values

    keeper.run(law)


def test_unknown_partitions_may_be_paused_and_resumed(keeper):
    async def law(stage):
        at = TopicPartition(await stage.topic(), 0)
        peer = await stage.peer().join(at.topic)
        await peer.owns(at)
        peer.member.pause([TopicPartition(at.topic, 99), TopicPartition("nowhere", 0)])
        peer.member.resume([TopicPartition(at.topic, 99), TopicPartition("nowhere", 0)])
        await stage.fill(at, 3)
        await peer.has(3)

    keeper.run(law)


def test_nothing_is_received_before_assigned_returns(keeper):
    async def law(stage):
        at = TopicPartition(await stage.topic(), 0)
        await stage.fill(at, 10)
        peer, gate = stage.peer(), asyncio.Event()

        async def wait(_):
            await gate.wait()

        peer.on_assigned = wait
        await peer.join(at.topic)
        await stage.until(lambda: peer.owned == {at}, "assigned is called")
        await stage.quiet()
        assert peer.records == []
        gate.set()
        await peer.has(10)

    keeper.run(law)


def test_assigned_tells_what_there_is_to_know_of_a_partition(keeper):
    async def law(stage):
        topic = await stage.topic(2)
        at = TopicPartition(topic, 1)
        await stage.fill(at, 7)
        described = (await stage.broker.admin().topics([topic]))[topic]
        peer = await stage.peer().join(topic)
        await stage.until(lambda: at in peer.starts, "assigned is called")
        told = peer.starts[at]
        assert (told.start, told.metadata, told.end, told.partitions, told.lost) == (0, "", 7, 2, 0)
        assert told.topic_id == described.id

    keeper.run(law)


def test_ends_are_those_of_the_assigned_partitions(keeper):
    async def law(stage):
        topic = await stage.topic(2)
        ends = {TopicPartition(topic, 0): 4, TopicPartition(topic, 1): 2}
        peer = await stage.peer().join(topic)
        await peer.owns(*ends)
        for at, count in ends.items():
            await stage.fill(at, count)
        await peer.has(6)
        await stage.until(lambda: dict(peer.member.ends()) == ends, "the ends are known")
        await peer.member.leave()
        assert peer.member.ends() == {}

    keeper.run(law)


def test_groups_read_one_topic_independently(keeper):
    async def law(stage):
        at = TopicPartition(await stage.topic(), 0)
        values = await stage.fill(at, 20)
        first = await stage.peer().join(at.topic)
        second = await stage.peer().join(at.topic)
        await first.has(20)
        await second.has(20)
        assert first.values() == second.values() == values

    keeper.run(law)


def test_gaps_in_the_offsets_are_stepped_over(keeper):
    async def law(stage):
        at = TopicPartition(await stage.topic(), 0)
        values = []
        for number in range(3):
            values.append(b"gap%d" % number)
            await stage.send_with_gap(at, values[-1])
            values += await stage.fill(at, 2)
        peer = await stage.peer().join(at.topic)
        await peer.has(9)
        assert peer.values() == values
        offsets = peer.offsets(at)
        assert offsets == sorted(offsets)
        assert len(set(range(12)) - set(offsets)) == 3  # where Kafka writes a marker is its own affair: it comes after

    keeper.run(law)


def test_a_new_subscription_adds_topics_and_hands_over_the_dropped(keeper):
    async def law(stage):
        one, two = TopicPartition(await stage.topic(), 0), TopicPartition(await stage.topic(), 0)
        peer = await stage.peer().join(one.topic)
        await peer.owns(one)
        peer.member.subscribe([one.topic, two.topic])
        await peer.owns(one, two)
        await stage.fill(two, 3)
        await peer.has(3)
        peer.member.subscribe([two.topic])
        await peer.owns(two)
        assert ("revoked", frozenset({one})) in peer.told

    keeper.run(law)


def test_a_missing_topic_is_said_once_and_the_others_are_served(keeper):
    async def law(stage):
        at = TopicPartition(await stage.topic(), 0)
        missing = stage.name("missing")
        peer = await stage.peer().join(at.topic, missing)
        await stage.fill(at, 3)
        await peer.has(3)
        await stage.until(lambda: any(missing in problem for problem in peer.problems), "the missing topic is named")
        await stage.quiet()
        assert len([problem for problem in peer.problems if missing in problem]) == 1
        assert peer.errors == []

    keeper.run(law)


def test_an_error_of_the_listener_is_handed_back_to_it(keeper):
    async def law(stage):
        at = TopicPartition(await stage.topic(), 0)
        peer = stage.peer()

        async def stumble(_):
            raise ZeroDivisionError

        peer.on_assigned = stumble
        await peer.join(at.topic)
        await stage.until(lambda: bool(peer.errors), "failed is called")
        assert isinstance(peer.errors[0], ZeroDivisionError)
        await stage.fill(at, 3)
        await stage.quiet()
        assert peer.records == []

    keeper.run(law)


def test_a_member_that_never_joined_may_leave(keeper):
    async def law(stage):
        peer = stage.peer()
        await peer.member.leave()
        await peer.member.leave()
        assert peer.told == []

    keeper.run(law)
