"""What `penstock send` is given: JSON on the command line, JSON lines or CSV in a file or on stdin, entry by entry."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from penstock.errors import PenstockError


class EntryInvalid(PenstockError):
    """An entry that cannot be sent as it is; the message names its line."""


@dataclass(frozen=True, slots=True)
class Fields:
    """Where in the data an event's key and id stand (dotted paths; '' for nowhere), and a key for all."""

    key: str | None = None
    key_field: str = ""
    id_field: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One event to be sent, and the line it stood on (from 1)."""

    line: int
    data: Any
    key: str | None
    id: str | None


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


def parsed(stream: TextIO, path: Path | None) -> Iterator[tuple[int, Any]]:
    """CSV where the file is called so, JSON lines elsewhere."""
    return csv_rows(stream) if path and path.suffix.lower() == ".csv" else json_lines(stream)


def entries(found: Iterable[tuple[int, Any]], fields: Fields) -> Iterator[Entry]:
    """Key and id taken out of the data. Raises EntryInvalid where a field is not there."""
    for line, data in found:
        key = fields.key
        if fields.key_field:
            key = _text(_pick(data, fields.key_field, line), fields.key_field, line)
        identity = _text(_pick(data, fields.id_field, line), fields.id_field, line) if fields.id_field else None
        yield Entry(line, data, key, identity)


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
