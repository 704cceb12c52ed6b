"""Who shares a group and was declared otherwise is named once; the same declaration never is."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import replace

from penstock.broker.admin_contract import GroupDescription, Member
from penstock.deploy.membership import client_id, declaration, strangers
from penstock.service.neighbours import watch
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


def test_each_set_of_strangers_is_said_once(caplog):
    told = iter((group(client_id(WORK)), group(client_id(OTHER)), group(client_id(OTHER)), group("rdkafka")))
    over = asyncio.Event()

    class Admin:
        async def group(self, _: str) -> GroupDescription:
            try:
                return next(told)
            except StopIteration:
                over.set()
                return group()

    async def looked() -> None:
        task = asyncio.create_task(watch(WORK, Admin(), first=0, every=0))
        await over.wait()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    with caplog.at_level(logging.WARNING, "penstock.worker"):
        asyncio.run(looked())
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 2
    assert client_id(OTHER) in said[0]
    assert "rdkafka" in said[1]
