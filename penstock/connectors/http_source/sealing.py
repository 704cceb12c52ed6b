"""From what a caller offers to the record that is sent: id, type and key found, data checked by its schema."""

from __future__ import annotations

import dataclasses
import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from penstock import headers as wire
from penstock.clock import Clock
from penstock.connectors.http_source.access import Caller
from penstock.connectors.http_source.offered import Offered
from penstock.connectors.http_source.refusal import Refused
from penstock.errors import CodecError, UnknownSchema
from penstock.record import Outgoing
from penstock.schema.codec import Codec
from penstock.schema.identity import NAMESPACE, uuid5
from penstock.schema.sealing import seal
from penstock.topology.model import Topology

_ABSENT: Final[Any] = object()
IDEMPOTENCY_KEY: Final = "idempotency-key"
_LONGEST_ID: Final = 255


@dataclass(frozen=True, slots=True)
class Selectors:
    """Where an event's parts are found: `data.customer.id` or `headers.x-github-event`; None: not there."""

    key: str | None = None
    id: str | None = None
    type: str | None = None
    subject: str | None = None


@dataclass(frozen=True, slots=True)
class Sealed:
    """A record that is ready, and the id by which its result is asked for."""

    record: Outgoing
    id: str


class Sealer:
    """Makes the records of one gateway, whose events are from `source`."""

    def __init__(
        self, topology: Topology, codec: Codec, topic: str, source: str, selectors: Selectors, clock: Clock
    ) -> None:
        self._codec = codec
        self._topic = topic
        self._source = source
        self._keyed = selectors.key is not None
        self._selectors = [(name, path) for name, path in dataclasses.asdict(selectors).items() if path]
        self._clock = clock
        self._checked = {type_ for declared in topology.topics.values() for type_ in declared.schemas}
        self._taken = set(topology.topics[topic].schemas) if topic in topology.topics else set()

    def seal(self, offered: Offered, headers: Mapping[str, str], caller: Caller, index: int) -> Sealed:
        """The record of one event. Raises Refused (422) where it does not fit, (415) for data no schema knows."""
        said = self._selected(offered, headers)
        type_ = self._type(offered.type or said.get("type"))
        id_ = offered.id or said.get("id") or self._id(headers, caller, index)
        if len(id_) > _LONGEST_ID or not id_.isprintable():
            raise Refused(422, f"an id is at most {_LONGEST_ID} printable characters long")
        key = said["key"] if self._keyed else offered.partition_key
        whole = type_ not in self._checked and offered.raw is not None
        if type_ in self._checked:
            self._fit_for_a_schema(offered, type_)
        try:
            record = seal(
                self._codec,
                topic=self._topic,
                data=None if whole else offered.data,
                key=key,
                type=type_,
                id=id_,
                source=offered.source or self._source,
                time=offered.time or datetime.fromtimestamp(self._clock.now(), UTC),
                subject=offered.subject or said.get("subject"),
                correlation_id=offered.correlation_id,
                causation_id=offered.causation_id,
                tenant=offered.tenant,
                traceparent=offered.traceparent or headers.get(wire.TRACEPARENT) or _traceparent(),
                marks=self._extensions(offered),
            )
        except UnknownSchema as error:
            raise Refused(503, f"the schema cannot be had now: {error.message}", retry_after=5) from None
        except CodecError as error:
            raise Refused(422, f"{error.message} ({error.hint})" if error.hint else error.message) from None
        if whole:
            content_type = (wire.CONTENT_TYPE, offered.content_type.encode())
            record = Outgoing(record.topic, record.key, offered.raw, (*record.headers, content_type))
        return Sealed(record, offered.correlation_id or id_)

    def _type(self, said: str | None) -> str:
        try:
            type_ = self._codec.type_for(self._topic, said)
        except CodecError as error:
            raise Refused(422, f"{error.message} (name it: ce-type)") from None
        if self._taken and type_ not in self._taken:
            raise Refused(422, f"events of type {type_} are not taken here: {', '.join(sorted(self._taken))}")
        return type_

    def _fit_for_a_schema(self, offered: Offered, type_: str) -> None:
        if not offered.is_json:
            raise Refused(415, f"events of type {type_} are sent as JSON, not as {offered.content_type}")
        if offered.data is None:
            raise Refused(422, f"an event of type {type_} has data")

    def _id(self, headers: Mapping[str, str], caller: Caller, index: int) -> str:
        """The same for a request that is sent again with its key; else a new one (UUIDv7: it holds the time)."""
        key = headers.get(IDEMPOTENCY_KEY) or caller.message_id
        if not key:
            return new_id(self._clock.now())
        return uuid5(NAMESPACE.bytes, orjson.dumps(("http", self._source, caller.name, key, index)))

    def _selected(self, offered: Offered, headers: Mapping[str, str]) -> dict[str, str]:
        return {name: select(path, offered.data, headers, name) for name, path in self._selectors}

    def _extensions(self, offered: Offered) -> tuple[tuple[str, bytes], ...]:
        found = [(f"{wire.CE}{name}", value.encode()) for name, value in offered.extensions]
        if offered.dataschema and (offered.type or "") not in self._checked:
            found.append((wire.CE_DATASCHEMA, offered.dataschema.encode()))
        return tuple(found)


def select(selector: str, data: Any, headers: Mapping[str, str], what: str) -> str:
    """What a selector finds, as text. Raises Refused (422) where nothing is there."""
    root, _, path = selector.partition(".")
    found: Any = data
    if root == "headers":
        found = headers.get(path.lower(), _ABSENT)
    else:
        for step in (path if root == "data" else selector).split("."):
            found = found.get(step, _ABSENT) if isinstance(found, Mapping) else _ABSENT
    if isinstance(found, str) and found:
        return found
    if isinstance(found, int) and not isinstance(found, bool):
        return str(found)
    raise Refused(422, f"the event has no {selector}, which is its {what}: a text or a whole number")


def new_id(now: float) -> str:
    """A UUIDv7 (RFC 9562): epoch milliseconds, then 74 random bits."""
    raw = bytearray(int(now * 1000).to_bytes(6, "big") + os.urandom(10))
    raw[6] = raw[6] & 0x0F | 0x70
    raw[8] = raw[8] & 0x3F | 0x80
    digits = raw.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def time_of(id_: str) -> float | None:
    """Epoch seconds of a UUIDv7; None for any other id."""
    try:
        found = uuid.UUID(id_)
    except ValueError:
        return None
    return int.from_bytes(found.bytes[:6], "big") / 1000 if found.version == 7 else None


def _traceparent() -> str:
    digits = os.urandom(24).hex()
    return f"00-{digits[:32]}-{digits[32:]}-01"
