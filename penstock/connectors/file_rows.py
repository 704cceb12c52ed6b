"""The formats of files: bytes into rows that say where they end, and rows into the bytes of a whole file."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

Row: TypeAlias = Mapping[str, Any]
COLUMNS: Final = ("offset", "id", "source", "type", "subject", "key", "time", "data")


def lines(block: bytes, *, at_end: bool, quoted: bool) -> Iterator[bytes]:
    """The whole lines at the beginning of a block, line ends included; `at_end`: the last needs none.

    `quoted`: a line end inside an open quote is part of the line, as in CSV.
    """
    start = place = 0
    while (end := block.find(b"\n", place)) >= 0:
        place = end + 1
        if quoted and block.count(b'"', start, place) % 2:
            continue
        yield block[start:place]
        start = place
    if at_end and start < len(block):
        yield block[start:]


def json_row(line: bytes) -> Any:
    """The value of one line. Raises ValueError."""
    return json.loads(line)


def csv_row(header: Sequence[str], line: bytes) -> dict[str, str]:
    """The fields of one line by the names of the header. Raises ValueError."""
    fields = csv_fields(line)
    if len(fields) != len(header):
        raise ValueError(f"it has {len(fields)} fields, the header {len(header)}")
    return dict(zip(header, fields, strict=True))


def csv_fields(line: bytes) -> list[str]:
    """The fields of one line. Raises ValueError."""
    try:
        return next(csv.reader([line.decode()], strict=True), [])
    except csv.Error as error:
        raise ValueError(str(error)) from None


def parquet_rows(content: bytes) -> list[dict[str, Any]]:
    """All rows of a file. Raises ModuleNotFoundError without the extra `parquet`, ValueError for what is none."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        found: list[dict[str, Any]] = parquet.read_table(pa.BufferReader(content)).to_pylist()
    except pa.ArrowInvalid as error:
        raise ValueError(str(error)) from None
    return found


def encode(form: str, rows: Sequence[Row]) -> bytes:
    """A whole file of rows with COLUMNS; `data` is JSON in it, but for jsonl, where it stands as it is."""
    if form == "jsonl":
        return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)
    spelled = [{**row, "data": json.dumps(row["data"], ensure_ascii=False)} for row in rows]
    if form == "csv":
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(spelled)
        return text.getvalue().encode()
    import pyarrow as pa
    from pyarrow import parquet

    types = {name: pa.int64() if name == "offset" else pa.string() for name in COLUMNS}
    sink = pa.BufferOutputStream()
    parquet.write_table(pa.Table.from_pylist(spelled, pa.schema(types)), sink)
    return bytes(sink.getvalue())


def decode(form: str, content: bytes) -> list[dict[str, Any]]:
    """The rows of a file that `encode` wrote. Raises ValueError."""
    if form == "jsonl":
        return [json.loads(line) for line in content.splitlines()]
    if form == "csv":
        found = csv.DictReader(io.StringIO(content.decode(), newline=""), strict=True)
        rows: list[dict[str, Any]] = [{name: value or None for name, value in row.items()} for row in found]
    else:
        rows = parquet_rows(content)
    return [{**row, "offset": int(row["offset"]), "data": json.loads(row["data"])} for row in rows]
