"""Memory in this process: for tests and the kit. It keeps the contract but for one thing: it ends with the process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from penstock.contracts import Note, Scope
from penstock.errors import MemoryConflict
from penstock.memory.contract import HISTORY, VALUE, Forgotten, Item, KeptTurn, Value, Writes
from penstock.memory.notes import nearest_of


class InMemoryBackend:
    """Backend in dictionaries. Shared by the workers of a test, so that it outlives their crashes."""

    def __init__(self) -> None:
        self._values: dict[Scope, dict[str, Value]] = {}
        self._turns: dict[Scope, list[KeptTurn]] = {}
        self._notes: dict[Scope, dict[str, Note]] = {}
        self._fences: dict[str, tuple[bytes, float, Scope]] = {}

    async def open(self) -> None:
        """See Backend."""

    async def close(self) -> None:
        """See Backend: nothing is let go, for the next one to open it."""

    async def fence(self, run_id: str, now: float) -> bytes | None:
        """See Backend."""
        kept = self._fences.get(run_id)
        return kept[0] if kept is not None and kept[1] > now else None

    async def value(self, scope: Scope, name: str, now: float) -> Value | None:
        """See Backend."""
        return _alive(self._values.get(scope, {}).get(name), now)

    async def values(self, scope: Scope, now: float) -> dict[str, Value]:
        """See Backend."""
        return {name: value for name, value in self._values.get(scope, {}).items() if _alive(value, now)}

    async def turns(self, scope: Scope, *, before: int | None = None, limit: int = 100) -> list[KeptTurn]:
        """See Backend."""
        kept = self._turns.get(scope, [])
        end = len(kept) if before is None else max(before - 1, 0)
        return kept[max(end - limit, 0) : end][::-1]

    async def note(self, scope: Scope, note_id: str) -> Note | None:
        """See Backend."""
        return self._notes.get(scope, {}).get(note_id)

    async def notes(self, scope: Scope) -> list[Note]:
        """See Backend."""
        return list(self._notes.get(scope, {}).values())

    async def nearest(self, scope: Scope, vector: Sequence[float], limit: int) -> list[Note]:
        """See Backend."""
        return nearest_of(self._notes.get(scope, {}).values(), vector, limit)

    async def apply(self, writes: Writes) -> bytes | None:
        """See Backend. One step, since nothing here awaits."""
        kept = self._fences.get(writes.run_id)
        if kept is not None and kept[1] > writes.at:
            return kept[0]
        for item, version in writes.read.items():
            if self._version(item, writes.at) != version:
                raise MemoryConflict(f"{item.kind} {item.name!r} of {item.scope} has changed")
        for (scope, name), new in writes.values.items():
            held = self._values.setdefault(scope, {})
            if new.body is None:
                held.pop(name, None)
            else:
                held[name] = Value(new.body, writes.run_id, new.expires)
        for scope, turns in writes.turns.items():
            history = self._turns.setdefault(scope, [])
            history += [KeptTurn(len(history) + 1 + index, *turn) for index, turn in enumerate(turns)]
        for (scope, note_id), note in writes.notes.items():
            self._notes.setdefault(scope, {})[note_id] = note
        self._fences[writes.run_id] = (writes.emitted, writes.fence_expires, writes.scope)
        return None

    def _version(self, item: Item, now: float) -> str:
        found: Any
        if item.kind == HISTORY:
            return str(len(self._turns.get(item.scope, ())) or "")
        if item.kind == VALUE:
            found = _alive(self._values.get(item.scope, {}).get(item.name), now)
        else:
            found = self._notes.get(item.scope, {}).get(item.name)
        return found.version if found else ""

    async def scopes(self) -> list[Scope]:
        """See Backend."""
        return sorted({scope for kept in (self._values, self._turns, self._notes) for scope in kept if kept[scope]})

    async def forget(self, scope: Scope) -> Forgotten:
        """See Backend."""
        fences = [run_id for run_id, kept in self._fences.items() if kept[2] == scope]
        for run_id in fences:
            del self._fences[run_id]
        values, turns = self._values.pop(scope, {}), self._turns.pop(scope, [])
        return Forgotten(len(values), len(turns), len(self._notes.pop(scope, {})), len(fences))


def _alive(value: Value | None, now: float) -> Value | None:
    return value if value is not None and (value.expires is None or value.expires > now) else None
