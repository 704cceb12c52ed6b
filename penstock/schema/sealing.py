"""Events sealed to records: data by its type, attributes as headers. CloudEvents 1.0 on Kafka, binary mode."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from penstock import headers as wire
from penstock.errors import Unencodable
from penstock.record import Header, Headers, Outgoing
from penstock.schema.codec import Codec

_SPECVERSION: Final = (wire.CE_SPECVERSION, b"1.0")
_RESERVED: Final = {wire.CONTENT_TYPE: "it follows from the event type", wire.TRACEPARENT: "give traceparent= instead"}


class Stamp:
    """Seals the events of one type for one topic from one source: what all of them say alike is spelled once.

    `type_` '' becomes the topic's name, since CloudEvents demands one.
    """

    __slots__ = ("_codec", "_source", "_topic", "_type", "_type_name")

    def __init__(self, codec: Codec, topic: str, type_: str, source: str) -> None:
        """Raises Unencodable for a type or a source that is no text."""
        self._codec = codec
        self._topic = topic
        self._type_name = type_
        try:
            self._type = (wire.CE_TYPE, (type_ or topic).encode())
            self._source = (wire.CE_SOURCE, source.encode())
        except (UnicodeEncodeError, AttributeError) as error:
            raise _no_text(error) from None

    def seal(  # noqa: C901 - one question per attribute, written out: this runs for every output
        self,
        data: Any,
        key: Any,
        id: str,
        *,
        time: datetime | str | None = None,
        subject: str | None = None,
        correlation_id: str | None = None,
        causation_id: str | None = None,
        tenant: str | None = None,
        traceparent: str | None = None,
        headers: Mapping[str, str | bytes | None] | None = None,
        marks: Headers = (),
    ) -> Outgoing:
        """The record of an event: attributes as headers in a fixed order, then `marks` (ours), then the user's.

        A time without a zone is UTC; one that is text is spelled already (see spell_instant). Raises Unencodable for
        data, a key or an attribute that cannot be said, ValueError for a header name that is reserved.
        """
        value, content_type, dataschema = self._codec.encode(self._type_name, data, self._topic)
        try:
            said: list[Header] = [_SPECVERSION, (wire.CE_ID, id.encode()), self._type, self._source]
            if time is not None:
                said.append((wire.CE_TIME, (time if isinstance(time, str) else _spell_time(time)).encode()))
            if subject is not None:
                said.append((wire.CE_SUBJECT, subject.encode()))
            if dataschema is not None:
                said.append((wire.CE_DATASCHEMA, dataschema.encode()))
            if correlation_id is not None:
                said.append((wire.CE_CORRELATION_ID, correlation_id.encode()))
            if causation_id is not None:
                said.append((wire.CE_CAUSATION_ID, causation_id.encode()))
            if tenant is not None:
                said.append((wire.CE_TENANT_ID, tenant.encode()))
            if content_type:
                said.append((wire.CONTENT_TYPE, content_type.encode()))
            if traceparent is not None:
                said.append((wire.TRACEPARENT, traceparent.encode()))
        except (UnicodeEncodeError, AttributeError) as error:
            raise _no_text(error) from None
        said.extend(marks)
        if headers:
            said.extend(_user_headers(headers))
        if key is not None and type(key) is not bytes:
            key = key_bytes(key, self._topic)
        return Outgoing(self._topic, key, value, said)


def seal(codec: Codec, *, topic: str, data: Any, key: Any, type: str, id: str, source: str, **said: Any) -> Outgoing:
    """The record of one event, for who has no Stamp to use again; `said` as of Stamp.seal, and its errors."""
    return Stamp(codec, topic, type, source).seal(data, key, id, **said)


def _no_text(error: Exception) -> Unencodable:
    return Unencodable(f"an attribute of the event is no text: {error}", "subject, tenant, ids are str")


def key_bytes(key: Any, topic: str) -> bytes | None:
    """The record key: text as UTF-8, bytes as they are, None null, whole numbers and UUIDs as text."""
    if key is None or isinstance(key, bytes):
        return key
    if isinstance(key, int | UUID) and not isinstance(key, bool):
        return str(key).encode()
    if isinstance(key, str):
        try:
            return key.encode()
        except UnicodeEncodeError:
            raise Unencodable(f"the key {key!r} for topic {topic} is no UTF-8 text", "send valid text") from None
    hint = "a key is str, bytes, int, UUID or None"
    raise Unencodable(f"the key for topic {topic} is a {key.__class__.__name__}", hint)


def _user_headers(headers: Mapping[str, str | bytes | None]) -> list[Header]:
    found: list[Header] = []
    for name, value in headers.items():
        if name.startswith((wire.OURS, "ce_")) or name in _RESERVED:
            hint = _RESERVED.get(name, "those of ce_ and penstock- are written here; use the keyword of that name")
            raise ValueError(f"the header {name!r} is reserved ({hint})")
        found.append((name, value.encode() if isinstance(value, str) else value))
    return found


def _spell_time(time: datetime) -> str:
    """RFC 3339, in UTC."""
    if time.tzinfo is not UTC:
        time = time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    return time.isoformat().replace("+00:00", "Z")


def spell_instant(now: float) -> str:
    """Epoch seconds as RFC 3339, in UTC: what `ce_time` holds. The second is spelled once for all events in it."""
    second, micros = divmod(round(now * 1_000_000), 1_000_000)
    return f"{_spell_second(second)}.{micros:06d}Z" if micros else f"{_spell_second(second)}Z"


@lru_cache(4)
def _spell_second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).isoformat()[:19]
