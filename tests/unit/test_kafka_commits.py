"""Commits of a member: one at a time, their fate always known, each refusal laid at the right door."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError, KafkaException

from penstock.broker.contract import Commit
from penstock.broker.kafka.commits import Commits
from penstock.broker.kafka.slots import Slot, convert
from penstock.errors import BrokerUnavailable
from penstock.record import TopicPartition

A, B = TopicPartition("t", 0), TopicPartition("t", 1)
TOO_LARGE = KafkaError(KafkaError.OFFSET_METADATA_TOO_LARGE)


class Client:
    """Answers synchronous commits at once: refuses metadata that is too long, blaming no partition."""

    def __init__(self):
        self.sent = []
        self.silent = False

    def commit(self, offsets, asynchronous):
        self.sent.append((asynchronous, [(one.partition, one.offset, one.leader_epoch) for one in offsets]))
        if self.silent:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
        if not asynchronous and any(one.metadata == "long" for one in offsets):
            raise KafkaException(TOO_LARGE)
        return offsets


def commits():
    return Commits({}, lambda: None), Client()


def test_one_is_in_flight_and_the_next_waits_for_its_answer():
    queue, client = commits()
    first, second = queue.ask([Commit(A, 1)]), queue.ask([Commit(A, 2)])
    queue.send(client)
    queue.send(client)
    assert len(client.sent) == 1
    queue.answered(None, [])
    assert first.result(0) == {}
    queue.send(client)
    queue.answered(KafkaError(KafkaError.ILLEGAL_GENERATION), [])
    assert list(second.result(0)) == [A]


def test_inside_a_rebalance_the_one_in_flight_is_settled_and_its_late_answer_ignored():
    queue, client = commits()
    first = queue.ask([Commit(A, 1)])
    queue.send(client)
    queue.settle_flying(client)
    assert first.result(0) == {}
    assert [asynchronous for asynchronous, _ in client.sent] == [True, False]
    second = queue.ask([Commit(A, 2)])
    queue.send(client)
    queue.answered(None, [])  # the first's own answer, late
    assert not second.done()
    queue.answered(None, [])
    assert second.done()


def test_the_partition_that_was_refused_is_found_out():
    for synchronous in (True, False):
        queue, client = commits()
        answer = queue.ask([Commit(A, 1), Commit(B, 1, "long")])
        if synchronous:
            queue.send_now(client)
        else:
            queue.send(client)
            queue.answered(TOO_LARGE, [])
            assert queue.waiting
            queue.send(client)
        assert list(answer.result(0)) == [B]


def test_no_answer_is_said_to_be_none():
    queue, client = commits()
    client.silent = True
    answer = queue.ask([Commit(A, 1), Commit(B, 1)])
    queue.send_now(client)
    with pytest.raises(BrokerUnavailable):
        answer.result(0)
    lost = queue.ask([Commit(A, 1)])
    client.silent = False
    queue.send(client)
    queue.abandon()
    with pytest.raises(BrokerUnavailable):
        lost.result(0)
    queue.answered(None, [])
    waiting = queue.ask([Commit(A, 1)])
    queue.close("gone")
    for one in (waiting, queue.ask([Commit(A, 1)])):
        with pytest.raises(BrokerUnavailable, match="gone"):
            one.result(0)


def test_a_request_whose_caller_gave_up_is_not_sent():
    queue, client = commits()
    queue.ask([Commit(A, 1)]).cancel()
    queue.send(client)
    queue.send_now(client)
    assert client.sent == []


class Message:
    def __init__(self, partition, offset, epoch=3, error=None):
        self._values = partition, offset, epoch, error

    def topic(self):
        return "t"

    def partition(self):
        return self._values[0]

    def offset(self):
        return self._values[1]

    def leader_epoch(self):
        return self._values[2]

    def error(self):
        return self._values[3]

    def timestamp(self):
        return 1, 123

    def key(self):
        return b"k"

    def value(self):
        return b"v"

    def headers(self):
        return [("h", b"1")]


def test_stale_messages_are_left_out_and_errors_kept_apart():
    slots = {A: Slot(A, 5, 100, None), B: Slot(B, 0, 100, None)}
    slots[B].broken = True
    errors = []
    failed = Message(0, 9, error=KafkaError(KafkaError._AUTO_OFFSET_RESET))
    messages = [Message(0, 4), Message(0, 5), Message(1, 0), Message(2, 0), failed, Message(0, 7), Message(0, 6)]
    found, partitions, stale = convert(messages, slots, errors)
    assert [(one.partition, one.offset) for one in found] == [(0, 5), (0, 7)]
    assert partitions == {A}
    assert stale == 4
    assert errors == [failed]
    assert slots[A].next == 8
    assert (found[0].timestamp, found[0].key, found[0].headers) == (123, b"k", [("h", b"1")])


def test_the_leader_epoch_is_that_of_the_last_message_else_of_the_commit_it_began_at():
    slot = Slot(A, 5, 100, 2)
    assert (slot.leader_epoch(5), slot.leader_epoch(6)) == (2, -1)
    convert([Message(0, 5, epoch=4)], {A: slot}, [])
    assert slot.leader_epoch(6) == 4
    slot.restart(50)
    assert slot.leader_epoch(50) == -1
