"""A gateway on the log in memory and in virtual time, spoken to by httpx without a socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from penstock.broker.in_memory import InMemoryBroker
from penstock.broker.in_memory.faults import Faults
from penstock.connectors.http_source.assembly import Parts, assemble
from penstock.deploy.apply import apply
from penstock.deploy.observe import make_plan
from penstock.record import Outgoing, Record
from penstock.testing.virtual_time import VirtualClock, run_virtual
from penstock.topology.http_options import HttpSourceOptions
from penstock.topology.model import Topology
from penstock.topology.reader import read_text

TOPOLOGY = """
version: 1
name: desk
topics:
  tickets.new: {{ partitions: 2 {new} }}
  tickets.answered: {{ partitions: 2, type: ticket.answered }}
processors:
  answer: {{ handler: "desk:answer", topics: [tickets.new], output: tickets.answered }}
connectors:
  inbox: {{ type: http_source, path: /tickets, topic: tickets.new {inbox} }}
"""
SCHEMA = """{"type": "record", "name": "Ticket", "fields": [{"name": "text", "type": "string"}]}"""


class Instance:
    """One gateway process, as it were."""

    def __init__(self, parts: Parts, http: httpx.AsyncClient, counts: dict[int, int]) -> None:
        self.parts = parts
        self.http = http
        self.counts = counts


class Desk:
    """The topology with its log, and as many gateways as one starts."""

    def __init__(self, topology: Topology, clock: VirtualClock, faults: Faults | None) -> None:
        self.topology = topology
        self.clock = clock
        self.broker = InMemoryBroker(clock, faults=faults)

    @asynccontextmanager
    async def gateway(self, backlog: Callable[[], Awaitable[int]] | None = None) -> AsyncIterator[Instance]:
        options = self.topology.connectors["inbox"]
        assert isinstance(options, HttpSourceOptions)
        counts: dict[int, int] = {}

        def counted(status: int, _events: int) -> None:
            counts[status] = counts.get(status, 0) + 1

        parts = assemble(options, self.topology, self.broker, self.clock, counted)
        background = [asyncio.create_task(work) for work in parts.background(backlog)]
        await asyncio.sleep(0.01)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(parts.app), base_url="http://gateway") as http:
            yield Instance(parts, http, counts)
        parts.drain()
        for task in background:
            task.cancel()
        await asyncio.wait(background)
        await parts.close()

    def records(self, topic: str = "tickets.new") -> list[Record]:
        return list(self.broker.records(topic))

    async def write(self, topic: str, value: bytes | None, **headers: str) -> None:
        """A record as a worker would write it; header names with _ for -."""
        spelled = [
            (name if name.startswith("ce_") else name.replace("_", "-"), text.encode())
            for name, text in headers.items()
        ]
        producer = self.broker.producer("worker")
        await producer.send(Outgoing(topic, None, value, tuple(spelled)))
        await producer.close()


Scenario = Callable[[Desk], Awaitable[Any]]


@pytest.fixture
def desk(tmp_path: Path) -> Callable[..., Any]:
    """`desk(scenario, "key: data.customer", schema=True)` runs a scenario against a topology with these options."""

    def run(
        scenario: Scenario, inbox: str = "", *, schema: bool = False, faults: Faults | None = None, **environ: str
    ) -> Any:
        (tmp_path / "ticket.avsc").write_text(SCHEMA, encoding="utf-8")
        new = ", type: ticket.created, schema: ticket.avsc" if schema else ", type: ticket.created"
        text = TOPOLOGY.format(new=new, inbox=f", {inbox}" if inbox else "")
        topology = read_text(text, tmp_path / "topology.yaml", environ)

        async def main(clock: VirtualClock) -> Any:
            made = Desk(topology, clock, faults)
            await apply(await make_plan(topology, made.broker.admin()), made.broker.admin(), lambda _step: None)
            return await scenario(made)

        return run_virtual(main)

    return run
