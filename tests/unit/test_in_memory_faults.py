"""What the fault hooks do to producers, commits, fetches and heartbeats."""

from __future__ import annotations

import asyncio

import pytest

from penstock.broker.contract import Commit, GroupSettings, NewTopic
from penstock.broker.in_memory import InMemoryBroker
from penstock.broker.in_memory.faults import FINE, Fate, NoFaults, Outcome
from penstock.errors import BrokerUnavailable, ProducerFatal, SendFailed, SendRefused
from penstock.record import Outgoing, TopicPartition
from penstock.testing.virtual_time import run_virtual

AT = TopicPartition("t", 0)


class Scripted(NoFaults):
    """Fates by script, then fine; heartbeats by a switch."""

    def __init__(self, produce=(), commit=(), fetch=()):
        self.fates = {"produce": list(produce), "commit": list(commit), "fetch": list(fetch)}
        self.alive = True

    def _next(self, what):
        return self.fates[what].pop(0) if self.fates[what] else FINE

    def produce(self, client_id, record):
        return self._next("produce")

    def commit(self, client_id, commits):
        return self._next("commit")

    def fetch(self, client_id, partitions):
        return self._next("fetch")

    def heartbeat(self, client_id):
        return self.alive


class Silent:
    """A listener that notes what it hears."""

    def __init__(self):
        self.records, self.gone, self.problems = [], [], []
        self.owned = set()

    def received(self, records):
        self.records += records

    async def assigned(self, partitions):
        self.owned |= {one.partition for one in partitions}

    async def revoked(self, partitions):
        self.owned -= set(partitions)

    def lost(self, partitions):
        self.gone += partitions
        self.owned -= set(partitions)

    def truncated(self, partition, next_offset, lost):
        raise AssertionError("nothing is truncated here")

    def disturbed(self, problem):
        self.problems.append(problem)

    def failed(self, error):
        raise error


def with_broker(faults, main):
    async def staged(clock):
        broker = InMemoryBroker(clock, faults=faults)
        await broker.admin().create_topics([NewTopic("t", 1)])
        await main(broker, clock)
        await broker.close()

    run_virtual(staged)


async def joined(broker, client_id="c", **settings):
    member, listener = broker.member(GroupSettings("g", client_id, **settings)), Silent()
    member.demand(1000)
    await member.join(["t"], listener)
    await asyncio.sleep(0.01)
    return member, listener


@pytest.mark.parametrize(
    ("outcome", "error", "written"),
    [
        (Outcome.FAILED, SendFailed, 0),
        (Outcome.UNANSWERED, SendFailed, 1),
        (Outcome.REFUSED, SendRefused, 0),
        (Outcome.FATAL, ProducerFatal, 0),
    ],
)
def test_a_send_ends_as_scripted(outcome, error, written):
    async def main(broker, _):
        with pytest.raises(error):
            await broker.producer().send(Outgoing("t", b"k", b"v"))
        assert len(broker.records("t")) == written

    with_broker(Scripted(produce=[Fate(outcome)]), main)


def test_a_fatal_producer_stays_fatal():
    async def main(broker, _):
        producer = broker.producer()
        for _ in range(2):
            with pytest.raises(ProducerFatal):
                await producer.send(Outgoing("t", b"k", b"v"))
        assert broker.records("t") == []

    with_broker(Scripted(produce=[Fate(Outcome.FATAL)]), main)


def test_a_delayed_send_is_not_overtaken():
    async def main(broker, clock):
        producer = broker.producer()
        slow = producer.send(Outgoing("t", b"k", b"first"))
        quick = producer.send(Outgoing("t", b"k", b"second"))
        await asyncio.sleep(4)
        assert producer.outstanding == 2
        await producer.flush()
        assert clock.monotonic() == 5
        assert (slow.result().offset, quick.result().offset) == (0, 1)

    with_broker(Scripted(produce=[Fate(delay=5)]), main)


def test_a_send_before_a_delayed_one_is_not_held_up_and_hurries_nothing():
    async def main(broker, clock):
        producer = broker.producer()
        quick, slow = (producer.send(Outgoing("t", b"k", b"v")) for _ in range(2))
        await quick
        assert clock.monotonic() == 0
        await slow
        assert clock.monotonic() == 5

    with_broker(Scripted(produce=[FINE, Fate(delay=5)]), main)


def test_close_gives_up_what_takes_too_long():
    async def main(broker, clock):
        producer = broker.producer()
        sent = producer.send(Outgoing("t", b"k", b"v"))
        await producer.close()
        assert clock.monotonic() == 5
        with pytest.raises(SendFailed):
            sent.result()
        with pytest.raises(ProducerFatal):
            await producer.send(Outgoing("t", b"k", b"v"))

    with_broker(Scripted(produce=[Fate(delay=60)]), main)


def test_a_crashed_producer_leaves_a_prefix_and_answers_nobody():
    async def main(broker, _):
        producer = broker.producer()
        sent = [producer.send(Outgoing("t", None, b"%d" % number)) for number in range(20)]
        broker.crash(producer)
        late = producer.send(Outgoing("t", None, b"late"))
        await asyncio.sleep(10)
        assert not any(one.done() for one in [*sent, late])
        values = [record.value for record in broker.records("t")]
        assert values == [b"%d" % number for number in range(len(values))]
        assert len(values) < 20

    with_broker(None, main)


@pytest.mark.parametrize(("outcome", "made"), [(Outcome.FAILED, False), (Outcome.UNANSWERED, True)])
def test_a_commit_without_an_answer_may_or_may_not_have_been_made(outcome, made):
    async def main(broker, _):
        member, _ = await joined(broker)
        with pytest.raises(BrokerUnavailable):
            await member.commit([Commit(AT, 3)])
        assert (AT in await broker.admin().committed("g")) is made

    with_broker(Scripted(commit=[Fate(outcome)]), main)


def test_a_delayed_commit_is_not_overtaken_even_when_nobody_waits_for_it():
    async def main(broker, _):
        member, _ = await joined(broker)
        first = asyncio.create_task(member.commit([Commit(AT, 3)]))
        await asyncio.sleep(0)
        first.cancel()
        await member.commit([Commit(AT, 4)])
        assert (await broker.admin().committed("g"))[AT].offset == 4

    with_broker(Scripted(commit=[Fate(delay=5)]), main)


def test_a_failed_fetch_is_said_once_and_tried_again():
    async def main(broker, _):
        _, listener = await joined(broker)
        await broker.producer().send(Outgoing("t", b"k", b"v"))
        await asyncio.sleep(60)
        assert len(listener.records) == 1
        assert len(listener.problems) == 1

    with_broker(Scripted(fetch=[Fate(Outcome.FAILED), Fate(Outcome.FAILED, 10), Fate(delay=5)]), main)


def test_a_delayed_fetch_respects_a_pause_made_meanwhile():
    async def main(broker, _):
        member, listener = await joined(broker)
        await broker.producer().send(Outgoing("t", b"k", b"v"))
        member.pause([AT])
        await asyncio.sleep(60)
        assert listener.records == []
        member.resume([AT])
        await asyncio.sleep(1)
        assert len(listener.records) == 1

    with_broker(Scripted(fetch=[Fate(delay=5)]), main)


def test_a_fetch_under_way_ends_empty_when_a_hand_over_begins_meanwhile():
    async def main(broker, _):
        member, listener = await joined(broker)
        await broker.producer().send(Outgoing("t", b"k", b"v"))

        async def revoked(partitions):
            await asyncio.sleep(30)
            assert listener.records == []

        listener.revoked = revoked
        await member.leave()
        assert listener.records == []

    with_broker(Scripted(fetch=[Fate(delay=5)]), main)


def test_a_member_not_heard_is_expelled_and_told_when_it_is_heard_again():
    faults = Scripted()

    async def main(broker, _):
        member, listener = await joined(broker, failover=10.0)
        faults.alive = False
        await asyncio.sleep(20)
        assert not (await broker.admin().group("g")).members
        assert listener.owned == {AT}
        assert "unknown member" in (await member.commit([Commit(AT, 1)]))[AT]
        await asyncio.sleep(1)
        assert listener.gone == [AT]
        assert listener.owned == {AT}  # it joined anew

    with_broker(faults, main)


def test_heartbeats_missed_for_less_than_the_session_cost_nothing():
    faults = Scripted()

    async def main(broker, _):
        _, listener = await joined(broker, failover=10.0)
        for _ in range(10):
            faults.alive = not faults.alive
            await asyncio.sleep(8)
        assert listener.gone == []
        assert len((await broker.admin().group("g")).members) == 1

    with_broker(faults, main)
