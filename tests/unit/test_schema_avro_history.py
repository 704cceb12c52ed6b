"""Avro schemas that have changed: records of older ones are read, digests tell apart, damage is no schema."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from avro_tickets import GOOD, TICKET, App, codecs, headers
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import Undecodable, UnknownSchema
from penstock.schema import avro, formats
from penstock.schema.codec import Codec


@pytest.fixture
def app(tmp_path: Path) -> App:
    return codecs(tmp_path)


OLD = {**TICKET, "fields": [field for field in TICKET["fields"] if field["name"] not in ("tags", "notes", "tries")]}


def test_records_of_an_older_schema_are_read_as_the_current_one(app: App) -> None:
    written = app(ticket=OLD).encode("ticket", {key: GOOD[key] for key in ("id", "priority", "at", "fee")})
    codec = app({("ticket", 1): OLD}, ticket=TICKET)
    expected = {**GOOD, "tries": None, "tags": [], "notes": {}}
    assert codec.decode("ticket", written.value, headers(written.dataschema)) == expected
    assert codec.decode("ticket", written.value) == expected


def test_a_schema_not_known_here_may_yet_come(app: App) -> None:
    written = app(ticket=OLD).encode("ticket", {key: GOOD[key] for key in ("id", "priority", "at", "fee")})
    codec = app(ticket=TICKET)
    for said in (headers(written.dataschema), []):
        with pytest.raises(UnknownSchema, match="not known here"):
            codec.decode("ticket", written.value, said)


def test_a_type_not_known_here_may_yet_come(app: App) -> None:
    written = app(ticket=TICKET).encode("ticket", GOOD)
    for codec in (Codec(), app(other=OLD)):
        with pytest.raises(UnknownSchema, match="not known here"):
            codec.decode("ticket", written.value, headers(written.dataschema))


def stamp(unit: str) -> dict[str, Any]:
    field = {"name": "at", "type": {"type": "long", "logicalType": f"timestamp-{unit}"}}
    return {"type": "record", "name": "Stamp", "fields": [field]}


def test_the_digest_tells_apart_what_the_fingerprint_cannot(app: App) -> None:
    at = datetime(2026, 1, 2, tzinfo=UTC)
    micros = app(stamp=stamp("micros")).encode("stamp", {"at": at})
    millis = app(stamp=stamp("millis")).encode("stamp", {"at": at})
    assert micros.value is not None
    assert millis.value is not None
    assert micros.value[:10] == millis.value[:10]
    assert micros.dataschema != millis.dataschema
    with pytest.raises(UnknownSchema):  # the fingerprint is known, the schema that was named is not
        app(stamp=stamp("millis")).decode("stamp", micros.value, headers(micros.dataschema))
    codec = app({("stamp", 1): stamp("micros")}, stamp=stamp("millis"))
    assert codec.decode("stamp", millis.value, headers(millis.dataschema)) == {"at": at}
    assert codec.decode("stamp", micros.value, headers(micros.dataschema)) == {"at": at}


def test_the_digest_does_not_depend_on_layout_or_doc() -> None:
    tidy = avro.parse("x", json.dumps(TICKET).encode())
    fields = [dict(reversed(field.items())) | {"doc": "a word"} for field in TICKET["fields"]]
    other = avro.parse("x", json.dumps({"doc": "more", **TICKET, "fields": fields}, indent=4).encode())
    assert tidy.digest == other.digest
    changed = [{**field, "default": "LOW"} if field["name"] == "priority" else field for field in TICKET["fields"]]
    assert avro.parse("x", json.dumps({**TICKET, "fields": changed}).encode()).digest != tidy.digest


def test_a_field_called_doc_counts() -> None:
    fields = [{"name": "doc", "type": "string", "default": "a"}]
    one = {"type": "record", "name": "R", "fields": fields}
    two = {"type": "record", "name": "R", "fields": [{**fields[0], "default": "b"}]}
    assert avro.digest(one) != avro.digest(two)


def test_history_is_asked_newest_first(app: App) -> None:
    codec = app({("stamp", 9): stamp("millis"), ("stamp", 10): stamp("micros")}, stamp=OLD)
    written = app(stamp=stamp("micros")).encode("stamp", {"at": datetime(2026, 1, 2, tzinfo=UTC)})
    assert written.value is not None
    found = codec._schemas.by_fingerprint("stamp", written.value[2:10])
    assert found is not None
    assert formats.urn(found) == written.dataschema


def test_a_foreign_dataschema_is_no_hindrance(app: App) -> None:
    codec = app(ticket=TICKET)
    said = [("ce_dataschema", b"https://bank.example/schemas/ticket")]
    assert codec.decode("ticket", codec.encode("ticket", GOOD).value, said) == GOOD


# --- bytes that are not what they should be


def test_damaged_bytes_of_a_known_schema_are_undecodable(app: App) -> None:
    codec = app(ticket=TICKET)
    value = codec.encode("ticket", GOOD).value
    assert value is not None
    for damaged in (value[:-1], value + b"x", value[:10], value[:10] + b"\xff" * 20):
        with pytest.raises(Undecodable):
            codec.decode("ticket", damaged)


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(tail: bytes) -> None:
    schema = avro.parse("ticket", json.dumps(TICKET).encode())
    with contextlib.suppress(Undecodable):
        avro.read(schema, None, tail)
