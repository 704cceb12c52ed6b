"""CloudEvents structured mode: the envelope is the value. Read only; told apart by its content type."""

from __future__ import annotations

import base64
import binascii
from typing import Any, Final

import orjson

from penstock import headers as wire
from penstock.errors import Undecodable
from penstock.record import Header, Record

_STRUCTURED: Final = b"application/cloudevents"
_BATCH: Final = b"application/cloudevents-batch"


def is_structured(content_type: bytes) -> bool:
    """Whether a content type names a CloudEvents envelope; parameters and format suffixes do not matter."""
    return content_type[:23].lower() == _STRUCTURED


def envelope(record: Record, content_type: bytes) -> dict[str, Any]:
    """The attributes and data of a structured record's value. Raises Undecodable."""
    if content_type.lower().startswith(_BATCH):
        raise Undecodable("the value is a CloudEvents batch", "Kafka has no batch mode: send one event per record")
    try:
        found = orjson.loads(record.value or b"")
    except ValueError as error:
        raise Undecodable(f"the CloudEvents envelope is not JSON: {error}", "ask the producer") from error
    if not isinstance(found, dict):
        raise Undecodable("the CloudEvents envelope is not a JSON object", "ask the producer")
    return found


def carried_bytes(found: dict[str, Any]) -> bytes | None:
    """What `data_base64` holds, or None where there is none. Raises Undecodable."""
    said = found.get("data_base64")
    if said is None:
        return None
    try:
        return base64.b64decode(said, validate=True)
    except (binascii.Error, TypeError, ValueError) as error:
        raise Undecodable(
            f"data_base64 of the CloudEvents envelope is no base64: {error}", "ask the producer"
        ) from None


def as_binary(record: Record, found: dict[str, Any]) -> Record:
    """The same record as if it had been sent in binary mode: attributes as `ce_*` headers, the others kept."""
    kept = [(name, value) for name, value in record.headers if name != wire.CONTENT_TYPE and not name.startswith("ce_")]
    attributes: list[Header] = []
    for name, value in found.items():
        if name in ("data", "data_base64") or value is None:
            continue
        header = wire.CONTENT_TYPE if name == "datacontenttype" else f"ce_{name}"
        attributes.append((header, _spell(value)))
    place = (record.topic, record.partition, record.offset, record.timestamp)
    return Record(*place, record.key, record.value, [*attributes, *kept])


def _spell(value: Any) -> bytes:
    """An attribute in the text form the CloudEvents type system gives it."""
    return value.encode() if isinstance(value, str) else orjson.dumps(value)


def type_in(record: Record, content_type: bytes) -> bytes | None:
    """The `type` attribute of a structured record; None where the envelope cannot be read or has none."""
    try:
        said = envelope(record, content_type).get("type")
    except Undecodable:
        return None
    return _spell(said) if said is not None else None
