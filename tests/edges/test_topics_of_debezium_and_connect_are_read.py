"""What Debezium captures of a real PostgreSQL, and what Kafka Connect reads of a file, are events like any other."""

from __future__ import annotations

import asyncio
import importlib.util
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from connect_server import ConnectServer

from penstock.broker.kafka.keeper import KafkaBroker
from penstock.deploy.apply import apply
from penstock.deploy.observe import make_plan
from penstock.event import AnyEvent
from penstock.record import TopicPartition
from penstock.schema.codec import Codec
from penstock.schema.envelope import Opener
from penstock.topology.model import Topology
from penstock.topology.reader import read

PATIENCE = 90.0  # seconds; 10 on an idle machine


@pytest.fixture
def topology(tmp_path: Path, kafka: str) -> Topology:
    name = f"cdc{uuid.uuid4().hex[:8]}"
    (tmp_path / "topology.yaml").write_text(
        f"version: 1\nname: {name}\nkafka: {{ bootstrap.servers: '{kafka}' }}\ntopics:\n"
        f"  {name}.public.customer: {{ partitions: 1, type: customer.changed, unwrap: debezium }}\n"
        f"  {name}.lines: {{ partitions: 1, type: line.read, unwrap: connect }}\n"
    )
    found = read(tmp_path / "topology.yaml", {})

    async def main() -> None:
        broker = KafkaBroker(found.kafka)
        await apply(await make_plan(found, broker.admin()), broker.admin(), lambda _step: None)
        await broker.close()

    asyncio.run(main())
    return found


def events(topology: Topology, topic: str) -> list[AnyEvent]:
    """All of a topic's records as a handler gets them; tombstones, which Debezium writes after a delete, left out."""

    async def main() -> list[Any]:
        broker = KafkaBroker(topology.kafka)
        ends = await broker.admin().ends([TopicPartition(f"{topology.name}.{topic}", 0)])
        ranges = {at: (end.low, end.high) for at, end in ends.items()}
        found = [record async for record in broker.reader().scan(ranges)]
        await broker.close()
        return found

    opener = Opener(topology, "g", Codec(topology))
    return [opener.open(record) for record in asyncio.run(main()) if record.value is not None]


def wait_for(topology: Topology, topic: str, count: int, server: ConnectServer) -> list[AnyEvent]:
    deadline = time.monotonic() + PATIENCE
    while len(found := events(topology, topic)) < count:
        assert not server.ended, server.log
        assert time.monotonic() < deadline, server.log
        time.sleep(0.5)
    return found


def sql(dsn: str, *statements: str) -> None:
    import psycopg

    with psycopg.connect(dsn, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def test_topics_of_debezium_and_connect_are_read(
    tmp_path: Path, kafka: str, postgres: str, topology: Topology, absent: Callable[[str], None]
) -> None:
    if missing := ConnectServer.missing():
        absent(missing)
    if importlib.util.find_spec("psycopg") is None:
        absent("the extra `postgres` is not installed")
    sql(postgres, "CREATE TABLE customer (id int PRIMARY KEY, name text, joined date)")
    sql(postgres, "INSERT INTO customer VALUES (1, 'Ada', '2026-01-02')")
    (tmp_path / "lines.txt").write_text("first\nsecond\n")
    address, _, port = postgres.partition("@")[2].partition("/")[0].partition(":")
    captured = {
        "name": "captured",
        "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
        "database.hostname": address,
        "database.port": port,
        "database.user": "postgres",
        "database.dbname": "postgres",
        "plugin.name": "pgoutput",
        "slot.name": topology.name,
        "publication.name": topology.name,
        "publication.autocreate.mode": "filtered",
        "table.include.list": "public.customer",
        "topic.prefix": topology.name,
    }
    lines = {
        "name": "lines",
        "connector.class": "org.apache.kafka.connect.file.FileStreamSourceConnector",
        "file": str(tmp_path / "lines.txt"),
        "topic": f"{topology.name}.lines",
    }
    server = ConnectServer(tmp_path, kafka)
    try:
        server.start(captured, lines)
        wait_for(topology, "public.customer", 1, server)
        sql(postgres, "UPDATE customer SET name = 'Ada L.' WHERE id = 1", "DELETE FROM customer WHERE id = 1")
        changes = wait_for(topology, "public.customer", 3, server)
        read_lines = wait_for(topology, "lines", 2, server)
    finally:
        server.stop()
        sql(postgres, "DROP TABLE customer", "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots")

    assert [one.headers["debezium-op"] for one in changes] == [b"r", b"u", b"d"]
    assert {(one.type, one.subject) for one in changes} == {("customer.changed", "public.customer")}
    assert [one.data["name"] for one in changes[:2]] == ["Ada", "Ada L."]
    assert changes[0].data["joined"].isoformat() == "2026-01-02"
    assert changes[2].data["id"] == 1, "the row as it was before"
    assert [(one.type, one.data) for one in read_lines] == [("line.read", "first"), ("line.read", "second")]
