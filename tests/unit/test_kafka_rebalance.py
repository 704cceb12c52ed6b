"""Rebalance callbacks where the broker does not answer: told to leave, a member leaves; else the worker must end."""

from __future__ import annotations

import pytest
from confluent_kafka import TopicPartition

from penstock.broker.kafka.rebalance import Rebalance
from penstock.errors import BrokerUnavailable


class Calls:
    def __init__(self):
        self.failure = None

    def failed(self, error):
        self.failure = error


class Commits:
    def settle_flying(self, consumer):
        pass


class Silent:
    def resolve(self, *_):
        raise BrokerUnavailable("no answer")


class Client:
    def __init__(self):
        self.assigned = []

    def incremental_assign(self, partitions):
        self.assigned.append(list(partitions))


@pytest.mark.parametrize("stopping", [False, True])
def test_starts_that_cannot_be_known_fail_the_member_unless_it_leaves_anyway(stopping):
    calls, client = Calls(), Client()
    rebalance = Rebalance(
        {},
        calls,
        Commits(),
        Silent(),
        None,
        max_poll_interval=300,
        reapply=lambda: None,
        stopping=lambda: stopping,
    )
    rebalance.on_assign(client, [TopicPartition("t", 0)])
    assert client.assigned == [[]]  # nothing is read from a guess
    assert (calls.failure is None) == stopping
