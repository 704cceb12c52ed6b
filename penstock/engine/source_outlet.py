"""The outlet a running source delivers to: sealed as events, acknowledged by the broker, only then the cursor moves."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from penstock import headers as wire
from penstock.broker.contract import Broker
from penstock.clock import Clock
from penstock.contracts import Cursor, Incoming
from penstock.engine.cursors import Keeper
from penstock.engine.failure import plain_failure
from penstock.engine.hand_off import HandOff
from penstock.engine.wire_records import error_headers
from penstock.record import Header, Outgoing, Position
from penstock.schema.codec import Codec
from penstock.schema.sealing import seal
from penstock.topology.connector_options import SourceOptions
from penstock.topology.derived import dead_letter_topic
from penstock.topology.model import Topology

if TYPE_CHECKING:
    import httpx


@dataclass
class SourceCounters:
    """What a source worker counts."""

    delivered: int = 0
    refused: int = 0
    failures: int = 0  # times `run` ended in an exception
    takeovers: int = 0
    answers: Counter[int] = field(default_factory=Counter)  # by HTTP status, of a source that is asked


@dataclass
class Tenure:
    """One time of being the owner. `active` False: whatever is still under way for it is stale."""

    active: bool = True
    stopping: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True)
class SourceSurroundings:
    """What all tenures of a source worker share."""

    topology: Topology
    options: SourceOptions
    broker: Broker
    clock: Clock
    codec: Codec
    http: Callable[[], httpx.AsyncClient]
    backlog: Callable[[], Awaitable[int]] | None = None  # unfinished records of the whole topology
    counters: SourceCounters = field(default_factory=SourceCounters)


class SourceOutlet:
    """See contracts.Outlet.

    `topology`, `broker`, `options`, `backlog` and `counters` are there for the connectors that come with penstock.
    """

    def __init__(self, shared: SourceSurroundings, hand_off: HandOff, tenure: Tenure, keeper: Keeper | None) -> None:
        """`keeper` None: this source keeps no cursor, the outside system does."""
        self._shared = shared
        self._hand_off = hand_off
        self._keeper = keeper
        self.partition = tenure  # what HandOff asks before each send: is it still ours
        self.stopping = tenure.stopping
        self.topology, self.broker, self.options = shared.topology, shared.broker, shared.options
        self.backlog, self.counters = shared.backlog, shared.counters
        bound = {"connector": shared.options.name}
        self.log = logging.LoggerAdapter(logging.getLogger(f"penstock.app.{shared.options.name}"), bound)

    def __repr__(self) -> str:
        return f"connector {self._shared.options.name}"

    @property
    def cursor(self) -> Cursor:
        """See Outlet."""
        return self._keeper.cursor if self._keeper else None

    @property
    def http(self) -> httpx.AsyncClient:
        """See Outlet."""
        return self._shared.http()

    @property
    def now(self) -> float:
        """Epoch seconds by the worker's own clock."""
        return self._shared.clock.now()

    async def deliver(self, events: Sequence[Incoming], *, cursor: Cursor = None) -> list[Position]:
        """See Outlet."""
        records = [self._sealed(event) for event in events]
        positions = await self._hand_off.outputs(self, records)
        self._shared.counters.delivered += len(records)
        self._keep(cursor)
        return positions

    async def refuse(self, raw: bytes, why: str, *, id: str, cursor: Cursor = None) -> None:
        """See Outlet."""
        await self._hand_off.certainly(self, self._letter(raw, why, id))
        self._shared.counters.refused += 1
        self.log.warning("refused %s: %s", id, why)
        self._keep(cursor)

    def _keep(self, cursor: Cursor) -> None:
        if cursor is not None and self._keeper is not None and self.partition.active:
            self._keeper.keep(cursor)

    def _sealed(self, event: Incoming) -> Outgoing:
        options, codec = self._shared.options, self._shared.codec
        topic = event.topic or options.topic
        return seal(
            codec,
            topic=topic,
            data=event.data,
            key=event.key,
            type=codec.type_for(topic, event.type),
            id=event.id,
            source=event.source or self._source(),
            time=event.time or datetime.fromtimestamp(self.now, UTC),
            subject=event.subject,
            correlation_id=event.correlation_id,
            causation_id=event.causation_id,
            tenant=event.tenant,
            traceparent=event.traceparent,
            headers=event.headers,
        )

    def _source(self) -> str:
        return f"/{self.topology.name}/{self._shared.options.name}"

    def _letter(self, raw: bytes, why: str, id: str) -> Outgoing:
        """A dead letter of what never was a record: its origin is the dead letter itself."""
        group = self._shared.options.group_id
        topic = dead_letter_topic(group)
        failure = plain_failure("Undecodable", why, self._shared.options.name)
        now = round(self.now * 1000)
        headers: list[Header] = [
            wire.line(wire.CE_SPECVERSION, "1.0"),
            wire.line(wire.CE_ID, id),
            wire.line(wire.CE_SOURCE, self._source()),
            wire.line(wire.GROUP, group),
            wire.line(wire.REASON, "undecodable"),
            wire.line(wire.FIRST_FAILURE, now),
            *error_headers(failure),
        ]
        return Outgoing(topic, None, raw, tuple(headers))
