"""Looking after what is remembered: find scopes, spell them out, forget them, and keep a record that one did."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

import orjson

from penstock.contracts import Scope
from penstock.memory.contract import Backend, Forgotten, NewTurn, Writes

RECORD: Final = Scope("", "penstock/forgotten", "")  # no processor can be called so


@dataclass(frozen=True, slots=True)
class Which:
    """The scopes that are meant; None: any."""

    tenant: str | None = None
    agent: str | None = None
    conversation: str | None = None

    def meant(self, scope: Scope) -> bool:
        """Whether this scope is among them. The record of what was forgotten never is."""
        asked = (self.tenant, self.agent, self.conversation)
        found = (scope.tenant, scope.agent, scope.conversation)
        return scope != RECORD and all(want is None or want == have for want, have in zip(asked, found, strict=True))


async def scopes(backend: Backend, which: Which) -> list[Scope]:
    """Those that hold something, sorted."""
    return [scope for scope in await backend.scopes() if which.meant(scope)]


async def contents(backend: Backend, scope: Scope, now: float) -> dict[str, Any]:
    """All that is remembered there, as JSON can say it. Vectors are left out: they follow from the text."""
    values = await backend.values(scope, now)
    notes = sorted(await backend.notes(scope), key=lambda note: (note.created, note.id))
    return {
        "tenant": scope.tenant,
        "agent": scope.agent,
        "conversation": scope.conversation,
        "values": {name: orjson.loads(value.body) for name, value in values.items()},
        "history": [orjson.loads(body) async for body in _oldest_first(backend, scope)],
        "notes": [
            {
                "id": note.id,
                "text": note.text,
                "importance": note.importance,
                "created": note.created,
                "updated": note.updated,
                "retired": note.retired,
                "replaced_by": note.replaced_by,
                "changes": [
                    {"at": one.at, "run_id": one.run_id, "why": one.why, "text": one.text} for one in note.changes
                ],
            }
            for note in notes
        ],
    }


async def _oldest_first(backend: Backend, scope: Scope) -> AsyncIterator[bytes]:
    newest = await backend.turns(scope, limit=1)
    last = newest[0].number if newest else 0
    for start in range(1, last + 1, 100):
        for turn in reversed(await backend.turns(scope, before=start + 100, limit=100)):
            if turn.number >= start:
                yield turn.body


async def forget(backend: Backend, found: list[Scope], *, by: str, why: str, now: float) -> Forgotten:
    """Forget these scopes and record it: when, who, why, how much, and of each conversation a digest, not its name."""
    counts = [await backend.forget(scope) for scope in found]
    total = Forgotten(*(sum(parts) for parts in zip(*counts, strict=True))) if counts else Forgotten(0, 0, 0, 0)
    said = {
        "at": now,
        "by": by,
        "why": why,
        "scopes": [{"tenant": one.tenant, "agent": one.agent, "sha256": digest(one.conversation)} for one in found],
        **total._asdict(),
    }
    body = orjson.dumps(said)
    writes = Writes(
        run_id=str(uuid4()),
        scope=RECORD,
        at=now,
        emitted=b"[]",
        fence_expires=now + 3600,
        turns={RECORD: [NewTurn(body, 0)]},
    )
    await backend.apply(writes)
    return total


async def record(backend: Backend) -> list[dict[str, Any]]:
    """What was forgotten, oldest first."""
    return [orjson.loads(body) async for body in _oldest_first(backend, RECORD)]


def digest(conversation: str) -> str:
    """By which one finds out whether a conversation was forgotten, without the record naming it."""
    return hashlib.sha256(conversation.encode()).hexdigest()
