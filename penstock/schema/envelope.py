"""The envelope around data: records opened to events, events sealed to records. CloudEvents 1.0 on Kafka.

Binary mode is written; binary mode, structured mode and records without any CloudEvents header are read.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from penstock import headers as wire
from penstock.errors import Undecodable, Unencodable
from penstock.event import Event, Origin
from penstock.record import Header, Headers, Outgoing, Record
from penstock.schema import json_data, structured
from penstock.schema.codec import Codec
from penstock.schema.foreign import unwrap
from penstock.schema.identity import emitted_id, is_own_topic, run_id
from penstock.topology.model import Topology

__all__ = ["Opener", "emitted_id", "key_bytes", "run_id", "seal", "spell_instant"]

_SPECVERSION: Final = (wire.CE_SPECVERSION, b"1.0")
_JSON: Final = json_data.CONTENT_TYPE.encode()
_READ: Final = frozenset({wire.CE_TYPE, wire.CONTENT_TYPE, wire.CE_DATASCHEMA})  # what opening a record needs
_TYPES_KEPT: Final = 256  # names of types that are decoded once
_RESERVED: Final = {wire.CONTENT_TYPE: "it follows from the event type", wire.TRACEPARENT: "give traceparent= instead"}


class Opener:
    """Opens the records that one consumer group reads.

    The penstock-origin-* headers are believed on the group's own retry, replay and dead letter topics only. The type
    of a record without `ce_type`, and with it the decoding, follows the origin topic.
    """

    def __init__(self, topology: Topology | None, group_id: str, codec: Codec) -> None:
        topics = topology.topics if topology else {}
        self._group_id = group_id
        self._codec = codec
        self._named = codec.registry is not None  # only then may a header name the schema
        self._types = {name: topic.type or "" for name, topic in topics.items()}
        self._wrapped = {name: topic.unwrap for name, topic in topics.items() if topic.unwrap}
        self._own: dict[str, bool] = {}  # by topic name; a group reads few
        self._spelled = lru_cache(_TYPES_KEPT)(_spelled)

    def open(self, record: Record) -> Event[Any]:
        """The event a record holds. Raises Undecodable, or UnknownSchema where the schema may yet come."""
        said = content_type = dataschema = None
        for name, value in record.headers:  # walked once, and literally: this runs for every record
            if name in _READ:
                if name == "ce_type":
                    said = value
                elif name == "content-type":
                    content_type = value
                else:
                    dataschema = value
        topic = record.source.topic
        origin = None  # nearly always the record itself: worked out when asked for
        if self._own.get(topic, True):
            origin = self.origin_of(record)
            topic = origin.topic
        value = record.value
        if content_type not in (None, _JSON) and value is not None and structured.is_structured(content_type):
            return self._open_structured(record, self.origin_of(record), content_type)
        type_ = (self._spelled(said) if said else "") or self._types.get(topic, "")
        if self._wrapped and topic in self._wrapped and value is not None:
            return self._open_wrapped(record, self.origin_of(record), type_, (content_type, dataschema))
        if self._named and (named := record.header(wire.VALUE_SCHEMA_ID)) is not None:
            return Event(record, self._codec.decode_named(type_, value, named), type_, origin)
        return Event(record, self._codec.decode_as(type_, value, content_type, dataschema), type_, origin)

    def glance(self, record: Record) -> Event[None]:
        """The event without its data: who it is, also where the data cannot be opened. Never raises."""
        origin = self.origin_of(record)
        view = record
        content_type = record.header(wire.CONTENT_TYPE)
        if content_type is not None and structured.is_structured(content_type) and record.value is not None:
            with contextlib.suppress(Undecodable):
                view = structured.as_binary(record, structured.envelope(record, content_type))
        return Event(view, None, self._type(view.header(wire.CE_TYPE), origin.topic), origin)

    def origin_of(self, record: Record) -> Origin:
        """Where a record first stood."""
        topic = record.topic
        own = self._own.get(topic)
        if own is None:
            own = self._own[topic] = is_own_topic(self._group_id, topic)
        if own:
            return _carried_origin(record)
        return Origin(topic, record.partition, record.offset, record.timestamp)

    def type_of(self, record: Record) -> str:
        """The event's type, for filters. The data stays closed; only a structured envelope is read. Never raises."""
        said = content_type = None
        for name, value in record.headers:
            if name == "ce_type":
                said = value
            elif name == "content-type":
                content_type = value
        if content_type is not None and structured.is_structured(content_type) and record.value is not None:
            said = structured.type_in(record, content_type)
        return self._type(said, self.origin_of(record).topic)

    def _type(self, said: bytes | None, origin_topic: str) -> str:
        return (self._spelled(said) if said else "") or self._types.get(origin_topic, "")

    def _open_structured(self, record: Record, origin: Origin, content_type: bytes) -> Event[Any]:
        found = structured.envelope(record, content_type)
        view = structured.as_binary(record, found)
        type_ = self._type(view.header(wire.CE_TYPE), origin.topic)
        carried = structured.carried_bytes(found)
        if carried is None:
            data = self._codec.restore(type_, found.get("data"))
        else:
            data = self._codec.decode(type_, carried, view.headers)
        return Event(view, data, type_, origin)

    def _open_wrapped(
        self, record: Record, origin: Origin, type_: str, said: tuple[bytes | None, bytes | None]
    ) -> Event[Any]:
        """The data inside another program's envelope, held to the schema of the topic's type."""
        whole = self._codec.decode_as("", record.value, *said)
        data, inner_type, headers = unwrap(self._wrapped[origin.topic], whole)
        place = (record.topic, record.partition, record.offset, record.timestamp)
        view = Record(*place, record.key, record.value, [*headers, *record.headers])
        return Event(view, self._codec.restore(type_, data), type_ or inner_type, origin)


def _spelled(said: bytes) -> str:
    """The name in a `ce_type`; what is no text is no name at all, as if it had not been said."""
    try:
        return said.decode()
    except UnicodeDecodeError:
        return ""


def _carried_origin(record: Record) -> Origin:
    """What the record's own headers say of where it first stood; itself where they do not say it fully."""
    topic = wire.text(record.headers, wire.ORIGIN_TOPIC)
    partition = wire.number(record.headers, wire.ORIGIN_PARTITION)
    offset = wire.number(record.headers, wire.ORIGIN_OFFSET)
    timestamp = wire.number(record.headers, wire.ORIGIN_TIMESTAMP)
    if topic is None or partition is None or offset is None:
        return Origin(record.topic, record.partition, record.offset, record.timestamp)
    return Origin(topic, partition, offset, record.timestamp if timestamp is None else timestamp)


def seal(
    codec: Codec,
    *,
    topic: str,
    data: Any,
    key: Any,
    type: str,
    id: str,
    source: str,
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

    `type` '' becomes the topic's name, since CloudEvents demands one. A time without a zone is UTC; one that is text is
    spelled already (see spell_instant). Raises
    Unencodable for data or a key that cannot be said, ValueError for a header name that is reserved.
    """
    value, content_type, dataschema = codec.encode(type, data, topic)
    try:
        said: list[Header] = [_SPECVERSION, (wire.CE_ID, id.encode()), (wire.CE_TYPE, (type or topic).encode())]
        said.append((wire.CE_SOURCE, source.encode()))
        if time is not None:
            said.append((wire.CE_TIME, (time if isinstance(time, str) else _spell_time(time)).encode()))
        for name, text in (
            (wire.CE_SUBJECT, subject),
            (wire.CE_DATASCHEMA, dataschema),
            (wire.CE_CORRELATION_ID, correlation_id),
            (wire.CE_CAUSATION_ID, causation_id),
            (wire.CE_TENANT_ID, tenant),
            (wire.CONTENT_TYPE, content_type or None),
            (wire.TRACEPARENT, traceparent),
        ):
            if text is not None:
                said.append((name, text.encode()))
    except (UnicodeEncodeError, AttributeError) as error:
        raise Unencodable(f"an attribute of the event is no text: {error}", "subject, tenant, ids are str") from None
    said.extend(marks)
    if headers:
        said.extend(_user_headers(headers))
    return Outgoing(topic, key_bytes(key, topic), value, tuple(said))


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
            hint = _RESERVED.get(name, "ce_ and penstock- headers are written here; use the keyword of that name")
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
