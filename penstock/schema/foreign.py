"""Records of other programs whose value wraps the data: Debezium change events, Kafka Connect JSON with its schema.

Debezium's envelope holds a row before and after; Connect's JsonConverter (`schemas.enable`) puts a schema beside the
payload, and writes times, decimals and bytes in ways only that schema tells.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple

from penstock import headers as wire
from penstock.errors import Undecodable
from penstock.record import Header

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAY: Final = date(1970, 1, 1)


class Unwrapped(NamedTuple):
    """The data inside, what `type` it has where the topic says none, and headers that say the rest."""

    data: Any
    type: str
    headers: tuple[Header, ...]


def unwrap(how: str, value: Any) -> Unwrapped:
    """What a decoded value wraps; `how` is the topic's `unwrap`. Raises Undecodable where it wraps nothing."""
    payload = _connect(value)
    if how == "connect":
        return Unwrapped(payload, "", ())
    return _debezium(payload)


def _debezium(envelope: Any) -> Unwrapped:
    """A change: the row as it is now, or as it was before it was deleted."""
    if not isinstance(envelope, Mapping) or "op" not in envelope:
        hint = "remove `unwrap: debezium` where the connector unwraps its events itself"
        raise Undecodable("the value is no Debezium envelope: it has no `op`", hint)
    operation = str(envelope["op"])
    row = envelope.get("before") if operation == "d" else envelope.get("after")
    source = envelope.get("source")
    source = source if isinstance(source, Mapping) else {}
    table = str(source.get("table") or source.get("collection") or "")
    headers: list[Header] = [(wire.DEBEZIUM_OP, operation.encode())]
    if table:
        headers.append((wire.CE_SUBJECT, ".".join(p for p in (str(source.get("schema") or ""), table) if p).encode()))
    at = source.get("ts_ms") or envelope.get("ts_ms")
    if isinstance(at, int):
        headers.append((wire.CE_TIME, (_EPOCH + timedelta(milliseconds=at)).isoformat().encode()))
    return Unwrapped(row, table, tuple(headers))


def _connect(value: Any) -> Any:
    """The payload beside its schema, in Python's types; the value itself where there is no schema beside it."""
    if not isinstance(value, Mapping) or value.keys() != {"schema", "payload"}:
        return value
    schema, payload = value["schema"], value["payload"]
    if not isinstance(schema, Mapping):
        return payload
    try:
        return _convert(payload, schema)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        said = f"{type(error).__name__}: {error}"
        raise Undecodable(
            f"the payload does not fit the Connect schema beside it: {said}", "ask the producer"
        ) from error


def _convert(value: Any, schema: Mapping[str, Any]) -> Any:
    if value is None:
        return schema.get("default")
    logical = _LOGICAL.get(schema.get("name") or "")
    if logical is not None:
        return logical(value, schema)
    kind = schema["type"]
    if kind == "struct":
        return {field["field"]: _convert(value.get(field["field"]), field) for field in schema["fields"]}
    if kind == "array":
        return [_convert(item, schema["items"]) for item in value]
    if kind == "map" and isinstance(value, Mapping):
        return {key: _convert(item, schema["values"]) for key, item in value.items()}
    if kind == "bytes":
        return base64.b64decode(value, validate=True)
    return value


def _decimal(value: Any, schema: Mapping[str, Any]) -> Decimal:
    if not isinstance(value, str):
        return Decimal(str(value))  # decimal.format: NUMERIC
    unscaled = int.from_bytes(base64.b64decode(value, validate=True), "big", signed=True)
    return Decimal(unscaled).scaleb(-int(schema["parameters"]["scale"]))


def _after_epoch(unit: str) -> Callable[[Any, Mapping[str, Any]], datetime]:
    return lambda value, _schema: _EPOCH + timedelta(**{unit: value})


def _day(value: Any, _schema: Mapping[str, Any]) -> date:
    return _DAY + timedelta(days=value)


_LOGICAL: Final[Mapping[str, Callable[[Any, Mapping[str, Any]], Any]]] = {
    "org.apache.kafka.connect.data.Decimal": _decimal,
    "org.apache.kafka.connect.data.Date": _day,
    "org.apache.kafka.connect.data.Timestamp": _after_epoch("milliseconds"),
    "io.debezium.time.Date": _day,
    "io.debezium.time.Timestamp": _after_epoch("milliseconds"),
    "io.debezium.time.MicroTimestamp": _after_epoch("microseconds"),
}
