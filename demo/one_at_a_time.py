"""The yardstick: the same agent, model and broker, with one run at a time per partition, as a plain consumer works."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Sequence
from typing import Final

import httpx

from demo.ledger import Ledger
from demo.reading import ends_now, read_books
from demo.tickets import Ticket
from penstock import AsyncPublisher
from penstock.broker.contract import Broker
from penstock.clock import SystemClock
from penstock.deploy.apply import apply
from penstock.deploy.observe import make_plan
from penstock.engine.assembly import build
from penstock.engine.handler import load
from penstock.engine.report import AttemptReport
from penstock.errors import PenstockError
from penstock.topology.model import Topology

_SOURCE: Final = "demo.one-at-a-time"
_PATIENCE: Final = 60.0


def variant(topology: Topology) -> Topology:
    """The topology with its first processor alone, on topics of its own, and `ordering: partition`."""
    triage = next(iter(topology.processors.values()))
    source, output = topology.topics[triage.topics[0]], topology.topics[triage.output or ""]
    triage = dataclasses.replace(
        triage,
        group_id=f"{topology.name}-demo.one-at-a-time",
        topics=(_SOURCE,),
        output=f"{_SOURCE}.triaged",
        ordering="partition",
    )
    topics = [dataclasses.replace(source, name=_SOURCE), dataclasses.replace(output, name=f"{_SOURCE}.triaged")]
    return dataclasses.replace(
        topology,
        name=f"{topology.name}-demo",
        topics={topic.name: topic for topic in topics},
        processors={triage.name: triage},
    )


async def measure(topology: Topology, broker: Broker, tickets: Sequence[Ticket]) -> Ledger:
    """Run the tickets to their end; the ledger's rate is the answer. Raises PenstockError where it takes too long."""
    alone = variant(topology)
    [triage] = alone.processors.values()
    await apply(await make_plan(alone, broker.admin()), broker.admin(), lambda _: None)
    async with httpx.AsyncClient(timeout=None, trust_env=False) as http:  # noqa: S113 - the run has its deadline
        handler = load(alone, triage)
        finished: list[AttemptReport] = []
        worker = await build(
            alone,
            triage,
            handler,
            broker,
            SystemClock(),
            client_id="one-at-a-time",
            observe=finished.append,
            http=lambda: http,
        )
        running = asyncio.create_task(worker.run())
        try:
            while len([one for one in worker.parts.partitions if one.topic == _SOURCE]) < _partitions(alone):
                await _moment(running)
            since = await ends_now(broker, alone)
            async with AsyncPublisher(alone, broker=broker, source="demo") as publisher:
                data = [ticket.data() for ticket in tickets]
                await publisher.send_many(_SOURCE, data, key="customer_id", id="ticket_id")
            deadline = time.monotonic() + _PATIENCE
            while len(finished) < len(tickets):
                if time.monotonic() > deadline:
                    raise PenstockError("the tickets run one at a time per partition did not end")
                await _moment(running)
        finally:
            worker.stop()
            await running
    return await read_books(broker, alone, since, tickets)


def _partitions(topology: Topology) -> int:
    return topology.topics[_SOURCE].partitions or 1


async def _moment(running: asyncio.Task[None]) -> None:
    if running.done():
        running.result()
    await asyncio.sleep(0.05)
