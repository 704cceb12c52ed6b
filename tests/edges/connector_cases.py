"""Every built-in connector that has an outside, as a case for the trial: how its outside is fed, read, and cut off."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from penstock.connectors import file_rows
from penstock.connectors.outbox_table import outbox_sql
from penstock.testing.connector_kit import SinkCase, SourceCase
from penstock.testing.virtual_time import START
from penstock.topology.model import Topology
from penstock.topology.reader import read_text

COUNT = 40
KEYS = 5
TEXT = """
name: shop
topics: {{ orders: {{ partitions: 3, type: order }} }}
connectors:
  edge: {{ {options} }}
"""


def topology(folder: Path, options: str, **environ: str) -> Topology:
    found = read_text(TEXT.format(options=options), folder / "topology.yaml", environ)
    quick = {name: dataclasses.replace(one, failover=0.3) for name, one in found.processors.items()}
    return dataclasses.replace(found, processors=quick)  # below what a file may say: dead members are not waited for


def cron(folder: Path) -> SourceCase:
    first = datetime.fromtimestamp(START, UTC).replace(second=0) + timedelta(minutes=1)

    async def feed(_n: int) -> None:
        return

    return SourceCase(
        topology=topology(folder, 'type: cron, schedule: "* * * * *", topic: orders, missed: all'),
        connector="edge",
        feed=feed,
        count=20,
        which=lambda event: (event.time - first) // timedelta(minutes=1),
        steps=14,
        replicas=2,
        patience=7200,
        look=5,
    )


def file_source(folder: Path) -> SourceCase:
    inbox = folder / "in"

    async def begin() -> None:
        inbox.mkdir(exist_ok=True)
        for file in inbox.iterdir():
            file.unlink()

    async def feed(n: int) -> None:
        current = inbox / "app.jsonl"
        if n % 15 == 14 and current.exists():
            current.rename(inbox / f"app.jsonl.{n}")  # rotated meanwhile
        with current.open("a") as out:
            out.write(json.dumps({"n": n}) + "\n")

    return SourceCase(
        topology=topology(folder, "type: file_source, path: in/app.jsonl*, topic: orders, batch_size: 7, poll: 10ms"),
        connector="edge",
        feed=feed,
        begin=begin,
        count=COUNT,
        which=lambda event: event.data["n"],
        steps=30,
        look=0.2,
    )


def file_sink(folder: Path, form: str = "jsonl", path: str = "out") -> SinkCase:
    out = folder / "out"

    async def begin() -> None:
        for file in out.rglob(f"*.{form}"):
            file.unlink()

    async def held() -> list[int]:
        found = []
        for file in out.rglob(f"*.{form}"):
            rows = file_rows.decode(form, file.read_bytes())
            assert int(file.stem) % 5 == 0
            found += [row["data"]["n"] for row in rows]
        return found

    options = f'type: file_sink, path: "{path}", format: {form}, topics: [orders], records_per_file: 5, max_wait: 1s'
    return SinkCase(
        topology=topology(folder, options),
        connector="edge",
        event=lambda n: {"n": n},
        count=COUNT,
        held=held,
        begin=begin,
    )


def redis_stream(folder: Path, url: str) -> SourceCase:
    import redis.asyncio

    stream = "omni-stream:orders"

    async def ask(*command: object) -> None:
        async with redis.asyncio.Redis.from_url(url) as client:
            await client.execute_command(*command)

    async def begin() -> None:
        await ask("FLUSHALL")

    async def cut() -> None:
        async with redis.asyncio.Redis.from_url(url) as client:
            for one in await client.client_list():
                if one["name"].startswith("penstock-"):
                    await client.client_kill_filter(_id=one["id"])

    async def feed(n: int) -> None:
        said = {"content": {"n": n, "who": f"c{n % KEYS}"}, "task_id": f"task-{n}", "topic": "orders"}
        await ask("XADD", stream, "*", "data", json.dumps(said))

    options = f'type: redis_stream, url: "${{URL}}", stream: "{stream}", envelope: omnidaemon, key: who, topic: orders'
    return SourceCase(
        topology=topology(folder, f"{options}, claim_after: 100ms, batch_size: 5", URL=url),
        connector="edge",
        feed=feed,
        begin=begin,
        cut=cut,
        count=COUNT,
        which=lambda event: event.data["n"],
        replicas=2,
        virtual=False,
        steps=80,
        patience=30,
    )


async def _sql(dsn: str, *statements: str) -> list[tuple[object, ...]]:
    import psycopg

    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        for statement in statements:
            cursor = await connection.execute(statement)
        return list(await cursor.fetchall()) if cursor.description else []


_CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'penstock-%'"


def postgres_outbox(folder: Path, dsn: str) -> SourceCase:
    async def begin() -> None:
        await _sql(dsn, "DROP TABLE IF EXISTS event_outbox, event_outbox_lane", outbox_sql())

    async def feed(n: int) -> None:
        values = f"'orders', 'k{n % KEYS}', '{json.dumps({'n': n})}'"
        await _sql(dsn, f"INSERT INTO event_outbox (topic, key, data) VALUES ({values})")

    async def cut() -> None:
        await _sql(dsn, _CUT)

    options = 'type: postgres_outbox, dsn: "${DSN}", batch_size: 5, poll: 200ms'
    return SourceCase(
        topology=topology(folder, options, DSN=dsn),
        connector="edge",
        feed=feed,
        begin=begin,
        cut=cut,
        count=COUNT,
        which=lambda event: event.data["n"],
        replicas=2,
        virtual=False,
        steps=25,
        patience=30,
    )


def postgres_sink(folder: Path, dsn: str) -> SinkCase:
    async def begin() -> None:
        await _sql(dsn, "DROP TABLE IF EXISTS answers")

    async def held() -> list[int]:
        if not (await _sql(dsn, "SELECT to_regclass('answers')"))[0][0]:
            return []
        return [int(str(row[0])) for row in await _sql(dsn, "SELECT data->>'n' FROM answers")]

    async def cut() -> None:
        await _sql(dsn, _CUT)

    options = 'type: postgres_sink, dsn: "${DSN}", table: answers, topics: [orders], '
    return SinkCase(
        topology=topology(folder, f"{options} batch: {{ max_records: 7, max_wait: 50ms }}", DSN=dsn),
        connector="edge",
        event=lambda n: {"n": n},
        count=COUNT,
        held=held,
        begin=begin,
        cut=cut,
        kills=2,  # after a third death over the same records, one that runs alone is taken for the killer
        virtual=False,
        patience=30,
        look=0.1,
        steps=160,
    )
