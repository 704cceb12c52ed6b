"""The registry's wire format and its answers: subjects, ids kept, what is away or unknown, GUIDs. The client is a stub.

The real registry is asked in tests/edges; here its answers can be made to fail.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self
from uuid import UUID

import pytest
from confluent_kafka.schema_registry.error import SchemaRegistryError

from penstock.errors import PenstockError, TopologyError, Undecodable, UnknownSchema
from penstock.record import Record
from penstock.schema import avro
from penstock.schema.codec import Codec
from penstock.schema.envelope import Opener
from penstock.schema.registry import PATIENT, PAUSE, TIMEOUT, Registry
from penstock.topology.kafka_secrets import revealed
from penstock.topology.model import SchemaRegistry, Topic, Topology
from penstock.topology.reader import read_text

OLD = {"type": "record", "name": "T", "namespace": "shop", "fields": [{"name": "a", "type": "int"}]}
NEW = {**OLD, "fields": [*OLD["fields"], {"name": "b", "type": "string", "default": "-"}]}  # type: ignore[misc]
GUID = "6f1d3a52-6c0b-4d0e-9d0f-0b6f3f9f7c11"


class Client:
    """Stands where Confluent's client does: schemas by id and GUID, ids by subject; every question is noted."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.schemas: dict[Any, Any] = {7: OLD, 8: NEW, GUID: OLD}
        self.failing: Exception | None = None

    def _answer(self, question: Any) -> None:
        self.asked.append(question)
        if self.failing:
            raise self.failing

    def get_schema(self, number: int) -> Any:
        self._answer(number)
        if number not in self.schemas:
            raise SchemaRegistryError(404, 40403, "Schema not found")
        return SimpleNamespace(schema_str=json.dumps(self.schemas[number]), schema_type="AVRO")

    get_schema_by_guid = get_schema

    def lookup_schema(self, subject: str, schema: Any) -> Any:
        self._answer(subject)
        if subject == "absent-value":
            raise SchemaRegistryError(404, 40401, "Subject not found")
        return SimpleNamespace(schema_id=8)


class Time:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def client() -> Client:
    return Client()


@pytest.fixture
def time() -> Time:
    return Time()


def codec(tmp_path: Path, client: Client, time: Time, *, waits: bool = True) -> Codec:
    (tmp_path / "t.avsc").write_text(json.dumps(NEW))
    topics = {name: Topic(name=name, type="t", schema=tmp_path / "t.avsc") for name in ("orders", "absent")}
    topology = Topology(name="app", directory=tmp_path, topics=topics)
    return Codec(topology, registry=Registry(SchemaRegistry(url="http://r"), client, time), waits=waits)


def framed(number: int, data: Any = None, schema: Any = OLD) -> bytes:
    return b"\0" + number.to_bytes(4, "big") + avro.parse("t", json.dumps(schema).encode()).body(data or {"a": 1})


def test_values_are_framed_and_each_question_is_asked_once(tmp_path: Path, client: Client, time: Time) -> None:
    found = codec(tmp_path, client, time)
    encoded = [found.encode("t", {"a": n, "b": "x"}, "orders") for n in range(3)]
    assert [one.value[:5] for one in encoded if one.value] == [b"\0\0\0\0\x08"] * 3
    assert (encoded[0].content_type, encoded[0].dataschema) == ("application/avro", None)
    assert [found.decode("t", one.value) for one in encoded] == [{"a": n, "b": "x"} for n in range(3)]
    assert client.asked == ["orders-value"]  # the id learned by writing is known for reading too


def test_an_older_writer_is_read_as_the_current_schema_sees_it(tmp_path: Path, client: Client, time: Time) -> None:
    found = codec(tmp_path, client, time)
    assert [found.decode("t", framed(7)) for _ in range(3)] == [{"a": 1, "b": "-"}] * 3
    assert client.asked == [7]


def test_a_guid_in_the_header_is_read(tmp_path: Path, client: Client, time: Time) -> None:
    found = codec(tmp_path, client, time)
    topology = Topology(name="app", topics={"orders": Topic(name="orders", type="t")})
    body = framed(0)[5:]
    record = Record("orders", 0, 0, 0, None, body, [("__value_schema_id", b"\x01" + UUID(GUID).bytes)])
    assert Opener(topology, "g", found).open(record).data == {"a": 1, "b": "-"}
    record = Record("orders", 0, 0, 0, None, body, [("__value_schema_id", b"\0\0\0\0\x07")])
    assert Opener(topology, "g", found).open(record).data == {"a": 1, "b": "-"}
    with pytest.raises(Undecodable, match="__value_schema_id"):
        Opener(topology, "g", found).open(Record("orders", 0, 0, 0, None, body, [("__value_schema_id", b"\x01?")]))


def test_plain_json_that_fits_is_taken_beside_framed_values(tmp_path: Path, client: Client, time: Time) -> None:
    assert codec(tmp_path, client, time).decode("t", b'{"a": 3}') == {"a": 3, "b": "-"}
    assert client.asked == []


def test_an_event_loop_gets_the_question_instead_of_waiting(tmp_path: Path, client: Client, time: Time) -> None:
    found = codec(tmp_path, client, time, waits=False)
    with pytest.raises(UnknownSchema) as caught:
        found.decode("t", framed(7))
    assert client.asked == []
    assert caught.value.fetch is not None
    caught.value.fetch()
    assert found.decode("t", framed(7)) == {"a": 1, "b": "-"}


def test_an_unknown_id_is_asked_for_again_after_a_pause(tmp_path: Path, client: Client, time: Time) -> None:
    found = codec(tmp_path, client, time)
    for _ in range(3):
        with pytest.raises(UnknownSchema, match="no schema 9"):
            found.decode("t", framed(9))
    assert client.asked == [9]
    client.schemas[9] = OLD
    time.now += PAUSE + 1
    assert found.decode("t", framed(9)) == {"a": 1, "b": "-"}


def test_a_silent_registry_is_left_alone_and_what_is_known_still_works(
    tmp_path: Path, client: Client, time: Time
) -> None:
    found = codec(tmp_path, client, time)
    found.decode("t", framed(7))
    client.failing = ConnectionError("refused")
    for number in (8, 9, 10):
        with pytest.raises(UnknownSchema, match=r"does not answer|did not answer"):
            found.decode("t", framed(number))
    assert client.asked == [7, 8]
    assert found.decode("t", framed(7)) == {"a": 1, "b": "-"}
    client.failing = None
    time.now += PAUSE + 1
    assert found.decode("t", framed(8, {"a": 1, "b": "z"}, NEW)) == {"a": 1, "b": "z"}


def test_a_schema_that_nobody_registered_says_so(tmp_path: Path, client: Client, time: Time) -> None:
    with pytest.raises(UnknownSchema, match=r"not registered under absent-value.*apply"):
        codec(tmp_path, client, time).encode("t", {"a": 1, "b": ""}, "absent")


@pytest.mark.parametrize(
    ("strategy", "subject"), [("topic", "orders-value"), ("record", "shop.T"), ("topic_record", "orders-shop.T")]
)
def test_subjects_are_named_by_the_registrys_strategies(strategy: str, subject: str) -> None:
    registry = Registry(SchemaRegistry(url="http://r", subjects=strategy))
    assert registry.subject("orders", avro.parse("t", json.dumps(OLD).encode())) == subject
    if strategy != "topic":
        with pytest.raises(PenstockError, match="no record name"):
            registry.subject("orders", avro.parse("t", b'"int"'))


def test_a_password_is_a_reference_and_never_part_of_the_address(tmp_path: Path) -> None:
    text = "version: 1\nname: a\nschema_registry: { url: 'http://u:p@r', username: u, password: literal }\n"
    with pytest.raises(TopologyError) as caught:
        read_text(text, tmp_path / "t.yaml", {})
    assert "carries credentials" in str(caught.value)
    assert "must not stand in this file" in str(caught.value)


@pytest.mark.parametrize("name", ["basic.auth.user.info", "bearer.auth.token", "bearer.auth.client.secret"])
def test_a_secret_among_the_registrys_settings_is_a_reference_too(tmp_path: Path, name: str) -> None:
    text = f"version: 1\nname: a\nschema_registry:\n  url: http://r\n  settings:\n    {name}: %s\n"
    with pytest.raises(TopologyError, match=r"t\.yaml:6:.*must not stand in this file") as caught:
        read_text(text % "u:hunter2", tmp_path / "t.yaml", {})
    assert "hunter2" not in str(caught.value)
    section = read_text(text % "${SECRET}", tmp_path / "t.yaml", {"SECRET": "u:hunter2"}).schema_registry
    assert section is not None
    assert section.settings[name] == "u:hunter2"
    assert "hunter2" not in repr(section)
    section = read_text(text % "file:secret", tmp_path / "t.yaml", {}).schema_registry
    (tmp_path / "secret").write_text("u:hunter2\n")
    assert section is not None
    assert revealed(section.settings)[name] == "u:hunter2"


def test_an_event_waits_two_seconds_for_an_answer_and_a_person_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []

    class Slow(Client):
        def __init__(self, settings: dict[str, Any]) -> None:
            super().__init__()
            asked.append(settings["timeout"])

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            return

    monkeypatch.setattr("confluent_kafka.schema_registry.SchemaRegistryClient", Slow)
    schema = avro.parse("order", json.dumps(OLD).encode())
    for section in (SchemaRegistry(url="http://r"), SchemaRegistry(url="http://r", settings={"timeout": "7"})):
        registry = Registry(section)
        registry.ask_known(lambda _: None)
        assert registry.id_of("orders", schema) == 8
    assert asked == [PATIENT, TIMEOUT, 7.0, 7.0]
