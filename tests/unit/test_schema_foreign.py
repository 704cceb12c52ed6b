"""Records of other programs: Debezium, Connect JSON with its schema, the CloudEvents SDK both ways, bare bytes."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from cloudevents.core.bindings import kafka as sdk
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from penstock.broker.in_memory import InMemoryBroker
from penstock.clock import SystemClock
from penstock.errors import Undecodable
from penstock.event import Event
from penstock.publisher.events import Events
from penstock.record import Record
from penstock.schema.codec import Codec
from penstock.schema.envelope import Opener
from penstock.topology.model import Topic, Topology

ROW = {"id": 7, "name": "Ada"}


def opener(**topic: Any) -> Opener:
    topology = Topology(name="app", topics={"t": Topic(name="t", **topic)})
    return Opener(topology, "app.g", Codec(topology))


def record(value: Any, headers: Any = ()) -> Record:
    raw = value if isinstance(value, bytes | None) else json.dumps(value).encode()
    return Record("t", 0, 0, 1_700_000_000_000, b"k", raw, headers)


def change(op: str, before: Any, after: Any) -> dict[str, Any]:
    source = {"schema": "public", "table": "customers", "ts_ms": 1767225600000, "lsn": 3}
    return {"before": before, "after": after, "op": op, "ts_ms": 1767225600500, "source": source, "transaction": None}


@pytest.mark.parametrize(
    ("op", "before", "after", "expected"),
    [("c", None, ROW, ROW), ("u", {"id": 7}, ROW, ROW), ("r", None, ROW, ROW), ("d", ROW, None, ROW)],
)
@pytest.mark.parametrize("with_schema", [True, False])
def test_a_debezium_change_becomes_its_row(op: str, before: Any, after: Any, expected: Any, with_schema: bool) -> None:
    value: Any = change(op, before, after)
    if with_schema:
        fields = [{"field": name, "type": "struct", "optional": True, "fields": FIELDS} for name in ("before", "after")]
        fields += [{"field": "op", "type": "string"}, {"field": "source", "type": "struct", "fields": SOURCE}]
        value = {
            "schema": {"type": "struct", "name": "pg.public.customers.Envelope", "fields": fields},
            "payload": value,
        }
    event: Event[Any] = opener(unwrap="debezium", type="customer.changed").open(record(value))
    assert event.data == expected
    assert (event.type, event.subject) == ("customer.changed", "public.customers")
    assert event.headers["debezium-op"] == op.encode()
    assert event.time == datetime(2026, 1, 1, tzinfo=UTC)
    assert opener(unwrap="debezium").open(record(value)).type == "customers"


FIELDS = [{"field": "id", "type": "int32"}, {"field": "name", "type": "string", "optional": True}]
SOURCE = [
    {"field": "schema", "type": "string"},
    {"field": "table", "type": "string"},
    {"field": "ts_ms", "type": "int64"},
]


def test_a_tombstone_after_a_delete_has_no_data_and_what_is_no_envelope_is_undecodable() -> None:
    assert opener(unwrap="debezium").open(record(None)).data is None
    with pytest.raises(Undecodable, match="no Debezium envelope"):
        opener(unwrap="debezium").open(record(ROW))


def test_connect_json_gives_pythons_types_by_the_schema_beside_it() -> None:
    fields = [
        {"field": "id", "type": "int64"},
        {
            "field": "price",
            "type": "bytes",
            "name": "org.apache.kafka.connect.data.Decimal",
            "parameters": {"scale": "2"},
        },
        {"field": "day", "type": "int32", "name": "org.apache.kafka.connect.data.Date"},
        {"field": "at", "type": "int64", "name": "org.apache.kafka.connect.data.Timestamp"},
        {"field": "micro", "type": "int64", "name": "io.debezium.time.MicroTimestamp", "optional": True},
        {"field": "raw", "type": "bytes"},
        {"field": "tags", "type": "array", "items": {"type": "string"}},
        {"field": "by", "type": "map", "keys": {"type": "string"}, "values": {"type": "int32"}},
        {"field": "gone", "type": "string", "optional": True, "default": "-"},
    ]
    payload = {"id": 1, "price": "BNI=", "day": 20454, "at": 1767225600000, "micro": None, "raw": "AP8="}
    payload |= {"tags": ["a"], "by": {"x": 1}}
    value = {"schema": {"type": "struct", "fields": fields}, "payload": payload}
    assert opener(unwrap="connect").open(record(value)).data == {
        "id": 1,
        "price": Decimal("12.34"),
        "day": date(2026, 1, 1),
        "at": datetime(2026, 1, 1, tzinfo=UTC),
        "micro": None,
        "raw": b"\x00\xff",
        "tags": ["a"],
        "by": {"x": 1},
        "gone": "-",
    }
    assert opener(unwrap="connect").open(record(ROW)).data == ROW
    with pytest.raises(Undecodable, match="does not fit the Connect schema"):
        opener(unwrap="connect").open(record({"schema": {"type": "struct", "fields": fields}, "payload": {"raw": "?"}}))


def test_what_was_inside_is_held_to_the_topics_schema(tmp_path: Path) -> None:
    fields = [{"name": "id", "type": "int"}, {"name": "name", "type": "string"}]
    (tmp_path / "c.avsc").write_text(json.dumps({"type": "record", "name": "C", "fields": fields}))
    found = opener(unwrap="debezium", type="customer.changed", schema=tmp_path / "c.avsc")
    assert found.open(record(change("c", None, {**ROW, "more": 1}))).data == ROW
    with pytest.raises(Undecodable, match=r"data\.id"):
        found.open(record(change("c", None, {"id": "x", "name": ""})))


def message(found: Record) -> sdk.KafkaMessage:
    headers = {name: value for name, value in found.headers if value is not None}
    return sdk.KafkaMessage(headers=headers, key=found.key, value=found.value or b"")


async def _sent(broker: InMemoryBroker) -> Record:
    from penstock import AsyncPublisher
    from penstock.broker.contract import NewTopic

    await broker.admin().create_topics([NewTopic("t", 1)])
    async with AsyncPublisher(broker=broker, source="/shop") as publisher:
        await publisher.send("t", {"a": 1}, key="k", id="e-1", type="order.placed", subject="o-1", tenant="acme")
    return broker.records("t")[0]


def test_the_cloudevents_sdk_reads_what_a_publisher_sends() -> None:
    import asyncio

    event = sdk.from_kafka_event(message(asyncio.run(_sent(InMemoryBroker(SystemClock())))))
    assert (event.get_id(), event.get_type(), event.get_source()) == ("e-1", "order.placed", "/shop")
    assert (event.get_subject(), event.get_data()) == ("o-1", {"a": 1})
    assert event.get_datacontenttype() == "application/json"
    assert event.get_extension("tenantid") == "acme"
    assert event.get_extension("partitionkey") == "k"
    assert isinstance(event.get_time(), datetime)


@pytest.mark.parametrize("to", [sdk.to_binary, sdk.to_structured])
def test_what_the_cloudevents_sdk_writes_is_read(to: Any) -> None:
    attributes = {"id": "e-2", "type": "order.placed", "source": "/them", "subject": "o-2", "tenantid": "acme"}
    attributes |= {"time": datetime(2026, 1, 1, tzinfo=UTC), "datacontenttype": "application/json", "partitionkey": "k"}
    written = to(CloudEvent(attributes, {"a": [1, "ü"]}), JSONFormat())
    key = written.key.encode() if isinstance(written.key, str) else written.key
    event = opener().open(Record("t", 0, 0, 0, key, written.value, list(written.headers.items())))
    assert (event.id, event.type, event.source, event.subject) == ("e-2", "order.placed", "/them", "o-2")
    assert (event.data, event.tenant, event.key) == ({"a": [1, "ü"]}, "acme", "k")
    assert event.time == datetime(2026, 1, 1, tzinfo=UTC)


def test_bare_bytes_without_any_header_are_an_event_of_the_topics_type() -> None:
    event = opener(type="line.read").open(record(b'{"a": 1}'))
    assert (event.type, event.data, event.id) == ("line.read", {"a": 1}, "t/0@0")


def test_a_publishers_events_carry_a_trace_that_the_sdk_leaves_alone() -> None:
    sealed = Events(None, "/s", SystemClock()).seal("t", {}, None, {})
    assert dict(sealed.headers)["traceparent"].startswith(b"00-")  # type: ignore[union-attr]
