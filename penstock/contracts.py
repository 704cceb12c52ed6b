"""Contracts between the engine and what stands around it: Source, Sink, and the memory of agents.

A Source brings events in, a Sink carries them out; a handler speaks to Memory, the engine to ProcessorMemory.
Nothing here does I/O. `docs/connectors.md` walks through both; `penstock.testing` holds a connector to them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    import httpx

    from penstock.context import Context
    from penstock.event import AnyEvent
    from penstock.record import Outgoing, Position

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


Turn: TypeAlias = Mapping[
    str, Any
]  # one turn of a conversation, as JSON can say it: {"role": "user", "content": "..."}


@dataclass(frozen=True, slots=True, order=True)
class Scope:
    """Whose memory. '' is a value too: no tenant named, all agents of the tenant, all conversations of the agent."""

    tenant: str = ""
    agent: str = ""
    conversation: str = ""


@dataclass(frozen=True, slots=True)
class NoteChange:
    """One change of a note: when (epoch seconds), by which run, why, and what the note said before."""

    at: float
    run_id: str
    why: str
    text: str
    importance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Something worth remembering, found again by its meaning.

    `importance` is above 0 and at most 1; times are epoch seconds. `version` is the run that wrote it last.
    `retired`: kept with its history, but no longer found; `replaced_by` names the note that took its place.
    `score` is how well it fits the search that found it, else 0.
    """

    id: str
    text: str
    importance: float
    created: float
    updated: float
    version: str
    vector: tuple[float, ...]
    retired: bool = False
    replaced_by: str | None = None
    changes: tuple[NoteChange, ...] = ()
    score: float = 0.0


class Memory(Protocol):
    """The memory of one scope during one attempt.

    What is written is seen by this attempt at once, and by others once it has succeeded; a failed attempt leaves
    nothing. Everything raises MemoryUnavailable while the memory is away.
    """

    @property
    def scope(self) -> Scope:
        """Whose memory this is."""
        ...

    @property
    def of_agent(self) -> Memory:
        """What this agent remembers across the conversations of the tenant."""
        ...

    @property
    def of_tenant(self) -> Memory:
        """What all agents remember of the tenant."""
        ...

    def at(self, *, agent: str | None = None, conversation: str | None = None) -> Memory:
        """Another agent's or conversation's memory, of the same tenant."""
        ...

    def now(self) -> float:
        """Epoch seconds, by the clock that dates what is written here."""
        ...

    async def get(self, name: str, default: Any = None) -> Any:
        """The value put under `name`, else `default`."""
        ...

    async def put(self, name: str, value: Any, *, ttl: float | str | timedelta | None = None) -> None:
        """Keep a value that JSON can say, for `ttl` (seconds, timedelta or "30m"), else until deleted.

        Raises Unencodable for a value that JSON cannot say.
        """
        ...

    async def delete(self, name: str) -> None:
        """Forget the value under `name`; nothing happens where there is none."""
        ...

    async def append(self, *turns: Turn) -> None:
        """Add turns to the end of the conversation. Raises Unencodable."""
        ...

    async def history(self, *, tokens: int | None = None, last: int | None = None) -> list[dict[str, Any]]:
        """The newest turns, oldest first: at most `last` of them, at most `tokens` tokens, else all.

        A bounded history never begins with the answer of a tool whose call was cut off: models refuse that.
        """
        ...

    async def remember(self, text: str, *, importance: float = 0.5) -> str:
        """Keep a note and return its id. Raises ValueError for an importance that is not above 0 and at most 1."""
        ...

    async def search(self, query: str, *, limit: int = 5) -> list[Note]:
        """The notes that fit `query` best, by relevance x recency x importance; retired ones are left out."""
        ...

    async def notes(self, *, retired: bool = False) -> list[Note]:
        """All notes, oldest first; with `retired` those that are no longer found too."""
        ...

    async def revise(self, note_id: str, *, why: str, text: str | None = None, importance: float | None = None) -> None:
        """Change a note; what it said before stays in its `changes`. Raises KeyError where there is none."""
        ...

    async def retire(self, note_id: str, *, why: str, replaced_by: str | None = None) -> None:
        """Take a note out of search; it stays readable, with why. Raises KeyError where there is none."""
        ...


class RunMemory(Protocol):
    """The memory of one attempt, as the engine sees it."""

    @property
    def memory(self) -> Memory:
        """What the handler gets as ctx.memory."""
        ...

    @property
    def away(self) -> Exception | None:
        """What made an operation of this attempt fail, where one did: then nothing may be committed."""
        ...

    async def commit(self, emitted: Sequence[Outgoing]) -> tuple[Outgoing, ...]:
        """Apply what was written, once for this run id, and keep `emitted` with it; returns what is to be published.

        That is `emitted`, or what was kept where this run was applied before. Raises MemoryConflict where what the
        attempt read has changed since (nothing is applied), MemoryUnavailable.
        """
        ...


class ProcessorMemory(Protocol):
    """The memory of one processor, as the engine sees it. None of it costs a processor without memory anything."""

    async def kept(self, run_id: str) -> tuple[Outgoing, ...] | None:
        """What this run emitted when it was applied; None where it was not. Raises MemoryUnavailable."""
        ...

    def begin(self, event: AnyEvent, run_id: str) -> RunMemory:
        """The memory of a new attempt."""
        ...
