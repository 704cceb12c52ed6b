"""The law of the administrator: what it answers, and that a change shows in the next question."""

from __future__ import annotations

import asyncio
import uuid

import pytest

from penstock.broker.contract import Commit, ConfigValue, Ends, NewTopic
from penstock.broker.kafka.admin import KafkaAdmin
from penstock.errors import BrokerError, BrokerUnavailable, TopicMissing
from penstock.record import TopicPartition


def test_a_cluster_has_an_id_that_stays_and_brokers(keeper):
    async def law(stage):
        cluster = await stage.broker.admin().cluster()
        assert cluster.id
        assert cluster.brokers
        assert cluster == await stage.broker.admin().cluster()

    keeper.run(law)


def test_a_created_topic_shows_at_once_as_it_was_asked_for(keeper):
    async def law(stage):
        admin = stage.broker.admin()
        name = stage.name()
        assert await admin.topics([name]) == {}
        assert await admin.create_topics([NewTopic(name, 3, 1, {"retention.ms": "60000"})]) == {}
        found = (await admin.topics([name]))[name]
        assert (found.name, found.partitions, found.replication_factor) == (name, 3, 1)
        assert found.id
        assert name in await admin.topics()

    keeper.run(law)


def test_creating_a_topic_again_is_no_error_and_changes_nothing(keeper):
    async def law(stage):
        admin = stage.broker.admin()
        name = await stage.topic(2)
        before = await admin.topics([name])
        assert await admin.create_topics([NewTopic(name, 5)]) == {}
        assert await admin.topics([name]) == before

    keeper.run(law)


def test_a_topic_made_anew_has_another_id(keeper):
    async def law(stage):
        admin = stage.broker.admin()
        name = await stage.topic()
        first = (await admin.topics([name]))[name]
        await admin.delete_topics([name])
        assert await admin.topics([name]) == {}
        await stage.topic(name=name)
        assert (await admin.topics([name]))[name].id != first.id

    keeper.run(law)


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"name": "not a topic name"}, id="name"),
        pytest.param({"configs": {"retention.mss": "1"}}, id="config"),
    ],
)
def test_a_refused_topic_is_named_with_a_reason_and_the_others_are_made(keeper, wrong):
    async def law(stage):
        admin = stage.broker.admin()
        good = stage.name()
        bad = NewTopic(**{"name": stage.name(), "partitions": 1} | wrong)
        refused = await admin.create_topics([NewTopic(good, 1), bad])
        assert list(refused) == [bad.name]
        assert refused[bad.name]
        assert list(await admin.topics([good, bad.name])) == [good]

    keeper.run(law)


def test_partitions_are_added(keeper):
    async def law(stage):
        admin = stage.broker.admin()
        name = await stage.topic(1)
        await admin.add_partitions(name, 4)
        assert (await admin.topics([name]))[name].partitions == 4
        with pytest.raises(BrokerError):
            await admin.add_partitions(name, 2)
        with pytest.raises(TopicMissing):
            await admin.add_partitions(stage.name(), 2)

    keeper.run(law)


def test_configs_tell_what_is_explicit_and_altering_leaves_the_others(keeper):
    async def law(stage):
        admin = stage.broker.admin()
        name = await stage.topic(1, retention_ms="60000")
        missing = stage.name()
        configs = await admin.topic_configs([name, missing])
        assert list(configs) == [name]
        assert configs[name]["retention.ms"] == ConfigValue("60000", explicit=True)
        assert configs[name]["cleanup.policy"] == ConfigValue("delete", explicit=False)

        await admin.alter_configs(name, {"max.message.bytes": "2000000"})
        configs = await admin.topic_configs([name])
        assert configs[name]["max.message.bytes"] == ConfigValue("2000000", explicit=True)
        assert configs[name]["retention.ms"] == ConfigValue("60000", explicit=True)

        await admin.alter_configs(name, {"retention.ms": None})
        configs = await admin.topic_configs([name])
        assert not configs[name]["retention.ms"].explicit
        assert configs[name]["retention.ms"].value != "60000"

    keeper.run(law)


def test_a_wrong_config_is_refused(keeper):
    async def law(stage):
        admin = stage.broker.admin()
        name = await stage.topic()
        with pytest.raises(BrokerError):
            await admin.alter_configs(name, {"retention.mss": "1"})
        with pytest.raises(TopicMissing):
            await admin.alter_configs(stage.name(), {"retention.ms": "1000"})

    keeper.run(law)


def test_ends_grow_with_records_and_leave_out_what_does_not_exist(keeper):
    async def law(stage):
        admin = stage.broker.admin()
        topic = await stage.topic(2)
        first, second = TopicPartition(topic, 0), TopicPartition(topic, 1)
        strangers = [TopicPartition(topic, 2), TopicPartition(stage.name(), 0)]
        await stage.fill(first, 7)
        assert await admin.ends([first, second, *strangers]) == {first: Ends(0, 7), second: Ends(0, 0)}
        assert await admin.ends(strangers) == {}
        assert await admin.ends([]) == {}

    keeper.run(law)


def test_deleted_records_are_gone_from_the_beginning(keeper):
    async def law(stage):
        admin = stage.broker.admin()
        at = TopicPartition(await stage.topic(), 0)
        await stage.fill(at, 10)
        await admin.delete_records({at: 4})
        assert await admin.ends([at]) == {at: Ends(4, 10)}
        await admin.delete_records({at: 2})
        assert await admin.ends([at]) == {at: Ends(4, 10)}
        with pytest.raises(BrokerError):
            await admin.delete_records({at: 11})
        with pytest.raises(TopicMissing):
            await admin.delete_records({TopicPartition(stage.name(), 0): 1})

    keeper.run(law)


def test_offsets_are_found_by_time_and_the_end_where_there_is_none(keeper):
    async def law(stage):
        admin = stage.broker.admin()
        at = TopicPartition(await stage.topic(), 0)
        stranger = TopicPartition(stage.name(), 0)
        await stage.fill(at, 3)
        [third] = [record async for record in stage.broker.reader().scan({at: (2, 3)})]
        await stage.until(lambda: stage.clock.now() * 1000 > third.timestamp + 5, "the clock moved on")
        await stage.fill(at, 2)
        assert await admin.offsets_at([at, stranger], third.timestamp + 1) == {at: 3}
        assert await admin.offsets_at([at], 0) == {at: 0}
        assert await admin.offsets_at([at], third.timestamp + 3_600_000) == {at: 5}

    keeper.run(law)


def test_a_group_that_does_not_exist_is_dead_and_committed_nothing(keeper):
    async def law(stage):
        admin = stage.broker.admin()
        group = stage.name("group")
        found = await admin.group(group)
        assert (found.id, found.state, found.protocol, found.members) == (group, "dead", "", ())
        assert await admin.committed(group) == {}
        assert group not in await admin.groups()

    keeper.run(law)


def test_a_live_group_shows_its_members_protocol_and_commits(keeper):
    async def law(stage):
        admin = stage.broker.admin()
        at = TopicPartition(await stage.topic(), 0)
        await stage.fill(at, 5)
        peer = await stage.peer().join(at.topic)
        await peer.owns(at)
        found = await admin.group(peer.group)
        assert found.protocol == peer.member.protocol
        [member] = found.members
        assert (member.client_id, member.partitions) == (peer.name, (at,))
        assert peer.group in await admin.groups()

        assert await peer.member.commit([Commit(at, 3, "ünïcode")]) == {}
        committed = (await admin.committed(peer.group))[at]
        assert (committed.offset, committed.metadata) == (3, "ünïcode")

        with pytest.raises(BrokerError):
            await admin.alter_committed(peer.group, {at: 1})
        assert (await admin.committed(peer.group))[at].offset == 3

        await peer.member.leave()
        found = await admin.group(peer.group)
        assert (found.state, found.members) == ("empty", ())

    keeper.run(law)


def test_offsets_of_a_group_without_members_are_set_without_metadata(keeper):
    async def law(stage):
        admin = stage.broker.admin()
        topic = await stage.topic(2)
        first, second = TopicPartition(topic, 0), TopicPartition(topic, 1)
        group = stage.name("group")
        await admin.alter_committed(group, {first: 5, second: 0})
        await admin.alter_committed(group, {first: 2})
        found = await admin.committed(group)
        assert {at: (one.offset, one.metadata) for at, one in found.items()} == {first: (2, ""), second: (0, "")}
        assert group in await admin.groups()

    keeper.run(law)


def test_a_session_timeout_that_was_granted_is_told(keeper):
    async def law(stage):
        admin = stage.broker.admin()
        group = stage.name("group")
        assert await admin.set_group_session_timeout(group, 10.0) == ""
        assert await admin.group_session_timeout(group) == 10.0

    keeper.run(law)


@pytest.mark.kafka
def test_kafka_gives_its_reason_to_refuse_a_session_timeout(kafka):
    async def ask():
        admin = KafkaAdmin({"bootstrap.servers": kafka})
        group = f"refused-{uuid.uuid4()}"
        assert await admin.group_session_timeout(group) == 45.0
        assert "group.consumer.min.session.timeout.ms" in await admin.set_group_session_timeout(group, 1.0)
        assert await admin.group_session_timeout(group) == 45.0
        await admin.close()

    asyncio.run(ask())


def test_a_kafka_that_does_not_answer_is_unavailable_and_the_reason_is_said():
    async def ask():
        admin = KafkaAdmin({"bootstrap.servers": "127.0.0.1:1"}, timeout=0.5)
        for question in (admin.cluster, admin.topics, admin.groups, lambda: admin.group("any")):
            with pytest.raises(BrokerUnavailable, match=r"127\.0\.0\.1:1 within 0\.5 s: .*Connection refused"):
                await question()
        await admin.close()
        await admin.close()
        with pytest.raises(BrokerUnavailable):
            await admin.cluster()

    asyncio.run(ask())
