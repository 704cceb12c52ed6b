"""JSON Schema: data checked on its way out and in. The only door to jsonschema-rs.

The value stays plain JSON. `ce_dataschema` names the schema it was checked with, so that a record of last month that
fits its own schema is still read. References are resolved inside the schema only: nothing is ever fetched.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

import orjson

from penstock.errors import MissingExtra, Undecodable, Unencodable
from penstock.schema import json_data
from penstock.schema.formats import Schema

_IGNORED: Final = ("title", "description", "$comment", "examples")  # at the top: what changes no verdict


@dataclass(frozen=True, slots=True)
class JsonSchema:
    """A compiled JSON Schema of one event type."""

    type: str
    digest: str
    text: str = field(repr=False, compare=False)
    record: str = field(compare=False)
    validator: Any = field(repr=False, compare=False)

    language: str = field(default="JSON", init=False)
    content_type: str = field(default=json_data.CONTENT_TYPE, init=False)

    def body(self, data: Any) -> bytes:
        """The JSON text of `data`. Raises Unencodable, naming the path, where it does not fit."""
        text = json_data.dump(data)
        if why := self.misfit(orjson.loads(text)):
            raise Unencodable(f"{why} (event type {self.type})", "change the data or the schema so that they agree")
        return text

    def standalone(self, data: Any) -> bytes:
        """As `body`: JSON needs no frame."""
        return self.body(data)

    def read(self, body: bytes, reader: Schema | None) -> Any:
        """The JSON, checked by the reader's schema; or by its own, where it is older and the reader's has moved on."""
        try:
            data = orjson.loads(body)
        except ValueError as error:
            raise Undecodable(f"the value of event type {self.type} is not JSON: {error}", "ask the producer") from None
        if reader is None or reader.digest == self.digest:
            return self.fit(data)
        try:
            return reader.fit(data)
        except Undecodable:
            if reader.language != self.language or self.misfit(data):
                raise
            return data

    def fit(self, data: Any) -> Any:
        """The same data. Raises Undecodable where it does not fit."""
        if why := self.misfit(data):
            raise Undecodable(f"{why} (event type {self.type})", "the JSON does not fit the type's schema")
        return data

    def misfit(self, data: Any) -> str:
        """Where and why data does not fit; '' where it does. Times and the like are judged as the texts they become."""
        try:
            if self.validator.is_valid(data):
                return ""
        except (ValueError, TypeError):
            try:
                data = orjson.loads(json_data.dump(data))
            except Unencodable as refused:
                return refused.message
            return self.misfit(data)
        error = next(iter(self.validator.iter_errors(data)))
        steps = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.instance_path)
        return f"data{steps}: {error.message[:300]}"


def parse(type_: str, text: bytes) -> JsonSchema:
    """The schema of a JSON text. Raises ValueError where it is no JSON or no JSON Schema, MissingExtra."""
    declared = orjson.loads(text)
    if not isinstance(declared, dict | bool):
        raise ValueError("not a JSON Schema: it must be an object")
    library = load()
    try:
        validator = library.validator_for(declared, validate_formats=True, retriever=_refuse)
    except (ValueError, library.ReferencingError) as error:
        raise ValueError(f"not a JSON Schema: {str(error).splitlines()[0]}") from None
    title = declared.get("title") if isinstance(declared, dict) else None
    return JsonSchema(type_, digest(declared), text.decode(), title if isinstance(title, str) else "", validator)


def digest(declared: Any) -> str:
    """SHA-256 (hex) of the schema's JSON, keys sorted, without what only describes it at the top."""
    judged = {k: v for k, v in declared.items() if k not in _IGNORED} if isinstance(declared, dict) else declared
    return hashlib.sha256(orjson.dumps(judged, option=orjson.OPT_SORT_KEYS)).hexdigest()


def load() -> Any:
    """The library. Raises MissingExtra where it is not installed."""
    try:
        import jsonschema_rs
    except ImportError:
        raise MissingExtra("JSON Schema", "schemas") from None
    return jsonschema_rs


def _refuse(uri: str) -> NoReturn:
    raise ValueError(f"the reference {uri} leads out of the schema; put what it names under $defs")
