"""Questions to Kafka outlive a client that gets no answer."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future

import pytest
from confluent_kafka import KafkaError, KafkaException

from penstock.broker.kafka.admin_calls import AdminCalls
from penstock.broker.kafka.codes import QUESTION_TRIES
from penstock.broker.kafka.protocol import read_facts
from penstock.broker.kafka.questions import Questions
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
        return {"desk": lost() if len(asked) < QUESTION_TRIES else answered("found")}

    calls = AdminCalls(NOBODY, timeout=9.0)
    assert asyncio.run(calls.each_of_groups(make)) == {"desk": "found"}
    assert len({id(client) for client, _ in asked}) == QUESTION_TRIES
    assert sum(within for _, within in asked) == pytest.approx(9.0), "all searches together keep to the timeout"


def test_nobody_there_is_said_once_every_search_is_lost():
    searches = []

    def make(_client, _within):
        searches.append(1)
        return {"desk": lost()}

    with pytest.raises(BrokerUnavailable, match="within 9 s"):
        asyncio.run(AdminCalls(NOBODY, timeout=9.0).each_of_groups(make))
    assert len(searches) == QUESTION_TRIES


def test_a_client_without_an_answer_is_not_asked_the_next_question():
    asked = []

    def make(client):
        asked.append(client)
        return {"topic": lost() if len(asked) == 1 else answered("there")}

    async def ask_twice():
        calls = AdminCalls(NOBODY, timeout=9.0)
        with pytest.raises(BrokerUnavailable, match="within 9 s"):
            await calls.each(make)
        return await calls.each(make)

    assert asyncio.run(ask_twice()) == {"topic": "there"}
    assert asked[0] is not asked[1]


class Admin:
    """An admin client; `silent` names what it is asked without an answer."""

    def __init__(self, silent=""):
        self.silent = silent
        self.asked = []

    def describe_consumer_groups(self, groups, request_timeout):
        group = type("Group", (), {"members": (), "type": None})
        return {groups[0]: self._answer("members", group)}

    def describe_configs(self, resources, request_timeout):
        return {resources[0]: self._answer("settings", {})}

    def _answer(self, what, answer):
        self.asked.append(what)
        return lost() if what == self.silent else answered(answer)


@pytest.mark.parametrize(
    ("silent", "first", "second"),
    [("members", ["members"], ["members", "settings"]), ("settings", ["members", "settings"], ["settings"])],
)
def test_a_member_that_starts_asks_again_another_client(silent, first, second):
    clients = [Admin(silent), Admin()]
    left = iter(clients)
    assert read_facts(Questions(lambda: next(left)), "desk").live == ""
    assert [one.asked for one in clients] == [first, second]


def test_a_member_that_starts_without_an_answer_says_so():
    with pytest.raises(BrokerUnavailable, match="no broker answered"):
        read_facts(Questions(lambda: Admin("members")), "desk", timeout=0.0)
