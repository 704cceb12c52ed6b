"""What every memory backend keeps to: a few reads, and one atomic write per run. One suite holds each to it.

A version is the id of the run that wrote last (of a history: the number of its last turn, as text); '' is absence.
Ids of runs never repeat, so a value that went and came back is seen to have changed. What has expired is absent.
Times are epoch seconds, and always the caller's: a backend has no clock of its own. Bytes are JSON and opaque.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from penstock.contracts import Note, Scope

VALUE, HISTORY, NOTE = "value", "history", "note"


class Item(NamedTuple):
    """One thing with a version of its own: a value by name, a note by id, the history of a scope (name '')."""

    scope: Scope
    kind: str
    name: str


class Value(NamedTuple):
    """A value as it is kept; `expires` None: never."""

    body: bytes
    version: str
    expires: float | None


class KeptTurn(NamedTuple):
    """One turn; numbers of a history count from 1, without gaps."""

    number: int
    body: bytes
    tokens: int


class NewValue(NamedTuple):
    """A value to be kept, or (`body` None) deleted."""

    body: bytes | None
    expires: float | None = None


class NewTurn(NamedTuple):
    """A turn to be added at the end."""

    body: bytes
    tokens: int


@dataclass(frozen=True, slots=True)
class Writes:
    """All that one run leaves, to be applied in one step or not at all.

    `read` holds the version of everything the run based itself on. `scope` is the run's own: the fence is forgotten
    with it. `emitted` is kept under `run_id` until `fence_expires`.
    """

    run_id: str
    scope: Scope
    at: float
    emitted: bytes
    fence_expires: float
    read: Mapping[Item, str] = field(default_factory=dict)
    values: Mapping[tuple[Scope, str], NewValue] = field(default_factory=dict)
    turns: Mapping[Scope, Sequence[NewTurn]] = field(default_factory=dict)
    notes: Mapping[tuple[Scope, str], Note] = field(default_factory=dict)


class Forgotten(NamedTuple):
    """How much was forgotten."""

    values: int
    turns: int
    notes: int
    fences: int


class Backend(Protocol):
    """Where memory is kept. Every operation raises MemoryUnavailable where the store does not answer in time.

    Any of them may be called by many runs at once, and by many processes and hosts on one store.
    """

    async def open(self) -> None:
        """Connect, and make what is missing (tables, collections). Idempotent. Raises MemoryFailed, ExtraMissing."""
        ...

    async def close(self) -> None:
        """Let go. Idempotent."""
        ...

    async def fence(self, run_id: str, now: float) -> bytes | None:
        """What the run emitted when it was applied; None where it was not, or longer ago than fences are kept."""
        ...

    async def value(self, scope: Scope, name: str, now: float) -> Value | None:
        """One value."""
        ...

    async def values(self, scope: Scope, now: float) -> dict[str, Value]:
        """All values of a scope, by name."""
        ...

    async def turns(self, scope: Scope, *, before: int | None = None, limit: int = 100) -> list[KeptTurn]:
        """The newest turns whose number is below `before`, newest first."""
        ...

    async def note(self, scope: Scope, note_id: str) -> Note | None:
        """One note, retired or not."""
        ...

    async def notes(self, scope: Scope) -> list[Note]:
        """All notes of a scope, retired ones too, in no order."""
        ...

    async def nearest(self, scope: Scope, vector: Sequence[float], limit: int) -> list[Note]:
        """The notes nearest in angle that are not retired, nearest first, `score` their cosine similarity.

        Notes whose vector has another length are left out: they were embedded by something else.
        """
        ...

    async def apply(self, writes: Writes) -> bytes | None:
        """Apply all in one step and return None; where the run's fence is there, nothing, and return what it keeps.

        Raises MemoryConflict, nothing applied, where one of `read` has another version now.
        """
        ...

    async def scopes(self) -> list[Scope]:
        """Every scope that holds something, sorted."""
        ...

    async def forget(self, scope: Scope) -> Forgotten:
        """Delete everything of exactly this scope, fences of its runs too. Idempotent."""
        ...
