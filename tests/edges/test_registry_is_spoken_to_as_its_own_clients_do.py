"""A real registry: what penstock writes its own deserializers read, what its serializers write penstock reads."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from confluent_kafka import Consumer, Producer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONDeserializer, JSONSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from penstock import Event, Publisher
from penstock.broker.kafka.keeper import KafkaBroker
from penstock.cli.main import cli
from penstock.clock import SystemClock
from penstock.engine.assembly import build
from penstock.engine.handler import adapt
from penstock.topology.model import Topology
from penstock.topology.reader import read

OLD = {"type": "record", "name": "Order", "fields": [{"name": "id", "type": "string"}]}
NEW = {**OLD, "fields": [*OLD["fields"], {"name": "sum", "type": "int", "default": 0}]}  # type: ignore[misc]
BAD = {**OLD, "fields": [*OLD["fields"], {"name": "sum", "type": "int"}]}  # type: ignore[misc]
TITLED = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "title": "Refund",
    "type": "object",
    "required": ["id"],
    "properties": {"id": {"type": "string"}},
}


@pytest.fixture
def app(tmp_path: Path, kafka: str, registry: str) -> Callable[[Any], Topology]:
    """A topology whose topics nobody else uses, applied; `app(schema)` says the Avro schema of its orders."""
    name = f"shop-{uuid.uuid4().hex[:8]}"
    (tmp_path / "schemas").mkdir()

    def make(schema: Any) -> Topology:
        (tmp_path / "schemas" / "order.avsc").write_text(json.dumps(schema, indent=2))
        (tmp_path / "schemas" / "refund.json").write_text(json.dumps(TITLED))
        (tmp_path / "topology.yaml").write_text(
            f"version: 1\nname: {name}\nkafka: {{ bootstrap.servers: '{kafka}' }}\n"
            f"schema_registry: {{ url: '{registry}' }}\ntopics:\n"
            f"  {name}.orders: {{ partitions: 1, type: order.placed, schema: schemas/order.avsc }}\n"
            f"  {name}.refunds: {{ partitions: 1, type: order.refunded, schema: schemas/refund.json }}\n"
            f"processors:\n  billing: {{ handler: 'handlers:bill', topics: [{name}.orders] }}\n"
        )
        return read(tmp_path / "topology.yaml", {})

    return make


@pytest.fixture
def client(registry: str) -> Iterator[SchemaRegistryClient]:
    # An answer that the registry lost (seen once) is asked for again; without a timeout this client waits for ever.
    with SchemaRegistryClient({"url": registry, "timeout": 20}) as found:
        yield found


def penstock(topology: Topology, *words: str) -> Any:
    return CliRunner().invoke(cli, [*words, "-f", str(topology.path)], catch_exceptions=False)


def orders(topology: Topology) -> str:
    return f"{topology.name}.orders"


def read_back(kafka: str, topic: str, count: int) -> list[Any]:
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": uuid.uuid4().hex, "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    found = []
    for _ in range(600):
        message = consumer.poll(0.1)
        if message is not None and not message.error():
            found.append(message)
        if len(found) == count:
            break
    consumer.close()
    return found


def test_what_penstock_writes_the_registrys_deserializers_read(
    app: Callable[[Any], Topology], kafka: str, client: SchemaRegistryClient
) -> None:
    topology = app(NEW)
    assert "schema of order.placed  registered" in penstock(topology, "plan").stdout
    assert penstock(topology, "apply", "--yes").exit_code == 0
    with Publisher(topology) as publisher:
        publisher.send(orders(topology), {"id": "o-1", "sum": 7}, key="k")
        publisher.send(f"{topology.name}.refunds", {"id": "r-1"})
    (message,) = read_back(kafka, orders(topology), 1)
    where = SerializationContext(message.topic(), MessageField.VALUE, message.headers())
    assert AvroDeserializer(client)(message.value(), where) == {"id": "o-1", "sum": 7}
    (message,) = read_back(kafka, f"{topology.name}.refunds", 1)
    where = SerializationContext(message.topic(), MessageField.VALUE, message.headers())
    assert JSONDeserializer(json.dumps(TITLED), schema_registry_client=client)(message.value(), where) == {"id": "r-1"}


def handled(topology: Topology, count: int) -> list[Any]:
    """What a worker's handler gets, on the real Kafka."""

    async def main() -> list[Any]:
        got: list[Any] = []
        full = asyncio.Event()

        async def bill(event: Event[Any]) -> None:
            got.append((event.type, event.data))
            if len(got) == count:
                full.set()

        broker = KafkaBroker(topology.kafka)
        processor = topology.processors["billing"]
        worker = await build(topology, processor, adapt(bill, processor), broker, SystemClock())
        running = asyncio.create_task(worker.run())
        async with asyncio.timeout(60):
            await full.wait()
        worker.stop()
        await running
        await broker.close()
        return got

    return asyncio.run(main())


def test_what_the_registrys_serializers_write_a_handler_gets_in_todays_shape(
    app: Callable[[Any], Topology], kafka: str, client: SchemaRegistryClient
) -> None:
    """Last month's schema, written by another program: the worker asks the registry beside its loop, once."""
    topology = app(NEW)
    topic = orders(topology)
    producer = Producer({"bootstrap.servers": kafka})
    where = SerializationContext(topic, MessageField.VALUE)
    last_month = AvroSerializer(client, json.dumps(OLD))
    assert penstock(topology, "apply", "--yes").exit_code == 0
    for n in range(20):
        producer.produce(topic, last_month({"id": f"o-{n}"}, where))
    producer.produce(topic, b'{"id": "plain"}')
    assert producer.flush(30) == 0
    got = handled(topology, 21)
    assert sorted(data["id"] for _, data in got) == sorted([*(f"o-{n}" for n in range(20)), "plain"])
    assert {(type_, data["sum"]) for type_, data in got} == {("order.placed", 0)}


def test_json_schema_values_of_the_registrys_serializer_are_read(
    app: Callable[[Any], Topology], client: SchemaRegistryClient
) -> None:
    from penstock.record import Record
    from penstock.schema.codec import Codec
    from penstock.schema.envelope import Opener

    topology = app(NEW)
    topic = f"{topology.name}.refunds"
    write = JSONSerializer(json.dumps(TITLED), client)
    value = write({"id": "r-9"}, SerializationContext(topic, MessageField.VALUE))
    assert value is not None
    assert value[:1] == b"\0"
    assert Opener(topology, "g", Codec(topology)).open(Record(topic, 0, 0, 0, None, value)).data == {"id": "r-9"}


def test_a_change_that_breaks_readers_is_refused_by_name(
    app: Callable[[Any], Topology], client: SchemaRegistryClient
) -> None:
    topology = app(OLD)
    assert penstock(topology, "apply", "--yes").exit_code == 0
    client.set_compatibility(f"{orders(topology)}-value", "BACKWARD")
    topology = app(BAD)
    planned = penstock(topology, "plan")
    assert planned.exit_code == 1
    assert f"incompatible (it would break billing on {orders(topology)})" in planned.stdout
    assert penstock(topology, "schemas", "check").exit_code == 1
    added = penstock(topology, "schemas", "add")
    assert added.exit_code == 1
    assert not (topology.directory / "schemas" / "history").exists()
    assert client.get_versions(f"{orders(topology)}-value") == [1]
    topology = app(NEW)
    assert penstock(topology, "schemas", "check").exit_code == 0
    assert "registered with id" in penstock(topology, "schemas", "add").stdout
    assert "version 2" in penstock(topology, "schemas", "ls").stdout
