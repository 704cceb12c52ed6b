"""docs/producing.md cannot lie: each recipe is taken from it and run on a real Kafka, with the real other side."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import recipes

from penstock.broker.kafka.keeper import KafkaBroker
from penstock.record import Record, TopicPartition
from penstock.schema.codec import Codec
from penstock.schema.envelope import Opener
from penstock.topology.reader import read

Absent = Callable[[str], None]


class App:
    """A folder with the page's files, its topics made, and what stands in them."""

    def __init__(self, folder: Path, kafka: str) -> None:
        self.folder = folder
        self.environ = {**os.environ, "KAFKA_BOOTSTRAP_SERVERS": kafka}
        self.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.kafka = kafka
        recipes.write(folder)
        self.run("penstock", "apply", "--yes")

    def run(self, *command: str, **more: str) -> str:
        environ = {**self.environ, **more}
        done = subprocess.run(
            command, cwd=self.folder, env=environ, capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def events(self, topic: str = "orders.placed") -> list[Any]:
        async def scan() -> list[Record]:
            broker = KafkaBroker({"bootstrap.servers": self.kafka})
            ends = await broker.admin().ends([TopicPartition(topic, number) for number in range(3)])
            found = broker.reader().scan({at: (end.low, end.high) for at, end in ends.items()})
            records = [record async for record in found]
            await broker.close()
            return records

        topology = read(self.folder / "topology.yaml", self.environ)
        opener = Opener(topology, "g", Codec(topology))
        return [opener.open(record) for record in asyncio.run(scan())]

    def ids(self, prefix: str) -> list[str]:
        return [event.data["id"] for event in self.events() if event.data["id"].startswith(prefix)]

    def module(self, name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(name, self.folder / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        found = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(found)
        return found


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, kafka: str) -> App:
    return App(tmp_path_factory.mktemp("producing"), kafka)


@pytest.fixture
def inside(app: App, monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    """This process in the app's folder, as the recipe would be."""
    monkeypatch.chdir(app.folder)
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", app.kafka)
    return app


@pytest.fixture
def needs(absent: Absent) -> Callable[[str], None]:
    def check(package: str) -> None:
        if importlib.util.find_spec(package) is None:
            absent(f"{package} is not installed")

    return check


def test_every_recipe_on_the_page_is_run_by_a_test_here() -> None:
    text = Path(__file__).read_text(encoding="utf-8")
    stems = {name: name.rpartition(".")[0].rpartition("/")[2] for name in recipes.recipes()}
    shared = {"topology.yaml", "schemas/order.placed.json"}
    run = [name for name, stem in stems.items() if f'"{stem}' in text or f"import {stem}" in text]
    assert sorted(stems.keys() - shared - set(run)) == []


def test_script(app: App) -> None:
    assert app.run(sys.executable, "script.py").strip() == "orders.placed 1000"
    found = [event for event in app.events() if event.id.startswith("script-")]
    assert len({event.id for event in found}) == len(found) == 1001
    assert {event.key for event in found} == {"ada", *(f"script-{n}" for n in range(1000))}


def test_web_service(inside: App, needs: Callable[[str], None]) -> None:
    needs("fastapi")
    import httpx

    web = inside.module("web")

    async def talk() -> list[int]:
        transport = httpx.ASGITransport(app=web.app)
        async with web.lifespan(web.app), httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
            good = await client.post("/orders", json={"id": "web-1", "total": 3})
            bad = await client.post("/orders", json={"id": "web-2", "total": "much"})
            assert "data.total" in bad.json()["detail"]
            return [good.status_code, bad.status_code]

    assert asyncio.run(talk()) == [202, 422]
    assert inside.ids("web-") == ["web-1"]


def test_task_queue_that_forks(app: App, needs: Callable[[str], None]) -> None:
    needs("celery")
    (app.folder / "queue").mkdir()
    environ = {**app.environ, "CELERY_BROKER": "filesystem://"}
    # the parent has published before it forks: what a librdkafka client would not survive
    (app.folder / "warm.py").write_text(
        "import tasks\ntasks.publisher.send('orders.placed', {'id': 'warm'})\nfrom tasks import app\n"
    )
    command = [sys.executable, "-m", "celery", "-A", "warm", "worker", "--pool", "prefork", "--concurrency", "2"]
    with (app.folder / "celery.log").open("wb") as log:
        worker = subprocess.Popen(
            [*command, "--without-gossip", "--without-mingle"], cwd=app.folder, env=environ, stdout=log, stderr=log
        )
        try:
            code = "import tasks\nfor n in range(20): tasks.settle.delay(n)"
            subprocess.run([sys.executable, "-c", code], cwd=app.folder, env=environ, check=True, timeout=60)
            deadline = time.monotonic() + 90
            while len(set(app.ids("celery-"))) < 20 and time.monotonic() < deadline and worker.poll() is None:
                time.sleep(0.3)
        finally:
            worker.terminate()
            worker.wait(30)
    assert sorted(app.ids("celery-")) == sorted(f"celery-{n}" for n in range(20)), (
        app.folder / "celery.log"
    ).read_text()
    pids = {event.headers["pid"] for event in app.events() if event.id.startswith("celery-")}
    assert str(worker.pid).encode() not in pids


def test_batch_task_gives_the_same_ids_when_run_again(inside: App) -> None:
    export = inside.module("dag_task").export_orders
    rows = [{"id": f"dag-{n}"} for n in range(10)]
    assert [export(rows, "2026-01-01"), export(rows, "2026-01-01")] == [10, 10]
    found = [event.id for event in inside.events() if event.data["id"].startswith("dag-")]
    assert (len(found), len(set(found))) == (20, 10)


def test_partition_of_a_cluster(inside: App) -> None:
    import multiprocessing

    function = inside.module("partition").send_partition
    rows = [[{"id": f"spark-{part}-{n}", "total": n} for n in range(50)] for part in range(2)]
    context = multiprocessing.get_context("fork")
    executors = [context.Process(target=function, args=(iter(part),)) for part in rows]
    for executor in executors:
        executor.start()
    for executor in executors:
        executor.join(60)
    assert [executor.exitcode for executor in executors] == [0, 0]
    assert len(set(inside.ids("spark-"))) == 100


def test_outbox_is_written_with_the_data_or_not_at_all(
    inside: App, needs: Callable[[str], None], postgres: str
) -> None:
    needs("django")
    needs("psycopg")
    inside.run("sh", "-e", "outbox.sh", DATABASE_URL=postgres)
    code = f"""
import django, sys
from django.conf import settings
name, host = "postgres", {postgres!r}.partition("@")[2].partition("/")[0]
address, _, port = host.partition(":")
database = {{"ENGINE": "django.db.backends.postgresql", "NAME": name, "USER": name, "HOST": address, "PORT": port}}
settings.configure(DATABASES={{"default": database}})
django.setup()
from django.db import DataError, connection
import outbox
with connection.cursor() as cursor:
    cursor.execute("CREATE TABLE shop_order (id text PRIMARY KEY, total numeric(6,2))")
outbox.place_order({{"id": "django-1", "total": 5}})
try:
    outbox.place_order({{"id": "django-2", "total": 1000000}})
except DataError:
    pass
with connection.cursor() as cursor:
    cursor.execute("SELECT topic, key, data->>'id' FROM event_outbox")
    print(cursor.fetchall())
"""
    assert inside.run(sys.executable, "-c", code).strip() == "[('orders.placed', 'django-1', 'django-1')]"
    inside.run("penstock", "apply", "--yes", "-f", "outbox.yaml", DATABASE_URL=postgres)
    command = [sys.executable, "-m", "penstock", "run", "outbox", "-f", "outbox.yaml"]
    with (inside.folder / "relay.log").open("wb") as log:
        environ = {**inside.environ, "DATABASE_URL": postgres}
        relay = subprocess.Popen(command, cwd=inside.folder, env=environ, stdout=log, stderr=log)
        try:
            deadline = time.monotonic() + 60
            while not inside.ids("django-") and time.monotonic() < deadline and relay.poll() is None:
                time.sleep(0.3)
        finally:
            relay.terminate()
            assert relay.wait(30) == 0, (inside.folder / "relay.log").read_text()
    assert inside.ids("django-") == ["django-1"], (inside.folder / "relay.log").read_text()


def test_shell(app: App) -> None:
    (app.folder / "orders.jsonl").write_text("".join(json.dumps({"id": f"shell-{n}"}) + "\n" for n in range(2, 40)))
    app.run("sh", "-e", "shell.sh")
    assert sorted(app.ids("shell-")) == sorted(f"shell-{n}" for n in range(1, 40))


def test_kcat(app: App, absent: Absent) -> None:
    if shutil.which("kcat") is None:
        absent("kcat is not installed")
    app.run("sh", "-e", "kcat.sh")
    (event,) = [event for event in app.events() if event.data["id"] == "kcat-1"]
    assert (event.type, event.key) == ("order.placed", "k")


def test_connect_json(inside: App) -> None:
    from decimal import Decimal

    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": inside.kafka})
    producer.produce("stock.counted", (inside.folder / "stock.json").read_bytes())
    assert producer.flush(30) == 0
    (event,) = inside.events("stock.counted")
    assert (event.type, event.data) == ("stock.counted", {"sku": "A-1", "price": Decimal("12.34")})


def test_webhook_of_a_code_host_is_a_topology_that_lints(app: App) -> None:
    assert "1 connector" in app.run("penstock", "lint", "-f", "webhook.yaml", WEBHOOK_SECRET="s")
