"""What a schema can do, whatever its language: Avro and JSON Schema stand behind this, chosen by the file's suffix."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Protocol

URN: Final = "urn:penstock:schema:"
SUFFIXES: Final = (".avsc", ".json")


class Schema(Protocol):
    """One schema of one event type; `digest` (SHA-256 of its normal form) names it exactly."""

    @property
    def type(self) -> str:
        """The event type it describes."""
        ...

    @property
    def digest(self) -> str:
        """64 hex digits."""
        ...

    @property
    def text(self) -> str:
        """The schema as it was written, for a registry."""
        ...

    @property
    def language(self) -> str:
        """AVRO or JSON, as a registry calls it."""
        ...

    @property
    def record(self) -> str:
        """Its own name: the record's full name, or the title; '' where it has none."""
        ...

    @property
    def content_type(self) -> str:
        """Of a value that stands alone."""
        ...

    def body(self, data: Any) -> bytes:
        """`data` written without any frame. Raises Unencodable, naming the path, where it does not fit."""
        ...

    def standalone(self, data: Any) -> bytes:
        """`data` as a value that can be read without a registry. Raises Unencodable."""
        ...

    def read(self, body: bytes, reader: Schema | None) -> Any:
        """What `body` wrote, as the reader's schema sees it. Raises Undecodable."""
        ...

    def fit(self, data: Any) -> Any:
        """Parsed JSON as a reader of this schema gets it. Raises Undecodable where it does not fit."""
        ...


def urn(schema: Schema) -> str:
    """What `ce_dataschema` says of records written with this schema."""
    return f"{URN}{schema.type}:{schema.digest}"


def digest_of(said: str) -> str | None:
    """The digest a `ce_dataschema` names, or None where it is not one of ours."""
    return said.rpartition(":")[2] if said.startswith(URN) else None


def parse(type_: str, path: Path) -> Schema:
    """The schema in a file. Raises OSError, or ValueError where it is none."""
    return parse_text(type_, "JSON" if path.suffix == ".json" else "AVRO", path.read_bytes())


def parse_text(type_: str, language: str, text: bytes) -> Schema:
    """The schema of a text, in a registry's word for its language. Raises ValueError where it is none."""
    if language == "JSON":
        from penstock.schema import json_schema

        return json_schema.parse(type_, text)
    if language == "AVRO":
        from penstock.schema import avro

        return avro.parse(type_, text)
    raise ValueError(f"schemas in {language} are not read here, only Avro and JSON Schema")
