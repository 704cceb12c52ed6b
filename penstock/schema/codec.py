"""Data to bytes and back, by event type: Avro where the type has a schema, JSON elsewhere. The same on every broker."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import orjson

from penstock import headers as wire
from penstock.errors import Undecodable, Unencodable, UnknownSchema
from penstock.record import Headers
from penstock.schema import avro, json_data
from penstock.schema.files import SchemaFiles, Schemas
from penstock.topology.model import Topology

_JSON: Final = json_data.CONTENT_TYPE.encode()
_loads: Final = orjson.loads


class Encoded(NamedTuple):
    """A record's value, and what its headers say of it. A tombstone has neither."""

    value: bytes | None
    content_type: str
    dataschema: str | None


class Codec:
    """Encodes and decodes the events of one topology; without one everything is JSON."""

    def __init__(self, topology: Topology | None = None, schemas: Schemas | None = None) -> None:
        self._topics = topology.topics if topology else {}
        self._schemas = schemas if schemas is not None else SchemaFiles(topology)
        self._typed = self._schemas.types

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

    def encode(self, type_: str, data: Any) -> Encoded:
        """The value of an event of `type_`; None is a tombstone. Raises Unencodable, naming the path."""
        if data is None:
            return Encoded(None, "", None)
        if type_ not in self._typed:
            return Encoded(json_data.dump(data), json_data.CONTENT_TYPE, None)
        try:
            schema = self._schemas.current(type_)
        except UnknownSchema as error:
            raise Unencodable(error.message, error.hint) from error
        return Encoded(avro.write(schema, data), avro.CONTENT_TYPE, schema.urn)

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
        if type_ not in self._typed and (content_type is None or content_type == _JSON):
            try:
                return _loads(value)
            except ValueError:
                return self._decode(type_, value, content_type, dataschema)  # it says why, or knows the bytes
        return self._decode(type_, value, content_type, dataschema)

    def restore(self, type_: str, data: Any) -> Any:
        """JSON data that was already parsed (a structured event), as `decode` would give it. Raises Undecodable."""
        if data is None or type_ not in self._typed:
            return data
        return avro.from_json(self._schemas.current(type_), data)

    def _decode(self, type_: str, value: bytes, content_type: bytes | None, dataschema: bytes | None) -> Any:
        if value.startswith(avro.MARKER) and len(value) >= avro.HEADER_SIZE:
            return self._decode_avro(type_, value, dataschema)
        kind, charset = _media(content_type)
        if type_ not in self._typed and kind == "text":
            return _text(value, charset)
        if type_ not in self._typed and kind == "bytes":
            return value
        if value[:1] == b"\0" and len(value) > 5:  # no JSON text begins with NUL
            number = int.from_bytes(value[1:5], "big")
            raise UnknownSchema(f"the value names schema {number} of a registry", "no schema registry is known here")
        return self.restore(type_, _json(type_, value))

    def _decode_avro(self, type_: str, value: bytes, dataschema: bytes | None) -> Any:
        said = dataschema.decode(errors="replace") if dataschema else ""
        digest = avro.digest_of(said)
        if digest is None:
            said = f"fingerprint {value[2:10].hex()}"
            writer = self._schemas.by_fingerprint(type_, value[2:10])
        else:
            writer = self._schemas.by_digest(type_, digest)
        if writer is None:
            hint = "deploy the schema: as the type's current one, or under schemas/history/<type>/"
            raise UnknownSchema(f"event type {type_ or '?'} was written with a schema not known here: {said}", hint)
        reader = self._schemas.current(type_) if type_ in self._typed else None
        return avro.read(writer, reader, value)


def _json(type_: str, value: bytes) -> Any:
    try:
        return _loads(value)
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
