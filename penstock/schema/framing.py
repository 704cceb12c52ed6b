"""The registry's wire format: which schema wrote a value, said in front of it or in a header.

Confluent's formats: `00`, the schema's id in four bytes (big-endian), then the body; or a header `__value_schema_id` of
`01` and the 16 bytes of the schema's GUID, the value then being the body alone.
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

from penstock.errors import Undecodable
from penstock.schema.formats import Schema

MAGIC: Final = b"\0"
SIZE: Final = 5
_BY_GUID: Final = b"\x01"


def frame(number: int, body: bytes) -> bytes:
    """The value of `body`, written with schema `number`."""
    return MAGIC + number.to_bytes(4, "big") + body


def number(value: bytes) -> int:
    """The id that a framed value names."""
    return int.from_bytes(value[1:SIZE], "big")


def guid(header: bytes) -> str | int:
    """What the header names: a GUID as text, or an id. Raises Undecodable."""
    if header[:1] == _BY_GUID and len(header) == 17:
        return str(UUID(bytes=header[1:]))
    if header[:1] == MAGIC and len(header) == SIZE:
        return number(header)
    raise Undecodable("the header __value_schema_id names no schema", "ask the producer")


def content_type(schema: Schema) -> str:
    """Of a framed value: Avro is still Avro, but JSON with five bytes in front is no JSON."""
    return schema.content_type if schema.language == "AVRO" else "application/octet-stream"
