"""Confluent's serializer puts a schema's GUID into a header; a worker reads what it wrote, with the schema it names.

Apicurio 3.3 offers no GUIDs (the last test holds it to that), so they are added to its answers: guid_registry.py.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.schema_registry import SchemaRegistryClient, header_schema_id_serializer
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.serialization import MessageField, SerializationContext
from guid_registry import guid_of, with_guids

from penstock.broker.kafka.keeper import KafkaBroker
from penstock.clock import SystemClock
from penstock.deploy.apply import apply
from penstock.deploy.observe import make_plan
from penstock.engine.assembly import build
from penstock.engine.handler import adapt
from penstock.event import Event
from penstock.topology.reader import read

OLD = {"type": "record", "name": "Order", "fields": [{"name": "id", "type": "string"}]}
NEW = {**OLD, "fields": [*OLD["fields"], {"name": "sum", "type": "int", "default": 0}]}  # type: ignore[misc]


def test_what_the_serializer_wrote_a_handler_gets(tmp_path: Path, kafka: str, registry: str) -> None:
    with with_guids(registry) as url:
        name = f"guids-{uuid.uuid4().hex[:8]}"
        (tmp_path / "order.avsc").write_text(json.dumps(NEW))
        (tmp_path / "topology.yaml").write_text(
            f"version: 1\nname: {name}\nkafka: {{ bootstrap.servers: '{kafka}' }}\n"
            f"schema_registry: {{ url: '{url}' }}\n"
            f"topics: {{ {name}.orders: {{ partitions: 1, type: order.placed, schema: order.avsc }} }}\n"
            f"processors: {{ billing: {{ handler: 'm:f', topics: [{name}.orders] }} }}\n"
        )
        topology = read(tmp_path / "topology.yaml", {})
        asyncio.run(_apply(topology))
        headers: list[tuple[str, bytes]] = []
        where = SerializationContext(f"{name}.orders", MessageField.VALUE, headers)
        with SchemaRegistryClient({"url": url, "timeout": 20}) as client:
            serialize = AvroSerializer(
                client, json.dumps(OLD), conf={"schema.id.serializer": header_schema_id_serializer}
            )
            value = serialize({"id": "o-1"}, where)
        ((header, said),) = headers
        assert header == "__value_schema_id"
        assert len(said) == 17
        assert value == b"\x06o-1", "the value is the body alone"
        producer = Producer({"bootstrap.servers": kafka})
        producer.produce(f"{name}.orders", value, headers=headers)
        assert producer.flush(30) == 0
        assert asyncio.run(_handled(topology)) == {"id": "o-1", "sum": 0}


async def _apply(topology: Any) -> None:
    broker = KafkaBroker(topology.kafka)
    await apply(await make_plan(topology, broker.admin()), broker.admin(), lambda _step: None)
    await broker.close()


async def _handled(topology: Any) -> Any:
    got: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def bill(event: Event[Any]) -> None:
        got.set_result(event.data)

    broker = KafkaBroker(topology.kafka)
    processor = topology.processors["billing"]
    worker = await build(topology, processor, adapt(bill, processor), broker, SystemClock())
    running = asyncio.create_task(worker.run())
    async with asyncio.timeout(60):
        found = await got
    worker.stop()
    await running
    await broker.close()
    return found


def test_the_registry_itself_has_no_guids(registry: str) -> None:
    """When this fails, the registry has learned it: then guid_registry.py can go."""
    with (
        SchemaRegistryClient({"url": registry, "timeout": 20}) as client,
        pytest.raises(SchemaRegistryError) as refused,
    ):
        client.get_schema_by_guid(guid_of(1))
    assert refused.value.http_status_code == 404
