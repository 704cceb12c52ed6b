"""From the topology to a memory that is open: the backend by its type, the app's own functions, one per processor."""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from penstock.clock import Clock
from penstock.contracts import RunMemory, Scope
from penstock.engine.handler import import_attribute
from penstock.event import AnyEvent
from penstock.memory.contract import Backend
from penstock.memory.fences import emitted_of
from penstock.memory.session import Ground, Session
from penstock.record import Outgoing
from penstock.topology.memory_options import MemoryOptions
from penstock.topology.model import Processor, Topology


def backend_of(options: MemoryOptions, topology: Topology) -> Backend:
    """The backend of one memory, not yet open. Raises MemoryFailed where its library is not installed."""
    module, _, attribute = options.implementation.partition(":")
    made: Backend = getattr(importlib.import_module(module), attribute)(options, topology)
    return made


@asynccontextmanager
async def remembering(topology: Topology, processor: Processor, clock: Clock) -> AsyncIterator[EventMemory | None]:
    """The memory of a processor, open while inside; None where it has none. Raises MemoryFailed, HandlerError."""
    if processor.memory is None:
        yield None
        return
    options = topology.memory[processor.memory]
    backend = backend_of(options, topology)
    try:
        await backend.open()
        yield memory_of(options, processor, backend, clock, topology.directory)
    finally:
        await backend.close()


def memory_of(
    options: MemoryOptions, processor: Processor, backend: Backend, clock: Clock, directory: Path
) -> EventMemory:
    """The memory of a processor on a backend that is open. Raises HandlerError for an app's function."""
    return EventMemory(processor.name, ground_of(options, backend, clock, directory))


def ground_of(options: MemoryOptions, backend: Backend, clock: Clock, directory: Path) -> Ground:
    """What every session on this memory stands on; imports the functions that the options name."""
    return Ground(
        backend=backend,
        clock=clock,
        embed=_function(options.embed, directory),
        count_tokens=_function(options.tokens, directory),
        half_life=options.half_life,
        fence_retention=options.fence_retention,
    )


def _function(spec: str, directory: Path) -> Any:
    if spec.startswith("penstock."):  # no part of the app: sys.path stays as it is
        module, _, attribute = spec.partition(":")
        return getattr(importlib.import_module(module), attribute)
    return import_attribute(spec, directory)


class EventMemory:
    """ProcessorMemory: scopes come from the event, fences from the backend."""

    def __init__(self, agent: str, ground: Ground) -> None:
        self._agent = agent
        self._ground = ground

    async def kept(self, run_id: str) -> tuple[Outgoing, ...] | None:
        """See ProcessorMemory."""
        found = await self._ground.backend.fence(run_id, self._ground.clock.now())
        return None if found is None else emitted_of(found)

    def begin(self, event: AnyEvent, run_id: str) -> RunMemory:
        """See ProcessorMemory."""
        return Session(self._ground, Scope(event.tenant or "", self._agent, conversation_of(event)), run_id)


def conversation_of(event: AnyEvent) -> str:
    """The event's key; of one without a key its correlation id: the first event of the chain it belongs to.

    A key that not every store takes for text is written in hexadecimal.
    """
    key = event.key
    if key is None:
        return event.correlation_id
    return key if isinstance(key, str) and "\0" not in key else f"hex:{(event.record.key or b'').hex()}"
