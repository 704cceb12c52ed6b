"""What a connector must be, and what it is given: Source brings events in, Sink carries them out.

Nothing here does I/O. `docs/connectors.md` walks through both; `penstock.testing` holds a connector to them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    import httpx

    from penstock.context import Context
    from penstock.event import AnyEvent
    from penstock.record import Position

Cursor: TypeAlias = Any  # whatever JSON can say; only the source knows what it means


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """One event on its way in.

    `id` is what makes a repeat recognisable: derive it from what the outside system calls the thing (file and line,
    row id, message id), never at random. `topic` and `type` None: the connector's `topic`, the topic's type.
    """

    data: Any
    id: str
    key: str | bytes | int | None = None
    topic: str | None = None
    type: str | None = None
    source: str | None = None  # None: `/<topology>/<connector>`
    subject: str | None = None
    time: datetime | None = None  # None: now
    correlation_id: str | None = None
    causation_id: str | None = None
    tenant: str | None = None
    traceparent: str | None = None
    headers: Mapping[str, str | bytes | None] | None = None


class Outlet(Protocol):
    """The way into Kafka, as a running source sees it."""

    @property
    def cursor(self) -> Cursor:
        """Where to begin: the last cursor that was kept, by this process or by another host; None at the very first."""
        ...

    @property
    def stopping(self) -> asyncio.Event:
        """Set when `run` is to finish what it has begun and return; after `stop_grace_period` it is cancelled."""
        ...

    @property
    def log(self) -> logging.LoggerAdapter[logging.Logger]:
        """A logger bound to this connector."""
        ...

    @property
    def http(self) -> httpx.AsyncClient:
        """One client shared by all of this process, made when first asked for."""
        ...

    async def deliver(self, events: Sequence[Incoming], *, cursor: Cursor = None) -> list[Position]:
        """Send, and return where the broker has put each; only after that is `cursor` kept (None: it stays).

        Returns once every event is acknowledged; what fails for a passing reason is sent again. May be called by
        several tasks at once; cursors are kept in the order of the calls that give one, so give them from one task.
        Raises Unencodable (nothing was sent) and SendRefused (the others were sent) for an event that can never be
        sent: `refuse` it, then go on.
        """
        ...

    async def refuse(self, raw: bytes, why: str, *, id: str, cursor: Cursor = None) -> None:
        """Put what can never be an event into the connector's dead letter topic, as `undecodable`; acknowledged."""
        ...


class Source(Protocol):
    """Brings events in. Its class has an `Options` dataclass (a SourceOptions) and is made with an instance of it.

    Of all replicas, on whatever host, one runs at a time, by consumer-group assignment, and the others stand by;
    unless its options say `exclusive = False`: then every replica runs, and the outside system shares the work out.
    """

    async def run(self, outlet: Outlet) -> None:
        """Bring in events until `outlet.stopping` is set. Called by the runner, on its event loop: never block it.

        Tell the outside system that a thing is done (delete, acknowledge) only after `deliver` has returned. Any await
        may be the last: the process can be killed, or the ownership go to another host, which cancels this. Raises
        what it likes: it is logged, counted, and `run` is called again after a pause, with the cursor kept last.
        Returning before `stopping` is set means that there is nothing left to bring.
        """
        ...


class Sink(Protocol):
    """Carries events out. Its class has an `Options` dataclass (a SinkOptions) and is made with an instance of it.

    It is a handler like a processor's: may also have `setup` and `close` (each may be async), called once each, and
    has the same retries, dead letters and replay. It runs at least once per event, so it must be idempotent: use
    `ctx.run_id`, or the event's id, for that. With `batch` it is given a list of events and a list of contexts.
    """

    async def __call__(self, event: AnyEvent, ctx: Context, /) -> Any:
        """Deliver. Returning means delivered. Raises an exception or a signal (Retry, Defer, Reject, Skip) if not."""
        ...
