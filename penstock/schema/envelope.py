"""The envelope around data: records opened to events (sealing.py is the way back). CloudEvents 1.0 on Kafka.

Binary mode is written; binary mode, structured mode and records without any CloudEvents header are read.
"""

from __future__ import annotations

import contextlib
from functools import lru_cache
from typing import Any, Final

import orjson

from penstock import headers as wire
from penstock.errors import Undecodable
from penstock.event import Event, Origin
from penstock.record import Record
from penstock.schema import json_data, structured
from penstock.schema.codec import Codec
from penstock.schema.foreign import unwrap
from penstock.schema.identity import is_own_topic
from penstock.topology.model import Topology

_loads: Final = orjson.loads
_JSON: Final = json_data.CONTENT_TYPE.encode()
_READ: Final = frozenset({wire.CE_TYPE, wire.CONTENT_TYPE, wire.CE_DATASCHEMA})  # what opening a record needs
_TYPES_KEPT: Final = 256  # names of types that are decoded once


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
        self._typed = codec.typed
        self._own: dict[str, bool] = {}  # by topic name; a group reads few
        self._usual: dict[str, str] = {}  # topics whose records stand where they stood first, as they are: their type
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
        value = record.value
        usual = self._usual.get(record.source.topic)
        if usual is not None and value and (content_type is None or content_type == _JSON):
            type_ = (self._spelled(said) or usual) if said else usual
            if type_ not in self._typed:
                try:
                    return Event(record, _loads(value), type_)
                except ValueError:
                    pass  # the codec says why, or knows the bytes
        return self._open(record, said, content_type, dataschema)

    def _open(
        self, record: Record, said: bytes | None, content_type: bytes | None, dataschema: bytes | None
    ) -> Event[Any]:
        """The same, whatever the record is."""
        topic, value = record.source.topic, record.value
        origin = None  # nearly always the record itself: worked out when asked for
        if self._own.get(topic, True):
            origin = self.origin_of(record)
            topic = origin.topic
        if content_type not in (None, _JSON) and value is not None and structured.is_structured(content_type):
            return self._open_structured(record, self.origin_of(record), content_type)
        type_ = self._type(said, topic)
        if topic in self._wrapped and value is not None:
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
            if not (own or self._named or topic in self._wrapped):
                self._usual[topic] = self._types.get(topic, "")
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
