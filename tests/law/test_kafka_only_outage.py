"""What a member and a producer do while the broker is away, killed and started again under them; and when frozen."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest

from penstock import local_kafka
from penstock.broker.contract import Commit
from penstock.errors import BrokerUnavailable, LocalKafkaError, SendFailed
from penstock.record import Outgoing, TopicPartition

pytestmark = pytest.mark.kafka


@pytest.fixture
def own_broker():
    """A broker that only this test uses, and may kill."""
    with tempfile.TemporaryDirectory(prefix="penstock-outage-") as folder:
        data = Path(folder) / "data"
        try:
            broker = local_kafka.start(data)
        except LocalKafkaError as error:
            pytest.skip(f"no Kafka: {error}")
        try:
            yield broker
        finally:
            local_kafka.wipe(data)


@pytest.mark.slow
def test_a_killed_broker_is_said_once_survived_and_nothing_is_lost(own_broker, keeper_at):
    async def law(stage):
        at = TopicPartition(await stage.topic(), 0)
        producer = stage.broker.producer()
        peer = await stage.peer().join(at.topic)
        await producer.send(Outgoing(at.topic, b"k", b"before"))
        await peer.has(1)
        assert await peer.member.commit([Commit(at, 1)]) == {}
        await asyncio.to_thread(local_kafka.kill, own_broker.data)
        await stage.until(lambda: any("no broker" in one for one in peer.problems), "the outage is told")
        sent = [producer.send(Outgoing(at.topic, b"k", str(number).encode())) for number in range(100)]
        commit = asyncio.ensure_future(peer.member.commit([Commit(at, 1)]))
        await asyncio.sleep(2)
        assert peer.member.alive
        await asyncio.to_thread(local_kafka.start, own_broker.data)
        await asyncio.gather(*sent)
        await peer.has(101)
        assert peer.values()[-100:] == [str(number).encode() for number in range(100)]
        with suppress(BrokerUnavailable):  # it may or may not have been made
            await commit
        while await peer.member.commit([Commit(at, 101)]):
            await asyncio.sleep(0.1)  # until the member is known again
        await stage.until(lambda: any(one.startswith("over:") for one in peer.problems), "its end is told")
        assert len([one for one in peer.problems if "no broker" in one]) == 2
        assert peer.errors == []

    keeper_at(own_broker.bootstrap).run(law)


@pytest.mark.slow
def test_nobody_there_is_an_error_in_time(keeper_at):
    async def law(stage):
        with pytest.raises(BrokerUnavailable):
            await asyncio.wait_for(stage.peer().join("any"), 30)
        producer = stage.broker.producer()
        failing = producer.send(Outgoing("any", b"k", b"v"))
        assert producer.outstanding == 1
        await asyncio.wait_for(producer.close(), 10)
        with pytest.raises(SendFailed):
            await failing
        with pytest.raises(SendFailed):
            await producer.send(Outgoing("any", b"k", b"v"))

    keeper_at("127.0.0.1:1").run(law)


FROZEN = """
import asyncio, sys
from penstock.broker.contract import GroupSettings
from penstock.broker.kafka.keeper import KafkaBroker

class Listener:
    def received(self, records): pass
    async def assigned(self, partitions): print("assigned", flush=True)
    async def revoked(self, partitions): print("revoked", flush=True)
    def lost(self, partitions): print("lost", flush=True)
    def truncated(self, *how): pass
    def disturbed(self, problem): pass
    def failed(self, error): print("failed", error, flush=True)

async def main():
    bootstrap, group, topic = sys.argv[1:]
    member = KafkaBroker({"bootstrap.servers": bootstrap}).member(
        GroupSettings(group, "frozen", failover=6.0, settings={"group.protocol": "classic"}))
    await member.join([topic], Listener())
    member.demand(10)
    await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.mark.slow
def test_a_member_frozen_beyond_its_session_is_told_lost(on_kafka, kafka):
    async def law(stage):
        topic, group = await stage.topic(), stage.name("group")
        frozen = subprocess.Popen(
            [sys.executable, "-c", FROZEN, kafka, group, topic], stdout=subprocess.PIPE, text=True
        )
        try:
            assert await asyncio.to_thread(frozen.stdout.readline) == "assigned\n"
            os.kill(frozen.pid, signal.SIGSTOP)
            peer = await stage.peer(group, failover=6.0, settings={"group.protocol": "classic"}).join(topic)
            await peer.owns(TopicPartition(topic, 0))
            os.kill(frozen.pid, signal.SIGCONT)
            assert await asyncio.to_thread(frozen.stdout.readline) == "lost\n"
        finally:
            frozen.kill()
            frozen.communicate()

    on_kafka.run(law)
