"""A Kafka with TLS, SCRAM and ACLs: the app runs with exactly the listed ones, and says which one is missing."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from penstock import Publisher, local_kafka
from penstock.broker.kafka.keeper import KafkaBroker
from penstock.broker.kafka.settings import revealed
from penstock.errors import LocalKafkaError, PenstockError
from penstock.local_kafka import SHORT_LIVED, Security

HANDLER = """
from penstock import Context, Event

async def bill(event: Event, ctx: Context):
    if event.data["n"] == 1 and ctx.attempt == 1:
        raise RuntimeError("once")
    if event.data["n"] == 2:
        raise ValueError("always")
    return {"n": event.data["n"]}
"""
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
topics:
  orders: {{ partitions: 2, type: order.placed }}
  bills: {{ partitions: 2, type: bill.made }}
processors:
  billing:
    handler: handlers:bill
    topics: [orders]
    output: bills
    retry: {{ max_attempts: 3, backoff: {{ initial: 1s, max: 1s }}, never: [builtins.ValueError] }}
"""


class Cluster:
    def __init__(self, folder: Path) -> None:
        self.kafka = local_kafka.start(folder / "kafka", jvm=SHORT_LIVED, secure=True)
        found = local_kafka.security_of(folder / "kafka")
        assert found is not None
        self.security: Security = found
        for user in ("admin", "app"):
            (folder / user).mkdir()
            (folder / user / "handlers.py").write_text(HANDLER)
            said = {"bootstrap": self.kafka.bootstrap, "user": user, "authority": self.security.authority}
            text = TOPOLOGY.format(**said, password=self.security.password_file(user))
            (folder / user / "topology.yaml").write_text(text)
        self.folder = folder
        settings = {"bootstrap.servers": self.kafka.bootstrap, **self.security.client("admin")}
        self.admin = AdminClient(dict(revealed(settings)))

    def penstock(self, user: str, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "penstock", *words, "-f", str(self.folder / user)]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=90)

    def listed(self) -> list[dict[str, str]]:
        words = ("export", "acls", "--worker", "User:app", "--producer", "User:app", "-o", "json")
        found: list[dict[str, str]] = json.loads(self.penstock("app", *words).stdout)
        return found

    def grant(self, acls: list[dict[str, str]]) -> None:
        for future in self.admin.create_acls([binding(acl) for acl in acls]).values():
            future.result(30)

    def revoke(self, acl: dict[str, str]) -> None:
        one = binding(acl)
        pattern = AclBindingFilter(
            one.restype, one.name, one.resource_pattern_type, one.principal, "*", one.operation, one.permission_type
        )
        for future in self.admin.delete_acls([pattern]).values():
            assert len(future.result(30)) == 1


def binding(acl: dict[str, str]) -> AclBinding:
    kind = ResourceType.BROKER if acl["kind"] == "CLUSTER" else ResourceType[acl["kind"]]
    pattern, operation = ResourcePatternType[acl["pattern"]], AclOperation[acl["operation"]]
    return AclBinding(kind, acl["name"], pattern, acl["principal"], "*", operation, AclPermissionType.ALLOW)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, absent: Any) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("secure")
    try:
        found = Cluster(folder)
    except LocalKafkaError as error:
        absent(f"no Kafka: {error}")
    try:
        assert found.penstock("admin", "apply", "--yes").returncode == 0
        yield found
    finally:
        local_kafka.wipe(folder / "kafka")


def worker(cluster: Cluster) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "penstock", "run", "billing", "-f", str(cluster.folder / "app")]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ})


def ended(process: subprocess.Popen[str], within: float) -> str:
    """What it said until it ended, or until it was stopped."""
    try:
        process.wait(within)
    except subprocess.TimeoutExpired:
        process.terminate()
    return process.communicate(timeout=60)[0]


def count(cluster: Cluster, topic: str, partitions: int) -> int:
    async def ends() -> int:
        from penstock.record import TopicPartition

        broker = KafkaBroker({"bootstrap.servers": cluster.kafka.bootstrap, **cluster.security.client("admin")})
        found = await broker.admin().ends([TopicPartition(topic, number) for number in range(partitions)])
        await broker.close()
        return sum(end.high for end in found.values())

    return asyncio.run(ends())


def secrets_of(cluster: Cluster) -> list[str]:
    return [cluster.security.password(user) for user in ("admin", "app", "keystore", "controller")]


def test_the_app_runs_with_exactly_the_acls_that_are_listed(cluster: Cluster) -> None:
    acls = cluster.listed()
    cluster.grant(acls)
    with Publisher(cluster.folder / "app" / "topology.yaml") as publisher:
        assert publisher.send_many("orders", [{"n": n} for n in range(5)]) == 5
    running = worker(cluster)
    try:
        deadline = time.monotonic() + 60
        while (count(cluster, "bills", 2), count(cluster, "shop.billing.dlt", 1)) != (4, 1):
            assert time.monotonic() < deadline, ended(running, 0)
            assert running.poll() is None, running.communicate()[0]
            time.sleep(0.5)
        assert count(cluster, "shop.billing.retry.1s", 2) == 1
    finally:
        said = ended(running, 0)
    assert running.returncode == 0, said
    assert "uthoriz" not in said
    for secret in secrets_of(cluster):
        assert secret not in said


@pytest.mark.parametrize(
    ("kind", "name", "operation"),
    [("TOPIC", "orders", "READ"), ("GROUP", "shop.billing", "READ"), ("TOPIC", "bills", "WRITE")],
)
def test_a_missing_acl_is_named(cluster: Cluster, kind: str, name: str, operation: str) -> None:
    """Each of these alone is taken away; the app says which topic or group it may not use, and loses nothing."""
    acls = cluster.listed()
    cluster.grant(acls)
    wanted = (kind, name, operation)
    (taken,) = [acl for acl in acls if (acl["kind"], acl["name"], acl["operation"]) == wanted]
    cluster.revoke(taken)
    try:
        with Publisher(cluster.folder / "app" / "topology.yaml") as publisher:
            publisher.send("orders", {"n": 7})
        said = ended(worker(cluster), 25)
    finally:
        cluster.grant([taken])
    assert name in said
    assert "uthori" in said
    assert "Traceback" not in said
    for secret in secrets_of(cluster):
        assert secret not in said


def test_a_publisher_without_the_right_says_so(cluster: Cluster) -> None:
    settings = cluster.security.client("app")
    publisher = Publisher(bootstrap=cluster.kafka.bootstrap, kafka=settings, timeout=15)
    with publisher, pytest.raises(PenstockError, match=r"shop\.control.*uthoriz") as caught:
        publisher.send("shop.control", {"n": 1})
    assert all(secret not in str(caught.value) for secret in secrets_of(cluster))


def test_doctor_and_plan_show_no_secret(cluster: Cluster) -> None:
    for words in (("doctor",), ("plan",), ("plan", "-o", "json"), ("lint",), ("topics",)):
        done = cluster.penstock("admin", *words)
        for secret in secrets_of(cluster):
            assert secret not in done.stdout + done.stderr


def test_a_live_tail_logs_in_by_the_other_client_with_the_same_settings(cluster: Cluster) -> None:
    done = cluster.penstock("admin", "tap", "orders", "--from", "beginning", "-n", "1", "-o", "json")
    assert json.loads(done.stdout)["type"] == "order.placed", done.stderr


def test_a_wrong_password_is_said_plainly(cluster: Cluster) -> None:
    settings = {**cluster.security.client("app"), "sasl.password": "wrong"}
    publisher = Publisher(bootstrap=cluster.kafka.bootstrap, kafka=settings, timeout=5)
    with publisher, pytest.raises(PenstockError) as caught:
        publisher.send("orders", {"n": 1})
    assert "wrong" not in str(caught.value)
