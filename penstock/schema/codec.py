"""Data to bytes and back, by event type: as its schema says, JSON where it has none. The same on every broker."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import orjson

from penstock import headers as wire
from penstock.errors import Undecodable, Unencodable, UnknownSchema
from penstock.record import Headers
from penstock.schema import avro, framing, json_data
from penstock.schema.files import SchemaFiles, Schemas
from penstock.schema.formats import Schema, digest_of, urn
from penstock.schema.registry import Registry
from penstock.topology.model import Topology


class Encoded(NamedTuple):
    """A record's value, and what its headers say of it. A tombstone has neither."""

    value: bytes | None
    content_type: str
    dataschema: str | None


class Codec:
    """Encodes and decodes the events of one topology; without one everything is JSON.

    With `waits` a registry is asked on the spot where reading needs it; else UnknownSchema carries the question, for
    an event loop to ask beside itself.
    """

    def __init__(
        self,
        topology: Topology | None = None,
        schemas: Schemas | None = None,
        *,
        registry: Registry | None = None,
        waits: bool = True,
    ) -> None:
        self._waits = waits
        if registry is None and topology is not None and topology.schema_registry is not None:
            registry = Registry(topology.schema_registry)
        self.registry = registry
        self._topics = topology.topics if topology else {}
        self._schemas = schemas if schemas is not None else SchemaFiles(topology)
        self.typed = self._schemas.types  # the event types that have a schema

    def type_for(self, topic: str, type_: str | None = None) -> str:
        """The type of an event sent to `topic`: the one given, else the topic's own, '' where it has none.

        Raises Unencodable where the topic has several and none was said.
        """
        if type_:
            return type_
        declared = self._topics.get(topic)
        if declared is None:
            return ""
        if declared.type or not declared.types:
            return declared.type or ""
        if len(declared.types) == 1:
            return next(iter(declared.types))
        several = ", ".join(sorted(declared.types))
        raise Unencodable(f"topic {topic} carries several event types: {several}", "say which: type=...")

    def encode(self, type_: str, data: Any, topic: str = "") -> Encoded:
        """The value of an event of `type_` for `topic`; None is a tombstone.

        Raises Unencodable, naming the path; UnknownSchema where the registry is away or does not have the schema.
        """
        if data is None:
            return Encoded(None, "", None)
        if type_ not in self.typed:
            return Encoded(json_data.dump(data), json_data.CONTENT_TYPE, None)
        try:
            schema = self._schemas.current(type_)
        except UnknownSchema as error:
            raise Unencodable(error.message, error.hint) from error
        if self.registry is None:
            return Encoded(schema.standalone(data), schema.content_type, urn(schema))
        body = schema.body(data)
        return Encoded(framing.frame(self.registry.id_of(topic, schema), body), framing.content_type(schema), None)

    def prepare(self, topics: Iterable[str]) -> None:
        """Ask the registry now for what sending to these topics will need: later a handler would wait for it.

        Blocks. What cannot be had now is asked for again when it is needed.
        """
        if self.registry is None:
            return
        for name in topics:
            declared = self._topics.get(name)
            for type_ in declared.schemas if declared else ():
                with contextlib.suppress(UnknownSchema):
                    self.registry.id_of(name, self._schemas.current(type_))

    def decode(self, type_: str, value: bytes | None, headers: Headers = ()) -> Any:
        """The data of a record's value. Raises Undecodable, or UnknownSchema where the schema may yet come."""
        content_type = dataschema = None
        for name, said in headers:
            if name == wire.CONTENT_TYPE:
                content_type = said
            elif name == wire.CE_DATASCHEMA:
                dataschema = said
        return self.decode_as(type_, value, content_type, dataschema)

    def decode_as(self, type_: str, value: bytes | None, content_type: bytes | None, dataschema: bytes | None) -> Any:
        """As `decode`, for a caller that has read the headers already."""
        if value is None:
            return None
        if value.startswith(avro.MARKER) and len(value) >= avro.HEADER_SIZE:
            return self._decode_single(type_, value, dataschema)
        if value[:1] == framing.MAGIC and len(value) >= framing.SIZE:  # no JSON text begins with NUL
            return self._decode_framed(type_, value)
        kind, charset = _media(content_type)
        if type_ not in self.typed and kind == "text":
            return _text(value, charset)
        if type_ not in self.typed and kind == "bytes":
            return value
        data = _json(type_, value)
        if data is None or type_ not in self.typed:
            return data
        current = self._schemas.current(type_)
        digest = digest_of(dataschema.decode(errors="replace")) if dataschema else None
        if digest is None or digest == current.digest:
            return current.fit(data)
        return self._decode_older(type_, data, digest, current)

    def restore(self, type_: str, data: Any) -> Any:
        """JSON data that was already parsed (a structured event), as `decode` would give it. Raises Undecodable."""
        if data is None or type_ not in self.typed:
            return data
        return self._schemas.current(type_).fit(data)

    def decode_named(self, type_: str, value: bytes | None, guid: bytes) -> Any:
        """The data of a value whose schema a header names by GUID (`__value_schema_id`). Raises as `decode`."""
        if value is None or self.registry is None:
            return value
        named, registry = framing.guid(guid), self.registry
        if not isinstance(named, str):
            return self._read(type_, value, lambda: registry.by_id(named))
        return self._read(type_, value, lambda: registry.by_guid(named))

    def _decode_older(self, type_: str, data: Any, digest: str, current: Schema) -> Any:
        """JSON that says which schema it was checked with, and it is not the current one."""
        try:
            return current.fit(data)
        except Undecodable:
            writer = self._schemas.by_digest(type_, digest)
            if writer is None:
                raise _unknown(type_, digest) from None
            if writer.language != current.language:
                raise
            return writer.fit(data)

    def _decode_framed(self, type_: str, value: bytes) -> Any:
        number, registry = framing.number(value), self.registry
        if registry is None:
            hint = "set schema_registry: { url: ... } in the topology"
            raise UnknownSchema(f"the value names schema {number} of a registry, and none is known here", hint)
        return self._read(type_, value[framing.SIZE :], lambda: registry.by_id(number))

    def _read(self, type_: str, body: bytes, writer: Callable[[], Schema]) -> Any:
        try:
            found = writer()
        except UnknownSchema as error:
            if error.fetch is None or not self._waits:
                raise
            error.fetch()
            found = writer()
        return found.read(body, self._schemas.current(type_) if type_ in self.typed else None)

    def _decode_single(self, type_: str, value: bytes, dataschema: bytes | None) -> Any:
        digest = digest_of(dataschema.decode(errors="replace")) if dataschema else None
        if digest is None:
            writer = self._schemas.by_fingerprint(type_, value[2:10])
        else:
            writer = self._schemas.by_digest(type_, digest)
        if writer is None:
            raise _unknown(type_, digest or f"fingerprint {value[2:10].hex()}")
        return writer.read(value[avro.HEADER_SIZE :], self._schemas.current(type_) if type_ in self.typed else None)


def _unknown(type_: str, said: str) -> UnknownSchema:
    hint = "deploy the schema: as the type's current one, or under schemas/history/<type>/"
    return UnknownSchema(f"event type {type_ or '?'} was written with a schema not known here: {said}", hint)


def _json(type_: str, value: bytes) -> Any:
    try:
        return orjson.loads(value)
    except ValueError as error:
        of = f" of event type {type_}" if type_ else ""
        raise Undecodable(f"the value{of} is not JSON: {error}", "ask the producer, or set its content-type") from error


def _media(content_type: bytes | None) -> tuple[str, str]:
    """What a content type means for us (json, text, bytes), and its charset."""
    if not content_type:
        return "json", ""
    media, _, rest = content_type.decode(errors="replace").lower().partition(";")
    media = media.strip()
    if media.endswith(("/json", "+json")):
        return "json", ""
    if media.startswith("text/"):
        _, _, charset = rest.partition("charset=")
        return "text", charset.split(";")[0].strip(' "')
    return "bytes", ""


def _text(value: bytes, charset: str) -> str:
    try:
        return value.decode(charset or "utf-8")
    except (UnicodeDecodeError, LookupError) as error:
        raise Undecodable(f"the value is no text: {error}", "ask the producer for its charset") from error
