"""A dead letter or retry topic that cannot be written: the record stays unfinished, loudly, until it heals."""

import asyncio

import pytest

from penstock import Reject
from penstock.broker.in_memory.faults import FINE, Fate, NoFaults, Outcome


class Closed(NoFaults):
    def __init__(self, outcome):
        self.outcome, self.closed = outcome, True

    def produce(self, client_id, record):
        return Fate(self.outcome) if self.closed and record.topic.startswith("t.work.") else FINE


@pytest.mark.slow
@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.REFUSED])
@pytest.mark.parametrize("end", [Reject("no"), ValueError("no")])
def test_what_cannot_be_handed_off_waits_and_is_never_dropped(work, outcome, end):
    faults, calls = Closed(outcome), []

    async def handler(event, ctx):
        calls.append(event.data)
        if event.data == "bad" and event.position.topic == "src":
            raise end

    async def scenario(app):
        at = await app.send("src", "bad", key="a")
        for n in range(10):
            await app.send("src", n, key=f"k{n}")
        await asyncio.sleep(3600)
        assert (await app.broker.admin().committed("t.work"))[at[:2]].offset == at.offset
        assert app.workers[0].parts.hand_off.waiting == 1
        assert app.workers[0].parts.counters.hand_off_failures > 100
        assert len(calls) == 11, "the others went on, and it did not run again"
        faults.closed = False
        await app.settled()
        where = "t.work.dlt" if isinstance(end, Reject) else "t.work.retry.5s"
        assert [record.value for record in app.records(where)] == [b'"bad"']
        assert app.workers[0].parts.hand_off.waiting == 0

    work(handler, scenario, output=None, faults=faults)


def test_it_survives_a_worker_that_stops_meanwhile(work):
    faults = Closed(Outcome.FAILED)

    async def handler(event, ctx):
        raise Reject("no")

    async def scenario(app):
        await app.send("src", "bad", key="a")
        await asyncio.sleep(60)
        first = app.workers.pop()
        await app.stop(first)
        assert app.records("t.work.dlt") == []
        faults.closed = False
        await app.start("work")
        await app.settled()
        assert len(app.dead_letters("work")) == 1

    work(handler, scenario, output=None, faults=faults)
