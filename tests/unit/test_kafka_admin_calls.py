"""Questions to a group's coordinator outlive a search for it that the client lost."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future

import pytest
from confluent_kafka import KafkaError, KafkaException

from penstock.broker.kafka.admin_calls import AdminCalls
from penstock.broker.kafka.codes import COORDINATOR_SEARCHES
from penstock.broker.kafka.protocol import read_facts
from penstock.errors import BrokerUnavailable

NOBODY = {"bootstrap.servers": "127.0.0.1:1"}


def lost():
    future = Future()
    future.set_exception(KafkaException(KafkaError(KafkaError._TIMED_OUT)))
    return future


def answered(answer):
    future = Future()
    future.set_result(answer)
    return future


def test_a_lost_search_is_begun_anew_by_another_client():
    asked = []

    def make(client, within):
        asked.append((client, within))
        return {"desk": lost() if len(asked) < COORDINATOR_SEARCHES else answered("found")}

    calls = AdminCalls(NOBODY, timeout=9.0)
    assert asyncio.run(calls.each_of_groups(make)) == {"desk": "found"}
    assert len({id(client) for client, _ in asked}) == COORDINATOR_SEARCHES
    assert sum(within for _, within in asked) == pytest.approx(9.0), "all searches together keep to the timeout"


def test_nobody_there_is_said_once_every_search_is_lost():
    searches = []

    def make(_client, _within):
        searches.append(1)
        return {"desk": lost()}

    with pytest.raises(BrokerUnavailable, match="within 9 s"):
        asyncio.run(AdminCalls(NOBODY, timeout=9.0).each_of_groups(make))
    assert len(searches) == COORDINATOR_SEARCHES


class Admin:
    """An admin client whose first search for the coordinator is lost."""

    def __init__(self):
        self.searches = 0

    def describe_consumer_groups(self, groups, request_timeout):
        self.searches += 1
        group = type("Group", (), {"members": (), "type": None})
        return {groups[0]: lost() if self.searches == 1 else answered(group)}

    def describe_configs(self, resources, request_timeout):
        return {resources[0]: answered({})}


def test_a_member_that_starts_searches_again_too():
    admin = Admin()
    assert read_facts(admin, "desk").live == ""
    assert admin.searches == 2
