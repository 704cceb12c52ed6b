"""A Kafka with TLS, SCRAM and ACLs: the app runs with exactly the listed ones, and says which one is missing."""

from __future__ import annotations

import json

import pytest
from cluster import Cluster, Desk

from penstock import Publisher
from penstock.errors import PenstockError

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
name: shop
topics:
  orders: { partitions: 2, type: order.placed }
  bills: { partitions: 2, type: bill.made }
processors:
  billing:
    handler: handlers:bill
    topics: [orders]
    output: bills
    retry: { max_attempts: 3, backoff: { initial: 1s, max: 1s }, never: [builtins.ValueError] }
"""
ROLES = ("--worker", "User:app", "--producer", "User:app")


@pytest.fixture(scope="module")
def admin(cluster: Cluster) -> Desk:
    found = Desk(cluster.folder / "shop-admin", TOPOLOGY, cluster.scram("admin"), handlers=HANDLER)
    done = found.penstock("apply", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    return found


@pytest.fixture(scope="module")
def app(cluster: Cluster, admin: Desk) -> Desk:
    return Desk(cluster.folder / "shop-app", TOPOLOGY, cluster.scram("app"), handlers=HANDLER)


def test_the_app_runs_with_exactly_the_acls_that_are_listed(cluster: Cluster, app: Desk) -> None:
    cluster.grant(app.acls(*ROLES))
    with Publisher(app.folder / "topology.yaml") as publisher:
        assert publisher.send_many("orders", [{"n": n} for n in range(5)]) == 5
    running = app.run("billing")
    running.until(lambda: (cluster.count("bills", 2), cluster.count("shop.billing.dlt", 1)) == (4, 1))
    assert cluster.count("shop.billing.retry.1s", 2) == 1
    assert running.stop() == 0, running.said
    assert "uthoriz" not in running.said
    for secret in cluster.secrets:
        assert secret not in running.said


@pytest.mark.parametrize(
    ("kind", "name", "operation"),
    [("TOPIC", "orders", "READ"), ("GROUP", "shop.billing", "READ"), ("TOPIC", "bills", "WRITE")],
)
def test_a_missing_acl_is_named(cluster: Cluster, app: Desk, kind: str, name: str, operation: str) -> None:
    """Each of these alone is taken away; the app says which topic or group it may not use, and loses nothing."""
    with cluster.without(app.acls(*ROLES), kind, name, operation):
        with Publisher(app.folder / "topology.yaml") as publisher:
            publisher.send("orders", {"n": 7})
        said = app.run("billing").until_it_says(name, "uthori")
    assert "Traceback" not in said
    for secret in cluster.secrets:
        assert secret not in said


def test_a_publisher_without_the_right_says_so(cluster: Cluster, app: Desk) -> None:
    settings = cluster.security.client("app")
    publisher = Publisher(bootstrap=cluster.kafka.bootstrap, kafka=settings, timeout=15)
    with publisher, pytest.raises(PenstockError, match=r"shop\.control.*uthoriz") as caught:
        publisher.send("shop.control", {"n": 1})
    assert all(secret not in str(caught.value) for secret in cluster.secrets)


def test_doctor_and_plan_show_no_secret(cluster: Cluster, admin: Desk) -> None:
    for words in (("doctor",), ("plan",), ("plan", "-o", "json"), ("lint",), ("topics",)):
        done = admin.penstock(*words)
        for secret in cluster.secrets:
            assert secret not in done.stdout + done.stderr


def test_a_live_tail_logs_in_by_the_other_client_with_the_same_settings(admin: Desk) -> None:
    done = admin.penstock("tap", "orders", "--from", "beginning", "-n", "1", "-o", "json")
    assert json.loads(done.stdout)["type"] == "order.placed", done.stderr


def test_a_wrong_password_is_said_plainly(cluster: Cluster) -> None:
    settings = {**cluster.security.client("app"), "sasl.password": "wrong"}
    publisher = Publisher(bootstrap=cluster.kafka.bootstrap, kafka=settings, timeout=5)
    with publisher, pytest.raises(PenstockError) as caught:
        publisher.send("orders", {"n": 1})
    assert "wrong" not in str(caught.value)
