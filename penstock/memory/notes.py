"""Notes as bytes and back, how near two of them are, and how a search ranks them."""

from __future__ import annotations

import base64
import math
import struct
from collections.abc import Iterable, Sequence
from dataclasses import replace
from operator import mul
from typing import Any, Final

import orjson

from penstock.contracts import Note, NoteChange

_PLAIN: Final = ("id", "text", "importance", "created", "updated", "version", "retired", "replaced_by")


def note_bytes(note: Note, *, vector: bool = True) -> bytes:
    """JSON; without the vector where the store keeps that in a column of its own."""
    said: dict[str, Any] = {name: getattr(note, name) for name in _PLAIN}
    said["changes"] = [[one.at, one.run_id, one.why, one.text, one.importance] for one in note.changes]
    if vector:
        said["vector"] = base64.b64encode(vector_bytes(note.vector)).decode()
    return orjson.dumps(said)


def note_of(body: bytes | str, vector: Sequence[float] = ()) -> Note:
    """The note in `body`; with `vector` where that is kept elsewhere."""
    said = orjson.loads(body)
    packed = said.pop("vector", None)
    changes = tuple(NoteChange(*one) for one in said.pop("changes"))
    found = vector_of(base64.b64decode(packed)) if packed is not None else tuple(vector)
    return Note(**said, changes=changes, vector=found)


def vector_bytes(vector: Sequence[float]) -> bytes:
    """32-bit floats, little endian: what sqlite-vec reads."""
    return struct.pack(f"<{len(vector)}f", *vector)


def vector_of(packed: bytes) -> tuple[float, ...]:
    """The same, read."""
    return struct.unpack(f"<{len(packed) // 4}f", packed)


def cosine(one: Sequence[float], other: Sequence[float]) -> float:
    """The cosine of the angle between two vectors, 0 where one of them is zero."""
    length = math.sqrt(sum(part * part for part in one) * sum(part * part for part in other))
    return sum(map(mul, one, other)) / length if length else 0.0


def nearest_of(notes: Iterable[Note], vector: Sequence[float], limit: int) -> list[Note]:
    """Backend.nearest by looking at every note: exact, and fast enough for the thousands one scope may hold."""
    fitting = (note for note in notes if not note.retired and len(note.vector) == len(vector))
    scored = [replace(note, score=cosine(note.vector, vector)) for note in fitting]
    return sorted(scored, key=lambda note: (-note.score, note.id))[:limit]


def ranked(notes: Iterable[Note], now: float, half_life: float) -> list[Note]:
    """By relevance x recency x importance, best first, the product as `score`.

    Recency is 1 for a note of now, a half after `half_life` seconds, a third after twice that: a power law, as memory
    of people fades, so that what is old and important is not beaten by every triviality of today.
    """
    scored = []
    for note in notes:
        recency = 1 / (1 + max(now - note.updated, 0.0) / half_life)
        scored.append(replace(note, score=max(note.score, 0.0) * recency * note.importance))
    return sorted(scored, key=lambda note: (-note.score, note.id))
