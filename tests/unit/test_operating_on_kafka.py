"""The record of runs and the control topic on a real Kafka: written, read back, and heard within two seconds."""

from __future__ import annotations

import asyncio
import time

import pytest

from penstock.broker.kafka.keeper import KafkaBroker
from penstock.clock import SystemClock
from penstock.control.commands import Command
from penstock.control.follower import following
from penstock.control.giving import give, read_control
from penstock.deploy.apply import apply
from penstock.deploy.observe import make_plan
from penstock.engine.counters import Counters
from penstock.engine.report import AttemptReport
from penstock.record import Record
from penstock.runs.reading import RunFilters, list_runs
from penstock.runs.trace import trace
from penstock.runs.writer import recording
from penstock.topology.model import Processor, Topic, Topology


class Levers:
    """What was moved, and when."""

    def __init__(self):
        self.moved = []
        self.news = asyncio.Event()

    def _move(self, *what):
        self.moved.append((*what, time.monotonic()))
        self.news.set()

    def pause(self, by):
        self._move("pause", by)

    def resume(self):
        self._move("resume")


def topology(name, kafka):
    work = Processor(name="work", group_id=f"{name}.work", handler="x:y", topics=(f"{name}.in",))
    topics = {f"{name}.in": Topic(name=f"{name}.in", partitions=1)}
    servers = {"bootstrap.servers": kafka}
    return Topology(name=name, kafka=servers, topics=topics, processors={"work": work})


@pytest.mark.slow
@pytest.mark.kafka
def test_runs_are_read_back_and_operators_heard(kafka, topic_name):
    declared = topology(topic_name("desk"), kafka)

    async def story():
        broker = KafkaBroker(declared.kafka)
        try:
            await apply(await make_plan(declared, broker.admin()), broker.admin(), lambda _step: None)
            await _runs(declared, broker)
            await _control(declared, broker)
        finally:
            await broker.close()

    asyncio.run(story())


async def _runs(declared, broker):
    counters = Counters()
    async with recording(declared, "work", broker, counters, worker="w") as writer:
        for number in range(700):
            record = Record(f"{declared.name}.in", 0, number, 0, b"k", b"{}", [("ce_id", b"e%d" % number)])
            writer.observe(AttemptReport("work", f"r{number}", record, 2, "done", "", 1.0, 0.0, None, time.time()))
    assert counters.run_records + counters.run_records_lost == 700
    found = await list_runs(declared, broker, RunFilters(limit=1000))
    assert found.read == counters.run_records > 400
    assert {one.attempt for one in found.attempts} == {2}
    assert len((await trace(declared, broker, "r7")).attempts) == 1


async def _control(declared, broker):
    levers = Levers()
    await give(declared, broker, Command("0", "pause", "work", "ann", 1))
    async with following(declared, "work", broker, levers, SystemClock()):
        assert levers.moved[0][:2] == ("pause", "ann"), "heard before it begins"
        levers.news.clear()
        given = time.monotonic()
        await give(declared, broker, Command("1", "resume", "work", "bob", 2))
        await asyncio.wait_for(levers.news.wait(), 10)
    assert levers.moved[1][0] == "resume"
    assert levers.moved[1][1] - given < 2 + 1, "two seconds, and the giving itself"
    assert [one.by for one in (await read_control(declared, broker)).audit] == ["ann", "bob"]
