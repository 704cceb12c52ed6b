"""The memory of one attempt: what it read and at which version, what it wrote, and the one step that applies it.

Conflicts are looked for where a run both read and writes: a value, a note, a history. What it only read may have
changed since; to run a model again for that would cost more than it is worth.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from penstock.clock import Clock
from penstock.contracts import Note, Scope
from penstock.errors import MemoryUnavailable
from penstock.memory.contract import HISTORY, NOTE, VALUE, Backend, Item, NewTurn, NewValue, Writes
from penstock.memory.fences import emitted_of, fence_bytes
from penstock.memory.scoped import ScopedMemory
from penstock.record import Outgoing

T = TypeVar("T")
Embed = Callable[[Sequence[str]], Any]  # texts to vectors of one length; may be async
CountTokens = Callable[[Any], int]  # of one turn


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What all attempts of one processor share. Durations in seconds."""

    backend: Backend
    clock: Clock
    embed: Embed
    count_tokens: CountTokens
    half_life: float
    fence_retention: float


@dataclass(slots=True)
class Session:
    """RunMemory; see contracts. Everything a scope's memory is asked for goes through here."""

    ground: Ground
    scope: Scope
    run_id: str
    away: Exception | None = None
    read: dict[Item, str] = field(default_factory=dict)
    values: dict[tuple[Scope, str], NewValue] = field(default_factory=dict)
    seen: dict[tuple[Scope, str], bytes | None] = field(default_factory=dict)
    turns: dict[Scope, list[NewTurn]] = field(default_factory=dict)
    notes: dict[tuple[Scope, str], Note] = field(default_factory=dict)

    @property
    def memory(self) -> ScopedMemory:
        """See RunMemory."""
        return ScopedMemory(self, self.scope)

    def now(self) -> float:
        """Epoch seconds."""
        return self.ground.clock.now()

    async def ask(self, question: Awaitable[T]) -> T:
        """The backend's answer; that it did not answer is remembered, whatever the handler makes of it."""
        try:
            return await question
        except MemoryUnavailable as error:
            self.away = error
            raise

    async def vectors(self, texts: Sequence[str]) -> list[tuple[float, ...]]:
        """The embeddings of some texts."""
        found = self.ground.embed(texts)
        if inspect.isawaitable(found):
            found = await found
        return [tuple(float(part) for part in vector) for vector in found]

    def note_read(self, item: Item, version: str) -> None:
        """The attempt bases itself on this version; the first one it saw counts."""
        self.read.setdefault(item, version)

    async def commit(self, emitted: Sequence[Outgoing]) -> tuple[Outgoing, ...]:
        """See RunMemory."""
        now = self.now()
        writes = Writes(
            run_id=self.run_id,
            scope=self.scope,
            at=now,
            emitted=fence_bytes(emitted),
            fence_expires=now + self.ground.fence_retention,
            read={item: version for item, version in self.read.items() if self._writes(item)},
            values=self.values,
            turns=self.turns,
            notes=self.notes,
        )
        kept = await self.ask(self.ground.backend.apply(writes))
        return tuple(emitted) if kept is None else emitted_of(kept)

    def _writes(self, item: Item) -> bool:
        if item.kind == HISTORY:
            return bool(self.turns.get(item.scope))
        written: Any = {VALUE: self.values, NOTE: self.notes}[item.kind]
        return (item.scope, item.name) in written
