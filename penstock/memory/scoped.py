"""ctx.memory: the operations on one scope, over what the attempt has written so far and what the backend holds."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import NAMESPACE_URL, uuid5

import orjson

from penstock.contracts import Memory, Note, NoteChange, Scope, Turn
from penstock.durations import seconds
from penstock.memory.contract import HISTORY, NOTE, VALUE, Item, NewTurn, NewValue
from penstock.memory.notes import cosine, ranked
from penstock.schema.json_data import dump

if TYPE_CHECKING:
    from penstock.memory.session import Session

_PAGE: Final = 100
_CANDIDATES: Final = 50  # nearest notes that are looked at when relevance alone does not decide


class ScopedMemory:
    """Memory of one scope; see contracts."""

    __slots__ = ("_scope", "_session")

    def __init__(self, session: Session, scope: Scope) -> None:
        self._session = session
        self._scope = scope

    @property
    def scope(self) -> Scope:
        """See Memory."""
        return self._scope

    @property
    def of_agent(self) -> Memory:
        """See Memory."""
        return ScopedMemory(self._session, replace(self._scope, conversation=""))

    @property
    def of_tenant(self) -> Memory:
        """See Memory."""
        return ScopedMemory(self._session, replace(self._scope, agent="", conversation=""))

    def at(self, *, agent: str | None = None, conversation: str | None = None) -> Memory:
        """See Memory."""
        here = self._scope
        there = Scope(
            here.tenant,
            here.agent if agent is None else agent,
            here.conversation if conversation is None else conversation,
        )
        return ScopedMemory(self._session, there)

    def now(self) -> float:
        """See Memory."""
        return self._session.now()

    async def get(self, name: str, default: Any = None) -> Any:
        """See Memory."""
        session, place = self._session, (self._scope, name)
        if place in session.values:
            body = session.values[place].body
        else:
            if place not in session.seen:
                found = await session.ask(session.ground.backend.value(self._scope, name, session.now()))
                session.note_read(Item(self._scope, VALUE, name), found.version if found else "")
                session.seen[place] = found.body if found else None
            body = session.seen[place]
        return default if body is None else orjson.loads(body)

    async def put(self, name: str, value: Any, *, ttl: float | str | timedelta | None = None) -> None:
        """See Memory."""
        expires = None if ttl is None else self._session.now() + seconds(ttl)
        self._session.values[self._scope, name] = NewValue(dump(value), expires)

    async def delete(self, name: str) -> None:
        """See Memory."""
        self._session.values[self._scope, name] = NewValue(None)

    async def append(self, *turns: Turn) -> None:
        """See Memory."""
        count = self._session.ground.count_tokens
        added = [NewTurn(dump(turn), count(turn)) for turn in turns]  # all of them, or none
        self._session.turns.setdefault(self._scope, []).extend(added)

    async def history(self, *, tokens: int | None = None, last: int | None = None) -> list[dict[str, Any]]:
        """See Memory."""
        found: list[dict[str, Any]] = []
        room = tokens
        async with aclosing(self._newest_first(last)) as turns:
            async for body, size in turns:
                room = None if room is None else room - size
                if (room is not None and room < 0) or (last is not None and len(found) == last):
                    while found and found[-1].get("role") == "tool":
                        found.pop()
                    break
                found.append(orjson.loads(body))
        return found[::-1]

    async def _newest_first(self, last: int | None) -> AsyncGenerator[tuple[bytes, int], None]:
        session = self._session
        for turn in reversed(session.turns.get(self._scope, [])):
            yield turn.body, turn.tokens
        before: int | None = None
        size = _PAGE if last is None else max(min(last + 1, _PAGE), 1)
        while True:
            page = await session.ask(session.ground.backend.turns(self._scope, before=before, limit=size))
            if before is None:
                session.note_read(Item(self._scope, HISTORY, ""), str(page[0].number) if page else "")
            for kept in page:
                yield kept.body, kept.tokens
            if len(page) < size:
                return
            before = page[-1].number

    async def remember(self, text: str, *, importance: float = 0.5) -> str:
        """See Memory."""
        session = self._session
        (vector,) = await session.vectors([text])
        note_id = str(uuid5(NAMESPACE_URL, f"{session.run_id}/{self._scope}/{len(session.notes)}"))
        now = session.now()
        session.notes[self._scope, note_id] = Note(
            id=note_id,
            text=text,
            importance=_importance(importance),
            created=now,
            updated=now,
            version=session.run_id,
            vector=vector,
        )
        return note_id

    async def search(self, query: str, *, limit: int = 5) -> list[Note]:
        """See Memory."""
        session = self._session
        (vector,) = await session.vectors([query])
        asked = max(_CANDIDATES, 4 * limit)
        kept = await session.ask(session.ground.backend.nearest(self._scope, vector, asked))
        mine = {note.id: note for note in self._mine()}
        found = [note for note in kept if note.id not in mine]
        found += [
            replace(note, score=cosine(note.vector, vector))
            for note in mine.values()
            if not note.retired and len(note.vector) == len(vector)
        ]
        return ranked(found, session.now(), session.ground.half_life)[:limit]

    async def notes(self, *, retired: bool = False) -> list[Note]:
        """See Memory."""
        kept = await self._session.ask(self._session.ground.backend.notes(self._scope))
        for note in kept:
            self._session.note_read(Item(self._scope, NOTE, note.id), note.version)
        found = {note.id: note for note in (*kept, *self._mine())}
        return sorted(
            (note for note in found.values() if retired or not note.retired), key=lambda one: (one.created, one.id)
        )

    async def revise(self, note_id: str, *, why: str, text: str | None = None, importance: float | None = None) -> None:
        """See Memory."""
        note = await self._note(note_id)
        said = note.text if text is None else text
        vector = note.vector if said == note.text else (await self._session.vectors([said]))[0]
        weight = note.importance if importance is None else _importance(importance)
        self._change(note, why, text=said, vector=vector, importance=weight)

    async def retire(self, note_id: str, *, why: str, replaced_by: str | None = None) -> None:
        """See Memory."""
        self._change(await self._note(note_id), why, retired=True, replaced_by=replaced_by)

    def _mine(self) -> Iterator[Note]:
        """What this attempt has written into this scope."""
        return (note for (scope, _), note in self._session.notes.items() if scope == self._scope)

    async def _note(self, note_id: str) -> Note:
        session = self._session
        mine = session.notes.get((self._scope, note_id))
        if mine is not None:
            return mine
        found = await session.ask(session.ground.backend.note(self._scope, note_id))
        if found is None:
            raise KeyError(f"no note {note_id!r} in {self._scope}")
        session.note_read(Item(self._scope, NOTE, note_id), found.version)
        return found

    def _change(self, note: Note, why: str, **changed: Any) -> None:
        session, now = self._session, self._session.now()
        change = NoteChange(now, session.run_id, why, note.text, note.importance)
        session.notes[self._scope, note.id] = replace(
            note, updated=now, version=session.run_id, changes=(*note.changes, change), **changed
        )


def _importance(value: float) -> float:
    if not 0 < value <= 1:
        raise ValueError(f"importance is above 0 and at most 1, not {value!r}")
    return value
