"""Who shares a group and was declared otherwise is named by a worker that starts; the same declaration never is."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

import pytest

from penstock.broker.admin_contract import GroupDescription, Member
from penstock.deploy.membership import client_id, declaration, strangers
from penstock.errors import BrokerUnavailable
from penstock.service.neighbours import name_strangers
from penstock.topology.model import Processor

WORK = Processor(name="work", group_id="t.work", handler="app:work", topics=("a", "b"))
OTHER = replace(WORK, handler="app:play")


def group(*members: str) -> GroupDescription:
    return GroupDescription("t.work", "stable", "consumer", tuple(Member(one, one, "here", ()) for one in members))


def test_what_decides_the_fate_of_an_event_is_the_declaration():
    assert declaration(WORK) == declaration(replace(WORK, concurrency=7, timeout=9.0, topics=("b", "a")))
    for change in ({"topics": ("a",)}, {"types": ("x",)}, {"output": "c"}, {"emits": ("c",)}, {"ordering": "none"}):
        assert declaration(WORK) != declaration(replace(WORK, **change)), change
    assert declaration(WORK) != declaration(OTHER)


def test_only_who_was_declared_otherwise_is_a_stranger():
    ours, theirs = client_id(WORK), client_id(OTHER)
    assert strangers(WORK, group(ours, ours)) == ()
    assert strangers(WORK, group(ours, theirs, "rdkafka")) == ("rdkafka", theirs)


@pytest.mark.parametrize(("members", "said"), [((WORK,), 0), ((WORK, OTHER), 1)])
def test_a_worker_that_starts_names_them(caplog, members, said):
    class Admin:
        async def group(self, _: str) -> GroupDescription:
            return group(*map(client_id, members))

    with caplog.at_level(logging.WARNING, "penstock.worker"):
        asyncio.run(name_strangers(WORK, Admin()))
    assert [client_id(OTHER) in record.getMessage() for record in caplog.records] == [True] * said


def test_a_broker_that_is_away_is_no_reason_not_to_start():
    class Away:
        async def group(self, _: str) -> GroupDescription:
            raise BrokerUnavailable("no answer", "wait")

    asyncio.run(name_strangers(WORK, Away()))
