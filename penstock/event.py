"""An event: a record opened. CloudEvents attributes and decoded data, as a handler sees them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Generic, NamedTuple, TypeVar

from penstock import headers as wire
from penstock.record import Headers, Position, Record

T = TypeVar("T")


class Origin(NamedTuple):
    """Where a record first stood: itself, or what its own retry, replay or dead letter headers say."""

    topic: str
    partition: int
    offset: int
    timestamp: int


class Event(Generic[T]):
    """One event as a handler gets it. Attributes are read from the headers when asked for.

    A record without CloudEvents headers is welcome: `id` is then its origin position, `source` the topic,
    `type` the topic's declared type ('' where there is none).
    """

    __slots__ = ("_origin", "_record", "_texts", "_type", "data")

    def __init__(self, record: Record, data: T, type_: str, origin: Origin | None = None) -> None:
        """`origin` None: the record stands where it first stood."""
        self._record = record
        self._type = type_
        self._origin = origin
        self._texts: Mapping[str, str] | None = None
        self.data = data

    @property
    def origin(self) -> Origin:
        """Where the record first stood."""
        if self._origin is None:
            record = self._record
            self._origin = Origin(record.topic, record.partition, record.offset, record.timestamp)
        return self._origin

    @property
    def record(self) -> Record:
        """The record it was opened from (structured mode: with its attributes as headers)."""
        return self._record

    @property
    def texts(self) -> Mapping[str, str]:
        """The headers that are text, by name; of duplicates the last. They are walked once, when first asked for."""
        if self._texts is None:
            self._texts = wire.texts(self._record.headers)
        return self._texts

    @property
    def type(self) -> str:
        """`ce_type`, or the topic's declared type."""
        return self._type

    @property
    def id(self) -> str:
        """`ce_id`, or the origin position as text."""
        found = self.texts.get(wire.CE_ID)
        return found or f"{self.origin.topic}/{self.origin.partition}@{self.origin.offset}"

    @property
    def source(self) -> str:
        """`ce_source`, or the origin topic."""
        return self.texts.get(wire.CE_SOURCE) or self.origin.topic

    @property
    def subject(self) -> str | None:
        """`ce_subject`."""
        return self.texts.get(wire.CE_SUBJECT)

    @property
    def time(self) -> datetime:
        """`ce_time`, or when the record was first written (UTC)."""
        return event_time(self._record.headers, self.origin)

    @property
    def key(self) -> str | bytes | None:
        """The record's key: text where it is UTF-8, else bytes."""
        raw = self._record.key
        if raw is None:
            return None
        try:
            return raw.decode()
        except UnicodeDecodeError:
            return raw

    @property
    def headers(self) -> Mapping[str, bytes | None]:
        """All headers by name; of duplicates the last."""
        return dict(self._record.headers)

    @property
    def position(self) -> Position:
        """Where the record stands that is handled now (a retry topic, say); `origin` says where it first stood."""
        return self._record.position

    @property
    def correlation_id(self) -> str:
        """`ce_correlationid`, or the event's own id: the first of a chain names it."""
        return self.texts.get(wire.CE_CORRELATION_ID) or self.id

    @property
    def causation_id(self) -> str | None:
        """`ce_causationid`: the id of the event that led to this one."""
        return self.texts.get(wire.CE_CAUSATION_ID)

    @property
    def tenant(self) -> str | None:
        """`ce_tenantid`."""
        return self.texts.get(wire.CE_TENANT_ID)

    def __repr__(self) -> str:
        return f"<Event {self.type or '?'} {self.id} at {self.position}>"


def event_time(headers: Headers, origin: Origin) -> datetime:
    """`ce_time` where it is a valid RFC 3339 time, else the time the record was first written (UTC)."""
    from datetime import UTC

    said = wire.text(headers, wire.CE_TIME)
    if said:
        try:
            found = datetime.fromisoformat(said)
        except ValueError:
            found = None
        if found is not None:
            return found if found.tzinfo else found.replace(tzinfo=UTC)
    return datetime.fromtimestamp(max(origin.timestamp, 0) / 1000, tz=UTC)


AnyEvent = Event[Any]
