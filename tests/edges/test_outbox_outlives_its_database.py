"""PostgreSQL killed with -9 under two relays: each row that was committed becomes an event, in order of its key."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from postgres_server import PostgresServer

from penstock.broker.kafka.keeper import KafkaBroker
from penstock.connectors.outbox_table import outbox_sql
from penstock.record import TopicPartition

KILLS = 3
BETWEEN = 300  # rows, about
KEYS = 7
TOPOLOGY = """\
version: 1
name: {name}
kafka: {{ bootstrap.servers: "{kafka}" }}
topics: {{ {name}.orders: {{ partitions: 3, type: order }} }}
connectors: {{ outbox: {{ type: postgres_outbox, dsn: "${{DATABASE_URL}}", batch_size: 20 }} }}
"""


@pytest.fixture
def server(absent: Callable[[str], None]) -> Iterator[PostgresServer]:
    """A PostgreSQL of this test's own."""
    if missing := PostgresServer.missing():
        absent(missing)
    found = PostgresServer()
    try:
        found.start()
        yield found
    finally:
        found.stop()


@contextmanager
def relay(folder: Path, number: int) -> Iterator[subprocess.Popen[bytes]]:
    """One relay at work, stopped in order afterwards."""
    with (folder / f"relay-{number}.log").open("wb") as log:
        command = [sys.executable, "-m", "penstock", "run", "outbox", "-f", str(folder)]
        started = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            yield started
            assert started.poll() is None, (folder / f"relay-{number}.log").read_text()
        finally:
            started.terminate()
            started.wait(30)


def rows_in(kafka: str, topic: str) -> list[int]:
    """The row numbers of all events of the topic, partition by partition in order."""

    async def main() -> list[int]:
        broker = KafkaBroker({"bootstrap.servers": kafka})
        try:
            ends = await broker.admin().ends([TopicPartition(topic, number) for number in range(3)])
            ranges = {at: (end.low, end.high) for at, end in ends.items()}
            return [json.loads(record.value or b"")["n"] async for record in broker.reader().scan(ranges)]
        finally:
            await broker.close()

    return asyncio.run(main())


def insert(url: str, table: str, numbers: range) -> None:
    """Rows, each committed on its own."""
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        for n in numbers:
            row = (table, f"k{n % KEYS}", json.dumps({"n": n}))
            connection.execute("INSERT INTO event_outbox (topic, key, data) VALUES (%s, %s, %s)", row)


@pytest.mark.parametrize("seed", [1, 2])
def test_outbox_outlives_its_database(
    tmp_path: Path, kafka: str, server: PostgresServer, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    psycopg = pytest.importorskip("psycopg")
    monkeypatch.setenv("DATABASE_URL", server.url)
    chance = random.Random(seed)
    name = f"shop{uuid.uuid4().hex[:8]}"
    topic, sent = f"{name}.orders", 0
    (tmp_path / "topology.yaml").write_text(TOPOLOGY.format(name=name, kafka=kafka))
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(outbox_sql())
    command = [sys.executable, "-m", "penstock", "apply", "--yes", "-f", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    with ExitStack() as both:
        for number in range(2):
            both.enter_context(relay(tmp_path, number))
        for _ in range(KILLS):
            more = chance.randint(BETWEEN // 2, BETWEEN * 3 // 2)
            insert(server.url, topic, range(sent, sent + more))
            sent += more
            server.kill()
            server.start_again()
        insert(server.url, topic, range(sent, sent + BETWEEN))
        sent += BETWEEN
        deadline = time.monotonic() + 90
        while len(set(there := rows_in(kafka, topic))) < sent and time.monotonic() < deadline:
            time.sleep(0.5)

    first = list(dict.fromkeys(there))
    lost = set(range(sent)) - set(first)
    twice = len(there) - len(first)
    print(f"seed {seed}: rows {sent}, kills {KILLS}, events {len(there)}, twice {twice}, lost {len(lost)}")
    assert lost == set()
    assert set(first) == set(range(sent))
    for key in range(KEYS):
        of_key = [n for n in first if n % KEYS == key]
        assert of_key == sorted(of_key), f"key k{key} is out of order"
