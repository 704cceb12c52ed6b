"""The newest runs are read from the end of their record, and are the same as if all of it had been read."""

from __future__ import annotations

import asyncio
import random
from contextlib import aclosing

import orjson
import pytest

from penstock.broker.contract import NewTopic
from penstock.broker.in_memory import InMemoryBroker
from penstock.record import Outgoing, Record
from penstock.runs import reading
from penstock.runs.decoding import opened
from penstock.runs.reading import RunFilters, list_runs, tail_runs
from penstock.testing.virtual_time import run_virtual
from penstock.topology.model import Topology

DESK = Topology(name="desk")


async def recorded(clock, chance, batches, longest):
    """A record in three partitions, each batch written when its last attempt has ended; the starts as written."""
    broker, starts = InMemoryBroker(clock), []
    await broker.admin().create_topics([NewTopic("desk.runs", 3)])
    for _ in range(batches):
        await asyncio.sleep(chance.uniform(0, 3))
        now = round(clock.now() * 1000)
        began = [now - round(chance.uniform(0, longest) * 1000) for _ in range(chance.randint(1, 5))]
        starts += began
        attempts = [
            {"run": "r", "started": at, "ran": 1, "outcome": chance.choice(["done", "retried"])} for at in began
        ]
        batch = orjson.dumps({"v": 1, "processor": "triage", "attempts": attempts})
        await broker.producer().send(Outgoing("desk.runs", None, batch, partition=chance.randrange(3)))
    return broker, sorted(starts, reverse=True)


@pytest.mark.parametrize("seed", range(12))
def test_they_are_those_that_a_whole_reading_finds(seed, monkeypatch):
    monkeypatch.setattr(reading, "_PORTION", 3)

    async def main(clock):
        chance = random.Random(seed)
        broker, starts = await recorded(clock, chance, 300, longest=chance.choice([0.1, 5, 300]))
        for limit in (1, 7, 60, 5000):
            found = await list_runs(DESK, broker, RunFilters(limit=limit))
            assert [round(one.started * 1000) for one in found.attempts] == starts[:limit]
            assert found.complete == (found.read == len(starts))
        failed = await list_runs(DESK, broker, RunFilters(limit=5000, failed=True))
        assert (failed.read, failed.complete) == (len(starts), True)

    run_virtual(main)


def test_short_runs_need_the_end_of_the_record_only():
    async def main(clock):
        broker, starts = await recorded(clock, random.Random(1), 2000, longest=1)
        found = await list_runs(DESK, broker, RunFilters(limit=20))
        assert found.read < len(starts) / 10
        assert not found.complete
        slowest = await list_runs(DESK, broker, RunFilters(limit=20, slowest=True))
        assert (slowest.read, slowest.complete) == (len(starts), True)

    run_virtual(main)


def test_who_follows_hears_what_was_written_while_the_reader_came_up():
    async def main(clock):
        broker, _ = await recorded(clock, random.Random(1), 20, longest=1)
        await asyncio.sleep(1)
        asked = round(clock.now() * 1000)
        batch = orjson.dumps({"v": 1, "processor": "triage", "attempts": [{"run": "new", "started": asked}]})
        await broker.producer().send(Outgoing("desk.runs", None, batch, partition=0))
        async with aclosing(tail_runs(DESK, broker, asked)) as heard:
            async with asyncio.timeout(5):
                _, (attempt,) = await anext(heard)
        assert attempt.run_id == "new"

    run_virtual(main)


def test_who_keeps_an_attempt_does_not_keep_its_batch():
    batch = orjson.dumps({"v": 1, "processor": "triage", "attempts": [{"run": "r"}] * 250})
    head, attempts = opened(Record("desk.runs", 0, 0, 0, None, batch))
    assert (head, len(attempts)) == ({"v": 1, "processor": "triage"}, 250)
