"""The frontier stays while an output is under way: what is committed is always in the output topic already."""

import asyncio

from penstock.broker.in_memory.faults import FINE, Fate, NoFaults


class SlowOutput(NoFaults):
    def produce(self, client_id, record):
        return Fate(delay=60.0) if record.topic == "out" else FINE


def test_outputs_are_acknowledged_before_the_commit(work):
    returned = []

    async def handler(event, ctx):
        returned.append(event.data)
        return event.data

    async def scenario(app):
        at = await app.send("src", 1, key="a")
        await asyncio.sleep(30)
        assert returned == [1]
        assert app.records("out") == []
        assert (await app.broker.admin().committed("t.work"))[at[:2]].offset == at.offset
        await app.settled()
        assert len(app.records("out")) == 1
        assert (await app.broker.admin().committed("t.work"))[at[:2]].offset == at.offset + 1

    work(handler, scenario, faults=SlowOutput())
