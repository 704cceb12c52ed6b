"""What a changed schema breaks: judged by the Avro project's own checker, or by jsonschema-rs for JSON Schema."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

import orjson

from penstock.errors import MissingExtra
from penstock.schema.formats import Schema

Direction = Literal["backward", "forward"]
DIRECTIONS: Final[dict[str, tuple[Direction, ...]]] = {
    "none": (),
    "backward": ("backward",),
    "forward": ("forward",),
    "full": ("backward", "forward"),
}


@dataclass(frozen=True, slots=True)
class Break:
    """One direction in which two schemas do not go together, and why."""

    direction: Direction
    why: str

    def __str__(self) -> str:
        who = "its new readers cannot read old events" if self.direction == "backward" else "old readers cannot read it"
        return f"{who}: {self.why}"


def breaks(level: str, new: Schema, old: Schema) -> Iterator[Break]:
    """Every direction that `level` (none, backward, forward, full) demands and that `new` breaks towards `old`.

    Raises MissingExtra where the checker is not installed.
    """
    if new.digest == old.digest:
        return
    for direction in DIRECTIONS[level]:
        reader, writer = (new, old) if direction == "backward" else (old, new)
        if why := _unreadable(reader, writer):
            yield Break(direction, why)


def _unreadable(reader: Schema, writer: Schema) -> str:
    """Why what the writer wrote cannot be read; '' where it can."""
    if reader.language != writer.language:
        return f"{writer.language} became {reader.language}"
    return _avro(reader, writer) if reader.language == "AVRO" else _json(reader, writer)


def _avro(reader: Schema, writer: Schema) -> str:
    try:
        from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType
        from avro.schema import parse
    except ImportError:
        raise MissingExtra("the check of Avro schemas", "schemas") from None
    checker: Any = ReaderWriterCompatibilityChecker  # it has no types
    result = checker().get_compatibility(parse(reader.text), parse(writer.text))
    if result.compatibility == SchemaCompatibilityType.compatible:
        return ""
    kinds = {kind.value.replace("_", " ") for kind in result.incompatibilities}
    said = "; ".join(sorted({*result.messages}))
    return f"{', '.join(sorted(kinds))} at {', '.join(sorted(result.locations))} ({said})"


def _json(reader: Schema, writer: Schema) -> str:
    from penstock.schema.json_schema import load

    library = load()
    if not hasattr(library, "canonicalize"):
        raise MissingExtra("the check of JSON Schemas", "schemas")
    canonical = [library.canonicalize(orjson.loads(schema.text)) for schema in (reader, writer)]
    verdict = canonical[0].covers(canonical[1])
    if verdict == library.canonical.Containment.YES:
        return ""
    if verdict == library.canonical.Containment.NO:
        return "it refuses what the other allows"
    return "it cannot be shown that it allows all that the other allows"
