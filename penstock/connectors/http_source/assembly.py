"""How a gateway is put together from its options, a topology and a broker."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette

from penstock.broker.contract import Broker, Producer
from penstock.clock import Clock
from penstock.connectors import signature
from penstock.connectors.http_source.acceptance import Acceptance
from penstock.connectors.http_source.access import Access
from penstock.connectors.http_source.app import Gateway, application
from penstock.connectors.http_source.board import Board
from penstock.connectors.http_source.lookup import Lookup
from penstock.connectors.http_source.openapi import Described
from penstock.connectors.http_source.pressure import Bounds, Pressure
from penstock.connectors.http_source.results import Results
from penstock.connectors.http_source.sealing import Sealer, Selectors
from penstock.connectors.http_source.tail import Clerk, Tail
from penstock.errors import ProducerFatal
from penstock.schema.codec import Codec
from penstock.schema.envelope import Opener
from penstock.topology.http_options import HttpSourceOptions
from penstock.topology.model import Topology


@dataclass
class Parts:
    """A gateway that can be served. `fatal` is why it cannot go on, once `failed` is set."""

    access: Access
    pressure: Pressure
    codec: Codec
    broker: Broker
    producer: Producer
    board: Board | None = None
    results: Results | None = None
    tail: Tail | None = None
    lookup: Lookup | None = None
    app: Starlette = field(default_factory=Starlette)
    failed: asyncio.Event = field(default_factory=asyncio.Event)
    fatal: ProducerFatal | None = None

    def background(self, backlog: Callable[[], Awaitable[int]] | None) -> list[Coroutine[Any, Any, None]]:
        """What runs beside the requests."""
        found = [self.pressure.watch(self.broker.admin().cluster, backlog)]
        return [*found, self.tail.run()] if self.tail else found

    def fail(self, error: ProducerFatal) -> None:
        """The producer cannot go on, so this process cannot."""
        self.fatal = error
        self.failed.set()

    def drain(self) -> None:
        """Let nobody wait for a result any longer; what waits for Kafka goes on."""
        if self.results is not None:
            self.results.close()

    async def close(self) -> None:
        """Flush and end."""
        if self.lookup is not None:
            await self.lookup.close()
        await self.producer.close()


def assemble(
    options: HttpSourceOptions,
    topology: Topology,
    broker: Broker,
    clock: Clock,
    counted: Callable[[int, int], None],
) -> Parts:
    """Put it together; nothing is connected yet. `counted` is told of every answer: its status, events accepted."""
    codec = Codec(topology, waits=False)
    access = Access(options.tokens, options.signing_secrets, options.signature_header, clock.now)
    pressure = Pressure(Bounds(options.max_outstanding, backlog=options.max_backlog), clock.monotonic)
    parts = Parts(access, pressure, codec, broker, broker.producer(options.group_id))
    if options.reply:
        _open_way_back(parts, options, topology, codec, clock)
    selectors = Selectors(options.key, options.id, options.event_type, options.subject)
    source = f"/{topology.name}/{options.name}"
    gateway = Gateway(
        described=describe(options, topology),
        access=access,
        sealer=Sealer(topology, codec, options.topic, source, selectors, clock),
        acceptance=Acceptance(parts.producer, pressure, options.acknowledge_within, parts.fail),
        counted=counted,
        board=parts.board,
        results=parts.results,
    )
    parts.app = application(gateway)
    return parts


def describe(options: HttpSourceOptions, topology: Topology) -> Described:
    """The gateway as its callers see it."""
    topic = topology.topics.get(options.topic)
    return Described(
        title=f"{topology.name}: {options.name}",
        path=options.path,
        topic=options.topic,
        max_request=options.max_request_size,
        max_events=options.max_events,
        tokens=bool(options.tokens),
        signature=(options.signature_header or signature.SIGNATURE) if options.signing_secrets else None,
        replies=bool(options.reply),
        types=tuple(topic.schemas) if topic else (),
    )


def _open_way_back(parts: Parts, options: HttpSourceOptions, topology: Topology, codec: Codec, clock: Clock) -> None:
    opener = Opener(topology, "", codec)
    board = Board()
    clerk = Clerk(topology, options.topic, options.reply, board, opener)
    tail = Tail(parts.broker, clerk, int(clock.now() * 1000))
    lookup = Lookup(parts.broker, clerk, board, options.look_back, clock.now)
    results = Results(board, lookup, opener, lambda: not tail.trouble)
    results.longest, results.most_waiting = options.max_wait, options.max_waiting
    parts.board, parts.tail, parts.lookup, parts.results = board, tail, lookup, results
