"""CloudEvents 1.0 over HTTP, read: binary, structured and batched content mode, by the rules of its HTTP binding."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import unquote

import orjson

from penstock.connectors.http_source.offered import JSON, Offered, is_json
from penstock.connectors.http_source.refusal import Refused

STRUCTURED: Final = "application/cloudevents"
BATCH: Final = "application/cloudevents-batch"
_PREFIX: Final = "ce-"
_NAME: Final = re.compile(r"[a-z0-9]+")
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*)"')
# CloudEvents name -> Offered's
_KNOWN: Final = {
    "id": "id",
    "type": "type",
    "source": "source",
    "subject": "subject",
    "dataschema": "dataschema",
    "correlationid": "correlation_id",
    "causationid": "causation_id",
    "tenantid": "tenant",
    "traceparent": "traceparent",
    "partitionkey": "partition_key",
}


def is_binary(headers: Mapping[str, str]) -> bool:
    """Whether the headers carry an event's attributes (names in lower case)."""
    return "ce-specversion" in headers or "ce-id" in headers


def from_binary(headers: Iterable[tuple[str, str]], body: bytes, content_type: str) -> Offered:
    """The event whose attributes are the `ce-` headers and whose data is the body. Raises Refused (400)."""
    attributes: dict[str, str] = {}
    for name, value in headers:
        if not name.startswith(_PREFIX):
            continue
        attribute = name.removeprefix(_PREFIX)
        if attribute in attributes:
            raise Refused(400, f"the header {name} comes twice")
        attributes[attribute] = _unescaped(name, value)
    if not body:
        return _offered(attributes, {"data": None, "raw": None})
    kind = content_type or JSON
    data = parsed(body, "the body") if is_json(kind) else None
    return _offered(attributes, {"data": data, "raw": body, "content_type": kind})


def from_structured(event: Any) -> Offered:
    """The event that a JSON object is. Raises Refused (400)."""
    if not isinstance(event, dict):
        raise Refused(400, "a CloudEvent is a JSON object")
    attributes = {
        name: _spelled(name, value)
        for name, value in event.items()
        if name not in {"data", "data_base64", "datacontenttype"} and value is not None
    }
    kind = event.get("datacontenttype") or JSON
    if not isinstance(kind, str):
        raise Refused(400, "datacontenttype is a text")
    return _offered(attributes, {"content_type": kind, **_carried(event, kind)})


def parsed(body: bytes, what: str) -> Any:
    """The JSON value of `body`. Raises Refused (400)."""
    try:
        return orjson.loads(body)
    except ValueError as error:
        raise Refused(400, f"{what} is not JSON: {error}") from None


def _carried(event: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Data and raw bytes of a structured event (JSON event format, section 3.1)."""
    data, encoded = event.get("data"), event.get("data_base64")
    if encoded is not None:
        if "data" in event:
            raise Refused(400, "an event has data or data_base64, not both")
        try:
            raw = base64.b64decode(encoded, validate=True)
        except (binascii.Error, TypeError, ValueError):
            raise Refused(400, "data_base64 is not base64") from None
        return {"raw": raw, "data": parsed(raw, "data_base64") if is_json(kind) else None}
    if is_json(kind) or data is None:
        return {"data": data}
    if isinstance(data, str):
        return {"raw": data.encode()}
    return {"data": data, "content_type": JSON}  # a JSON value whatever the type says


def _offered(attributes: Mapping[str, str], carried: Mapping[str, Any]) -> Offered:
    for name, value in attributes.items():
        if not _NAME.fullmatch(name):
            raise Refused(400, f"{name!r} is no CloudEvents attribute name: lower-case letters and digits only")
        if not value and name in {"id", "source", "type", "specversion", "subject", "dataschema"}:
            raise Refused(400, f"the attribute {name} is empty")
    for name in ("specversion", "id", "source", "type"):
        if name not in attributes:
            raise Refused(400, f"the CloudEvent has no {name}")
    if attributes["specversion"] != "1.0":
        raise Refused(400, f"specversion {attributes['specversion']} is not known here: 1.0 is")
    known: dict[str, Any] = {_KNOWN[name]: value for name, value in attributes.items() if name in _KNOWN}
    others = [(name, value) for name, value in attributes.items() if name not in {*_KNOWN, "specversion", "time"}]
    time = _time(attributes["time"]) if "time" in attributes else None
    return Offered(**known, **carried, time=time, extensions=tuple(others))


def _time(said: str) -> datetime:
    if not _TIME.fullmatch(said):
        raise Refused(400, f"time {said!r} is not an RFC 3339 time")
    try:
        return datetime.fromisoformat(said.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Refused(400, f"time {said!r} is not a time there is") from None


def _spelled(name: str, value: Any) -> str:
    """An attribute's value in its canonical text form (CloudEvents type system)."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and -(2**31) <= value < 2**31:
        return str(value)
    raise Refused(400, f"the attribute {name} is no text, whole number of 32 bits, or boolean")


def _unescaped(name: str, value: str) -> str:
    """HTTP binding 3.1.3.2: double quotes first, then one round of percent-decoding, UTF-8."""
    quoted = _QUOTED.fullmatch(value)
    if quoted:
        value = re.sub(r"\\(.)", r"\1", quoted.group(1))
    try:
        return unquote(value, errors="strict")
    except UnicodeDecodeError:
        raise Refused(400, f"the header {name} is not percent-encoded UTF-8") from None
