"""Memory whose notes are found by a vector store, and whose truth stands in a ledger that applies a run in one step.

A vector store can do neither versions nor fences nor two writes at once. So it is an index: the ledger (SQLite, Redis
or PostgreSQL) holds everything, notes too, and in the same step a mark for each note that the index does not have yet.
What is marked is put into the index right after; what a crash left, before a search and at the start, by whoever comes:
it delays a note by one search, and never loses or doubles one. Scores and retirement are the ledger's.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Final, Protocol
from uuid import uuid4

import orjson

from penstock.contracts import Note, Scope
from penstock.errors import MemoryConflict, MemoryUnavailable
from penstock.memory.contract import VALUE, Backend, Forgotten, Item, KeptTurn, NewValue, Value, Writes
from penstock.memory.notes import nearest_of

log = logging.getLogger("penstock.memory")
UNINDEXED: Final = Scope("", "penstock/unindexed", "")  # no processor can be called so


class VectorIndex(Protocol):
    """What is asked of a vector store. Everything raises MemoryUnavailable where it does not answer."""

    async def open(self) -> None:
        """Connect. Idempotent."""
        ...

    async def close(self) -> None:
        """Let go. Idempotent."""
        ...

    async def put(self, notes: Sequence[tuple[Scope, Note]]) -> None:
        """Put notes in, or in place of what has their id. Idempotent."""
        ...

    async def nearest(self, scope: Scope, vector: Sequence[float], limit: int) -> list[str]:
        """The ids of the notes nearest to a vector of the same length, retired ones left out."""
        ...

    async def forget(self, scope: Scope) -> None:
        """Take out every note of exactly this scope. Idempotent."""
        ...


class IndexedBackend:
    """Backend on a ledger and an index."""

    def __init__(self, ledger: Backend, index: VectorIndex) -> None:
        self._ledger = ledger
        self._index = index
        self._catching_up = asyncio.Lock()  # runs of one process would do the same work, and conflict over it

    async def open(self) -> None:
        """See Backend."""
        await self._ledger.open()
        await self._index.open()
        await self._catch_up()

    async def close(self) -> None:
        """See Backend."""
        await self._index.close()
        await self._ledger.close()

    async def fence(self, run_id: str, now: float) -> bytes | None:
        """See Backend."""
        return await self._ledger.fence(run_id, now)

    async def value(self, scope: Scope, name: str, now: float) -> Value | None:
        """See Backend."""
        return await self._ledger.value(scope, name, now)

    async def values(self, scope: Scope, now: float) -> dict[str, Value]:
        """See Backend."""
        return await self._ledger.values(scope, now)

    async def turns(self, scope: Scope, *, before: int | None = None, limit: int = 100) -> list[KeptTurn]:
        """See Backend."""
        return await self._ledger.turns(scope, before=before, limit=limit)

    async def note(self, scope: Scope, note_id: str) -> Note | None:
        """See Backend."""
        return await self._ledger.note(scope, note_id)

    async def notes(self, scope: Scope) -> list[Note]:
        """See Backend."""
        return await self._ledger.notes(scope)

    async def nearest(self, scope: Scope, vector: Sequence[float], limit: int) -> list[Note]:
        """See Backend."""
        await self._catch_up()
        found = [await self._ledger.note(scope, one) for one in await self._index.nearest(scope, vector, limit)]
        return nearest_of([note for note in found if note is not None], vector, limit)

    async def apply(self, writes: Writes) -> bytes | None:
        """See Backend. An index that is away fails nothing here: what it misses is marked."""
        marks = {(UNINDEXED, _mark(*place)): NewValue(b"true") for place in writes.notes}
        kept = await self._ledger.apply(replace(writes, values={**writes.values, **marks}))
        if kept is None and marks:
            try:
                await self._catch_up({name for _, name in marks})
            except MemoryUnavailable as error:
                log.warning("notes are kept, and put into the index later: %s", error)
        return kept

    async def _catch_up(self, own: Collection[str] | None = None) -> None:
        """Put into the index what is marked: one's `own` notes, or all that others left."""
        async with self._catching_up:
            if own is None:
                marked = await self._ledger.values(UNINDEXED, 0.0)
            else:  # read by name: after a long outage of the index the marks are many
                marked = {name: mark for name in own if (mark := await self._ledger.value(UNINDEXED, name, 0.0))}
            await self._put(marked)

    async def _put(self, marked: Mapping[str, Value]) -> None:
        if not marked:
            return
        notes = []
        for name in marked:
            *parts, note_id = orjson.loads(name)
            note = await self._ledger.note(Scope(*parts), note_id)
            if note is not None:
                notes.append((Scope(*parts), note))
        await self._index.put(notes)
        done = Writes(
            run_id=str(uuid4()),
            scope=UNINDEXED,
            at=0.0,
            emitted=b"[]",
            fence_expires=0.001,  # nothing to come back for
            read={Item(UNINDEXED, VALUE, name): value.version for name, value in marked.items()},
            values={(UNINDEXED, name): NewValue(None) for name in marked},
        )
        try:
            await self._ledger.apply(done)
        except MemoryConflict:
            log.debug("a note was changed meanwhile, or somebody else has put it in: looked at again next time")

    async def scopes(self) -> list[Scope]:
        """See Backend."""
        return [scope for scope in await self._ledger.scopes() if scope != UNINDEXED]

    async def forget(self, scope: Scope) -> Forgotten:
        """See Backend. The index first: where it is away nothing is forgotten, and one asks again."""
        await self._catch_up()
        await self._index.forget(scope)
        return await self._ledger.forget(scope)


def _mark(scope: Scope, note_id: str) -> str:
    return orjson.dumps([scope.tenant, scope.agent, scope.conversation, note_id]).decode()
