"""A console whose user has no rights on the cluster: each page says in words what Kafka refuses; none breaks."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from penstock import local_kafka
from penstock.broker.kafka.keeper import KafkaBroker
from penstock.clock import SystemClock
from penstock.console.access import Access
from penstock.console.app import create
from penstock.console.desk import Desk
from penstock.errors import LocalKafkaError
from penstock.local_kafka import SHORT_LIVED, Security
from penstock.topology.reader import read

TOPOLOGY = """
version: 1
name: shop
kafka:
  bootstrap.servers: {bootstrap}
  security.protocol: SASL_SSL
  sasl.mechanism: SCRAM-SHA-512
  sasl.username: {user}
  sasl.password: file:{password}
  ssl.ca.location: {authority}
topics: {{ orders: {{ partitions: 2 }} }}
processors: {{ billing: {{ handler: "a:b", topics: [orders] }} }}
"""
PAGES = (
    "/processors/billing",
    "/runs",
    "/letters",
    "/letters/billing",
    "/topics",
    "/topics/orders",
    "/groups",
    "/audit",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, absent: Callable[[str], None]) -> Iterator[Path]:
    """The same app twice, as the administrator and as a user with no rights, on a Kafka that asks for them."""
    found = tmp_path_factory.mktemp("secure")
    try:
        kafka = local_kafka.start(found / "kafka", jvm=SHORT_LIVED, secure=True)
    except LocalKafkaError as error:
        absent(f"no Kafka: {error}")
    try:
        security: Security | None = local_kafka.security_of(found / "kafka")
        assert security is not None
        for user in ("admin", "app"):
            (found / user).mkdir()
            said = {"bootstrap": kafka.bootstrap, "user": user, "authority": security.authority}
            (found / user / "topology.yaml").write_text(TOPOLOGY.format(**said, password=security.password_file(user)))
        command = [sys.executable, "-m", "penstock", "apply", "--yes", "-f", str(found / "admin")]
        subprocess.run(command, check=True, capture_output=True, timeout=90)
        yield found
    finally:
        local_kafka.wipe(found / "kafka")


def test_every_page_says_what_kafka_refuses(folder: Path) -> None:
    async def looked() -> dict[str, httpx.Response]:
        topology = read(folder / "app" / "topology.yaml", os.environ)
        broker = KafkaBroker(topology.kafka)
        site = create(Desk(topology, broker, SystemClock(), Access("t", open_to_look=True), path="topology.yaml"))
        try:
            transport = httpx.ASGITransport(site, raise_app_exceptions=True)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
                return {path: await client.get(path) for path in ("/", *PAGES)}
        finally:
            await broker.close()

    pages = asyncio.run(looked())
    overview, topics = pages.pop("/"), pages.pop("/topics")
    assert overview.status_code == 200, "the topology itself is known without Kafka"
    assert "this user may not see" in topics.text, "Kafka hides what one has no right to"
    silent = [path for path, page in pages.items() if page.status_code < 400]
    assert silent == []
    for path, page in pages.items():
        assert "Traceback" not in page.text
        assert any(word in page.text for word in ("Kafka said no", "Not there", "does not answer")), (
            f"{path}: {page.text}"
        )
