"""What the tests of AsyncPublisher share: a broker in memory that fails as told, and what stands in its topic after."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from penstock import AsyncPublisher
from penstock.broker.contract import NewTopic
from penstock.broker.in_memory.faults import FINE, Fate, NoFaults
from penstock.broker.in_memory.keeper import InMemoryBroker
from penstock.clock import SystemClock
from penstock.record import Outgoing, Record


class Faulty(NoFaults):
    """Ends the nth produce as told; the others are fine."""

    def __init__(self, fates: dict[int, Fate] | None = None, otherwise: Fate = FINE) -> None:
        self.fates = fates or {}
        self.otherwise = otherwise
        self.produced: list[Outgoing] = []

    def produce(self, client_id: str, record: Outgoing) -> Fate:
        self.produced.append(record)
        return self.fates.get(len(self.produced) - 1, self.otherwise)


class FixedClock(SystemClock):
    def now(self) -> float:
        return 1_700_000_000.25


Use = Callable[[AsyncPublisher], Awaitable[Any]]


def run(use: Use, faults: Faulty | None = None, **said: Any) -> tuple[Any, list[Record]]:
    """Publish to the topic `t` of a broker in memory; what `use` gave, and what is in the topic."""

    async def main() -> tuple[Any, list[Record]]:
        broker = InMemoryBroker(SystemClock(), faults=faults)
        await broker.admin().create_topics([NewTopic("t", 3)])
        async with AsyncPublisher(broker=broker, **said) as publisher:
            found = await use(publisher)
        return found, list(broker.records("t"))

    return asyncio.run(main())


def values(records: list[Record]) -> list[Any]:
    return [json.loads(record.value or b"null") for record in records]
