"""What a consolidation may decide, whoever decides it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Merge:
    """Several notes become one."""

    note_ids: tuple[str, ...]
    text: str
    importance: float
    why: str


@dataclass(frozen=True, slots=True)
class Retire:
    """A note is no longer found; `replaced_by` is the note that holds instead."""

    note_id: str
    why: str
    replaced_by: str | None = None


Change: TypeAlias = Merge | Retire
