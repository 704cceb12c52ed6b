"""Avro: one schema, and data written and read with it. The only door to fastavro.

Single-object encoding (Avro specification): `C3 01`, the CRC-64-AVRO fingerprint of the schema's parsing canonical
form (little-endian), then the body. The fingerprint ignores logical types and defaults, so `digest` names a schema
exactly and travels in `ce_dataschema`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, Final

import orjson

from penstock.errors import Undecodable, Unencodable
from penstock.schema.avro_fit import Fit
from penstock.schema.formats import Schema as AnySchema
from penstock.schema.misfit import Misfit

MARKER: Final = b"\xc3\x01"
HEADER_SIZE: Final = 10
CONTENT_TYPE: Final = "application/avro"
_STRICTLY: Final[Any] = {"raise_errors": False, "strict": True, "disable_tuple_notation": True}


@dataclass(frozen=True, slots=True)
class Schema:
    """A parsed schema of one event type. `digest` is the SHA-256 of its normal form, `fingerprint` 8 bytes."""

    type: str
    digest: str
    fingerprint: bytes
    text: str = field(repr=False, compare=False)
    parsed: Any = field(repr=False, compare=False)
    names: Any = field(repr=False, compare=False)
    language: str = field(default="AVRO", init=False)
    content_type: str = field(default=CONTENT_TYPE, init=False)

    @property
    def record(self) -> str:
        """The full name of a record schema; '' for any other."""
        return str(self.parsed.get("name", "")) if isinstance(self.parsed, dict) else ""

    def body(self, data: Any) -> bytes:
        """The Avro binary encoding alone. Raises Unencodable, naming the path, where `data` does not fit."""
        return write(self, data, b"")

    def standalone(self, data: Any) -> bytes:
        """`data` in single-object encoding. Raises Unencodable."""
        return write(self, data, MARKER + self.fingerprint)

    def read(self, body: bytes, reader: AnySchema | None) -> Any:
        """The data of an Avro body, as the reader's schema sees it. Raises Undecodable."""
        if reader is None or isinstance(reader, Schema):
            return read(self, reader, body)
        return reader.fit(read(self, None, body))

    def fit(self, data: Any) -> Any:
        """Plain JSON data as an Avro reader would have given it: defaults filled in, times as times."""
        try:
            return read(self, None, _write(self, Fit(self.names, drop=True)(data, self.parsed), b""))
        except (Misfit, ValueError, TypeError, OverflowError, ArithmeticError) as error:
            raise Undecodable(f"{error} (event type {self.type})", "the JSON does not fit the type's schema") from error


def parse(type_: str, text: bytes) -> Schema:
    """The schema of an .avsc text. Raises ValueError where it is no JSON or no Avro schema."""
    from fastavro.schema import SchemaParseException, UnknownType, fingerprint, parse_schema, to_parsing_canonical_form

    declared = orjson.loads(text)
    names: dict[str, Any] = {}
    try:
        parsed = parse_schema(declared, names)
        rabin = fingerprint(to_parsing_canonical_form(parsed), "CRC-64-AVRO")
    except (SchemaParseException, UnknownType, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not an Avro schema: {type(error).__name__}: {error}") from error
    return Schema(type_, digest(declared), bytes.fromhex(rabin), text.decode(), parsed, names)


def digest(declared: Any) -> str:
    """SHA-256 (hex) of a schema's JSON, keys sorted, no spaces, without `doc`: what changes how bytes are read."""
    return hashlib.sha256(orjson.dumps(_without_doc(declared), option=orjson.OPT_SORT_KEYS)).hexdigest()


def _without_doc(declared: Any) -> Any:
    if isinstance(declared, list):
        return [_without_doc(one) for one in declared]
    if isinstance(declared, dict):
        kept = {key: value for key, value in declared.items() if key != "doc"}
        return {key: value if key == "default" else _without_doc(value) for key, value in kept.items()}
    return declared


def write(schema: Schema, data: Any, front: bytes) -> bytes:
    """`front`, then `data` in Avro's binary encoding. Raises Unencodable, naming the path, where it does not fit."""
    try:
        return _write(schema, data if _fits(schema, data) else Fit(schema.names)(data, schema.parsed), front)
    except Misfit as misfit:
        raise _refusal(schema, str(misfit)) from None
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, ArithmeticError, RecursionError) as error:
        # fastavro's own words have no path: fit again to find it
        try:
            return _write(schema, Fit(schema.names)(data, schema.parsed), front)
        except Misfit as misfit:
            raise _refusal(schema, str(misfit)) from None
        except Exception:  # noqa: BLE001 - whatever fastavro raises now, the first error says it better
            raise _refusal(schema, f"data cannot be written: {error}") from error


def _fits(schema: Schema, data: Any) -> bool:
    from fastavro.validation import validate

    return bool(validate(data, schema.parsed, "", **_STRICTLY))


def _write(schema: Schema, data: Any, front: bytes) -> bytes:
    from fastavro import schemaless_writer

    buffer = BytesIO()
    buffer.write(front)
    schemaless_writer(buffer, schema.parsed, data, strict_allow_default=True, disable_tuple_notation=True)
    return buffer.getvalue()


def _refusal(schema: Schema, why: str) -> Unencodable:
    return Unencodable(f"{why} (event type {schema.type})", "change the data or the schema so that they agree")


def read(writer: Schema, reader: Schema | None, value: bytes) -> Any:
    """The data of an Avro body, as the reader's schema sees it. Raises Undecodable."""
    from fastavro import schemaless_reader

    body = BytesIO(value)
    target = None if reader is None or reader.digest == writer.digest else reader.parsed
    try:
        data = schemaless_reader(body, writer.parsed, target)
    except Exception as error:  # foreign bytes make fastavro raise nearly anything
        said = f"{type(error).__name__}: {error}"
        raise Undecodable(f"bytes do not fit the Avro schema of {writer.type}: {said}", "ask the producer") from error
    if body.tell() != len(value):
        left = len(value) - body.tell()
        raise Undecodable(f"{left} bytes are left over after the Avro data of {writer.type}", "ask the producer")
    return data
