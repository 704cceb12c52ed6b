"""Avro: single-object encoding, schemas by digest or fingerprint, records of older schemas, plain JSON that fits."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from avro_tickets import GOOD, TICKET, App, codecs, headers
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import Undecodable, Unencodable, UnknownSchema
from penstock.schema import avro
from penstock.schema.avro import Schema
from penstock.schema.codec import Codec
from penstock.topology.model import Topic, Topology


@pytest.fixture
def app(tmp_path: Path) -> App:
    return codecs(tmp_path)


def test_the_value_is_single_object_encoded(app: App) -> None:
    value, content_type, dataschema = app(ticket=TICKET).encode("ticket", GOOD)
    assert value is not None
    assert value[:2] == b"\xc3\x01"
    assert content_type == "application/avro"
    schema = avro.parse("ticket", json.dumps(TICKET).encode())
    assert value[2:10] == schema.fingerprint
    assert dataschema == f"urn:penstock:schema:ticket:{schema.digest}"


def test_the_fingerprint_is_the_specifications() -> None:
    # CRC-64-AVRO of "int" is 0x7275d51a3f395c8f in the Avro specification's own test data, little-endian on the wire
    assert avro.parse("n", b'"int"').fingerprint == (0x7275D51A3F395C8F).to_bytes(8, "little")


def test_data_comes_back_as_python_values(app: App) -> None:
    codec = app(ticket=TICKET)
    value, _, dataschema = codec.encode("ticket", GOOD)
    assert codec.decode("ticket", value, headers(dataschema)) == GOOD
    assert codec.decode("ticket", value) == GOOD  # by fingerprint


def test_a_type_without_a_schema_beside_one_with_is_json(app: App) -> None:
    assert app(ticket=TICKET).encode("other", {"a": 1}).value == b'{"a":1}'


@dataclasses.dataclass
class Ticket:
    id: str
    priority: str
    at: Any
    fee: Any


class Level(Enum):
    HIGH = "HIGH"


def test_dataclasses_texts_and_defaults_are_fitted_to_the_schema(app: App) -> None:
    codec = app(ticket=TICKET)
    loose = Ticket("t-1", Level.HIGH, "2026-01-02T03:04:05Z", "12.5")  # type: ignore[arg-type]
    back = codec.decode("ticket", codec.encode("ticket", loose).value)
    assert back == {**GOOD, "tries": None, "tags": [], "notes": {}}


@pytest.mark.parametrize(
    ("change", "path", "word"),
    [
        ({"id": 5}, "data.id", "string"),
        ({"id": "\ud800"}, "data.id", "string"),
        ({"priority": "MID"}, "data.priority", "LOW, HIGH"),
        ({"tries": 1 << 31}, "data.tries", "int"),
        ({"tries": True}, "data.tries", "int"),
        ({"at": "yesterday"}, "data.at", "ISO 8601"),
        ({"at": date(2026, 1, 1)}, "data.at", "timestamp-millis"),
        ({"fee": Decimal("1.234")}, "data.fee", "2 of them after the point"),
        ({"fee": Decimal("12345.67")}, "data.fee", "6 digits"),
        ({"fee": 1.5}, "data.fee", "decimal"),
        ({"tags": ["a", 1]}, "data.tags[1]", "string"),
        ({"tags": "ab"}, "data.tags", "array"),
        ({"notes": {"x": "y"}}, "data.notes.x", "double"),
        ({"notes": 3}, "data.notes", "map"),
        ({"stray": 1}, "data.stray", "not a field"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_path(app: App, change: dict[str, Any], path: str, word: str) -> None:
    with pytest.raises(Unencodable) as caught:
        app(ticket=TICKET).encode("ticket", {**GOOD, **change})
    assert caught.value.message.startswith(f"{path} ")
    assert word in caught.value.message


def test_a_missing_field_is_named(app: App) -> None:
    with pytest.raises(Unencodable, match=r"data\.id is missing"):
        app(ticket=TICKET).encode("ticket", {key: value for key, value in GOOD.items() if key != "id"})


def test_a_value_that_is_no_record_is_refused(app: App) -> None:
    with pytest.raises(Unencodable, match="wants a record Ticket"):
        app(ticket=TICKET).encode("ticket", [1])


# --- plain JSON on a typed topic


def test_plain_json_that_fits_is_taken_as_the_avro_reader_would_give_it(app: App) -> None:
    value = b'{"id":"t-1","priority":"HIGH","at":"2026-01-02T03:04:05Z","fee":"12.50","newer":true}'
    expected = {**GOOD, "tries": None, "tags": [], "notes": {}}
    assert app(ticket=TICKET).decode("ticket", value, [("content-type", b"application/json")]) == expected


@pytest.mark.parametrize("value", [b'{"id":3}', b"[]", b"null", b"{", b"\xc3\x01"])
def test_json_that_does_not_fit_is_undecodable(app: App, value: bytes) -> None:
    codec = app(ticket=TICKET)
    if value == b"null":
        assert codec.decode("ticket", value) is None
    else:
        with pytest.raises(Undecodable):
            codec.decode("ticket", value)


def test_every_logical_type_has_its_plain_spelling(app: App) -> None:
    kinds = {
        "day": ({"type": "int", "logicalType": "date"}, "2026-01-02", date(2026, 1, 2)),
        "millis": ({"type": "int", "logicalType": "time-millis"}, "03:04:05", time(3, 4, 5)),
        "micros": ({"type": "long", "logicalType": "time-micros"}, "03:04:05", time(3, 4, 5)),
        "local": (
            {"type": "long", "logicalType": "local-timestamp-millis"},
            "2026-01-02T03:04:05",
            datetime(2026, 1, 2, 3, 4, 5),  # noqa: DTZ001
        ),
        "uuid": ({"type": "string", "logicalType": "uuid"}, str(UUID(int=1)), UUID(int=1)),
        "fixed": (
            {"type": "fixed", "name": "F", "size": 8, "logicalType": "decimal", "precision": 9, "scale": 2},
            "-1.5",
            Decimal("-1.50"),
        ),
        "either": (["null", {"type": "long", "logicalType": "timestamp-micros"}, "string"], "2026-01-02", "2026-01-02"),
    }
    schema = {
        "type": "record",
        "name": "All",
        "fields": [{"name": name, "type": kind} for name, (kind, _, _) in kinds.items()],
    }
    codec = app(all=schema)
    said = {name: plain for name, (_, plain, _) in kinds.items()}
    expected = {name: value for name, (_, _, value) in kinds.items()}
    assert codec.decode("all", json.dumps(said).encode()) == expected
    assert codec.decode("all", codec.encode("all", expected).value) == expected


def test_a_named_type_may_be_used_again_and_inside_itself(app: App) -> None:
    node = {
        "type": "record",
        "name": "Node",
        "fields": [{"name": "n", "type": "int"}, {"name": "next", "type": ["null", "Node"], "default": None}],
    }
    codec = app(node=node)
    chain = {"n": 1, "next": {"n": 2, "next": None}}
    assert codec.decode("node", codec.encode("node", chain).value) == chain
    with pytest.raises(Unencodable, match=r"data\.next\.n is 'x'"):
        codec.encode("node", {"n": 1, "next": {"n": "x"}})


@given(
    st.fixed_dictionaries(
        {
            "id": st.text(st.characters(exclude_categories=["Cs"])),
            "priority": st.sampled_from(["LOW", "HIGH"]),
            "tries": st.none() | st.integers(-(1 << 31), (1 << 31) - 1),
            "at": st.integers(-(10**12), 10**12).map(
                lambda ms: datetime.fromtimestamp(ms // 1000, UTC).replace(microsecond=ms % 1000 * 1000)
            ),
            "fee": st.integers(-999_999, 999_999).map(lambda cents: Decimal(cents).scaleb(-2)),
            "tags": st.lists(st.text(st.characters(exclude_categories=["Cs"]))),
            "notes": st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), st.floats(allow_nan=False)),
        }
    )
)
def test_whatever_fits_the_schema_round_trips(data: dict[str, Any]) -> None:
    schema = avro.parse("ticket", json.dumps(TICKET).encode())
    assert schema.read(schema.body(data), None) == data


# --- files


def test_a_schema_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.avsc").write_text('{"type": "recrod"}')
    types = {"gone": Path("gone.avsc"), "bad": Path("bad.avsc")}
    codec = Codec(Topology(name="app", directory=tmp_path, topics={"t": Topic(name="t", types=types)}))
    for type_ in types:
        with pytest.raises(Unencodable, match=rf"{type_}\.avsc"):
            codec.encode(type_, {})
        with pytest.raises(UnknownSchema, match=rf"{type_}\.avsc"):
            codec.decode(type_, b"{}")


def test_a_codec_takes_schemas_from_elsewhere() -> None:
    schema = avro.parse("n", b'"int"')

    class Registry:
        types = frozenset({"n"})

        def current(self, type_: str) -> Schema:
            return schema

        def by_digest(self, type_: str, digest: str) -> Schema | None:
            return schema if digest == schema.digest else None

        def by_fingerprint(self, type_: str, fingerprint: bytes) -> Schema | None:
            return None

    codec = Codec(schemas=Registry())
    value, _, dataschema = codec.encode("n", 7)
    assert codec.decode("n", value, headers(dataschema)) == 7


def test_fastavro_is_not_loaded_for_json() -> None:
    script = (
        "import sys; from penstock.schema.codec import Codec; Codec().encode('', 1); print('fastavro' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_type_of_what_is_sent_is_the_topics() -> None:
    path = Path("x.avsc")
    topics = {
        "one": Topic(name="one", type="a"),
        "sole": Topic(name="sole", types={"b": path}),
        "many": Topic(name="many", types={"b": path, "c": path}),
        "none": Topic(name="none"),
    }
    codec = Codec(Topology(name="app", topics=topics))
    assert [codec.type_for(topic) for topic in ("one", "sole", "none", "unheard-of")] == ["a", "b", "", ""]
    assert codec.type_for("one", "z") == "z"
    with pytest.raises(Unencodable, match="several event types: b, c"):
        codec.type_for("many")
