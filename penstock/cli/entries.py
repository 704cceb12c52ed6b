"""What `penstock send` is given: JSON as argument; JSON lines, CSV or Parquet in a file; JSON lines on stdin."""

from __future__ import annotations

import csv
import hashlib
import json
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TextIO

from penstock.errors import MissingExtra, PenstockError

_SPACE: Final = uuid.UUID("8c1f4c55-7a3b-5d52-9a55-6b1f0a3c2d10")  # of ids made here; changing it repeats old loads


class EntryInvalid(PenstockError):
    """An entry that cannot be sent as it is; the message names its line."""


@dataclass(frozen=True, slots=True)
class Fields:
    """Where in the data an event's key, id, type and time stand (dotted paths; '' for nowhere), and a key for all.

    `id_from` makes the id where no field holds it: of the `line` (its number in `origin`, and what stands there), so
    that the same file gives the same ids again; of the `content` alone; or '' for a random one.
    """

    key: str | None = None
    key_field: str = ""
    id_field: str = ""
    type_field: str = ""
    time_field: str = ""
    id_from: str = ""
    origin: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One event to be sent, and the line it stood on (from 1)."""

    line: int
    data: Any
    key: str | None
    id: str | None
    type: str | None = None
    time: datetime | None = None


def json_lines(lines: Iterable[str]) -> Iterator[tuple[int, Any]]:
    """Each line that is not empty, parsed, with its number. Raises EntryInvalid."""
    for number, text in enumerate(lines, 1):
        if not text.strip():
            continue
        try:
            yield number, json.loads(text)
        except ValueError as error:
            raise EntryInvalid(f"line {number}: not JSON: {error}") from error


def csv_rows(lines: Iterable[str]) -> Iterator[tuple[int, Any]]:
    """Each row as an object of texts, named by the first row, with its number. Raises EntryInvalid."""
    reader = csv.DictReader(lines, strict=True)
    try:
        for row in reader:
            if None in row or None in row.values():
                count = len(reader.fieldnames or ())
                raise EntryInvalid(f"line {reader.line_num}: not {count} columns, as the first line has")
            yield reader.line_num, row
    except csv.Error as error:
        raise EntryInvalid(f"line {reader.line_num}: {error}") from error


def parquet_rows(path: Path) -> Iterator[tuple[int, Any]]:
    """Each row as an object, numbered from 1, a batch in memory at a time. Raises MissingExtra, EntryInvalid."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise MissingExtra("a Parquet file", "parquet") from None
    try:
        with pq.ParquetFile(path) as file:
            number = 0
            for batch in file.iter_batches(batch_size=1000):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except pa.ArrowException as error:
        raise EntryInvalid(f"{path} cannot be read as Parquet: {error}") from error


def parsed(stream: TextIO, path: Path | None) -> Iterator[tuple[int, Any]]:
    """CSV where the file is called so, JSON lines elsewhere."""
    return csv_rows(stream) if path and path.suffix.lower() == ".csv" else json_lines(stream)


def entries(found: Iterable[tuple[int, Any]], fields: Fields) -> Iterator[Entry]:
    """Key, id, type and time taken out of the data. Raises EntryInvalid where a field is not there."""
    for line, data in found:
        key = _field(data, fields.key_field, line) if fields.key_field else fields.key
        identity = _field(data, fields.id_field, line) if fields.id_field else _made_id(line, data, fields)
        type_ = _field(data, fields.type_field, line) if fields.type_field else None
        time = _time(_pick(data, fields.time_field, line), fields.time_field, line) if fields.time_field else None
        yield Entry(line, data, key, identity, type_, time)


def _field(data: Any, path: str, line: int) -> str | None:
    return _text(_pick(data, path, line), path, line)


def _made_id(line: int, data: Any, fields: Fields) -> str | None:
    if not fields.id_from:
        return None
    content = hashlib.sha256(json.dumps(data, sort_keys=True, default=str).encode()).hexdigest()
    name = [content] if fields.id_from == "content" else [fields.origin, line, content]
    return str(uuid.uuid5(_SPACE, json.dumps(name)))


def _time(value: Any, path: str, line: int) -> datetime | None:
    """A time as it stands in files: ISO 8601, or seconds (milliseconds from 10^11 on) since 1970; UTC where unsaid."""
    from datetime import UTC

    try:
        if value is None or isinstance(value, datetime):
            return value
        if isinstance(value, str) and not value.replace(".", "", 1).isdigit():
            return datetime.fromisoformat(value)
        number = float(value)
        return datetime.fromtimestamp(number / 1000 if number >= 1e11 else number, UTC)
    except (ValueError, TypeError, OverflowError) as error:
        raise EntryInvalid(f"line {line}: {path!r} is no time: {value!r} ({error})") from error


def _pick(data: Any, path: str, line: int) -> Any:
    """The value at a dotted path; `data.` in front is allowed, as in the topology's selectors."""
    found = data
    parts = path.split(".")
    if parts[0] == "data" and len(parts) > 1 and not (isinstance(data, dict) and "data" in data):
        parts = parts[1:]
    for part in parts:
        if not isinstance(found, dict) or part not in found:
            there = ", ".join(sorted(found)) if isinstance(found, dict) else f"no object but {type(found).__name__}"
            raise EntryInvalid(f"line {line}: no field {path!r} in the data", f"there: {there}")
        found = found[part]
    return found


def _text(value: Any, path: str, line: int) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise EntryInvalid(f"line {line}: {path!r} is neither text nor a whole number: {value!r}")
