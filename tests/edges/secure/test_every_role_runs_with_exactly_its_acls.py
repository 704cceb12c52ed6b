"""Whoever deploys, a source and the gateway: each runs with exactly the ACLs listed for it, and names a missing one."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest
from cluster import CHECKED, Cluster, Desk

from penstock.local_kafka.launch import free_port

HANDLER = "async def check(event, ctx):\n    await ctx.progress('looking')\n    return {'n': event.data['n']}\n"
TOPOLOGY = (
    CHECKED
    + """\
connectors:
  inbox: {{ type: file_source, path: "in/*.jsonl", topic: {name}.in, poll: 100ms }}
  door:
    type: http_source
    path: /things
    port: {port}
    topic: {name}.in
    reply: [{name}.out]
    max_backlog: 1000
"""
)
PORT = free_port()


def desk(cluster: Cluster, name: str, user: str) -> Desk:
    """This topology for a user, who logs in by a token."""
    text = TOPOLOGY.format(name=name, port=PORT)
    kafka = cluster.scram("admin") if user == "admin" else cluster.oauth(user)
    return Desk(cluster.folder / f"{name}-{user}", text, kafka, handlers=HANDLER)


@pytest.fixture(scope="module")
def app(cluster: Cluster) -> Desk:
    assert desk(cluster, "roles", "admin").penstock("apply", "--yes").returncode == 0
    return desk(cluster, "roles", "app")


def feed(app: Desk, name: str, count: int) -> None:
    inbox = app.folder / "in"
    inbox.mkdir(exist_ok=True)
    Path(inbox / name).write_text("".join(json.dumps({"n": n}) + "\n" for n in range(count)))


def test_a_deployer(cluster: Cluster) -> None:
    ci = desk(cluster, "deployed", "ci")
    acls = ci.acls("--deployer", "User:ci")
    with cluster.without(acls, "TOPIC", "deployed.out", "CREATE"):
        refused = ci.penstock("apply", "--yes")
        assert refused.returncode != 0
        assert "deployed.out" in refused.stdout + refused.stderr
        assert "uthoriz" in refused.stdout + refused.stderr
        assert "Traceback" not in refused.stdout + refused.stderr
    done = ci.penstock("apply", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    again = ci.penstock("plan")
    assert again.returncode == 0, again.stdout + again.stderr
    assert cluster.count("deployed.out", 1) == 0, "the topic is there"


def test_a_source(cluster: Cluster, app: Desk) -> None:
    acls = app.acls("--worker", "User:app")
    cluster.grant(acls)
    feed(app, "first.jsonl", 5)
    running = app.run("inbox")
    running.until(lambda: cluster.count("roles.in", 1) == 5)
    assert running.stop() == 0, running.said
    assert "uthoriz" not in running.said
    assert cluster.count("roles.cursors", 1) > 0


@pytest.mark.parametrize(
    ("kind", "name", "operation"),
    [("TOPIC", "roles.in", "WRITE"), ("TOPIC", "roles.cursors", "WRITE"), ("GROUP", "roles.inbox", "READ")],
)
def test_a_source_names_what_it_may_not(cluster: Cluster, app: Desk, kind: str, name: str, operation: str) -> None:
    with cluster.without(app.acls("--worker", "User:app"), kind, name, operation):
        feed(app, f"{name}.jsonl", 1)
        said = app.run("inbox").until_it_says(name, "uthori")
    assert "Traceback" not in said


def test_the_gateway_and_its_way_back(cluster: Cluster, app: Desk) -> None:
    cluster.grant(app.acls("--worker", "User:app"))
    door, worker = app.run("door"), app.run("check")
    url = f"http://127.0.0.1:{PORT}/things"

    def answers() -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{PORT}/openapi.json").status_code == 200
        except httpx.TransportError:
            return False

    door.until(answers)
    posted = httpx.post(url, json={"n": 41}, headers={"Prefer": "wait=30"}, timeout=60)
    assert (posted.status_code, posted.json()) == (200, {"n": 41}), door.said + worker.said
    stream = httpx.get(
        f"http://127.0.0.1:{PORT}{posted.headers['location']}", headers={"Accept": "text/event-stream"}, timeout=60
    )
    assert "event: progress" in stream.text
    acls = app.acls("--worker", "User:app")
    with cluster.without(acls, "TOPIC", "roles.in", "WRITE"):
        refused = httpx.post(url, json={"n": 42}, timeout=60)
        assert refused.status_code == 503
    assert (door.stop(), worker.stop()) == (0, 0), door.said + worker.said
    assert "roles.in" in door.said
    assert "uthoriz" in door.said
    assert "uthoriz" not in worker.said
