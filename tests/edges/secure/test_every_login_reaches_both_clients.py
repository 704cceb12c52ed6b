"""mTLS and OAUTHBEARER: the settings reach librdkafka and aiokafka alike, and rights go by the name they prove."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from http.server import ThreadingHTTPServer

import pytest
from cluster import CHECKED, Cluster, Desk, TokenEndpoint
from serving import served

from penstock import Publisher
from penstock.broker.kafka.oauth import token_provider
from penstock.errors import BrokerError, PenstockError

HANDLER = "async def check(event):\n    return {'n': event.data['n']}\n"


@pytest.fixture
def endpoint() -> Iterator[str]:
    TokenEndpoint.asked = []
    with served(ThreadingHTTPServer(("127.0.0.1", 0), TokenEndpoint)) as address:
        yield f"{address}/token"


def settings(cluster: Cluster, login: str, user: str, endpoint: str) -> dict[str, str]:
    return cluster.oidc(user, endpoint) if login == "oidc" else dict(getattr(cluster, login)(user))


@pytest.mark.parametrize("login", ["mtls", "oauth", "oidc"])
def test_a_worker_a_publisher_and_a_live_tail_log_in(cluster: Cluster, login: str, endpoint: str) -> None:
    name, text = f"way-{login}", CHECKED.format(name=f"way-{login}")
    made = Desk(cluster.folder / f"{name}-admin", text, cluster.scram("admin"), handlers=HANDLER)
    assert made.penstock("apply", "--yes").returncode == 0
    desk = Desk(cluster.folder / name, text, settings(cluster, login, "app", endpoint), handlers=HANDLER)
    cluster.grant(desk.acls("--worker", "User:app", "--producer", "User:app"))
    with Publisher(desk.folder / "topology.yaml") as publisher:
        assert publisher.send_many(f"{name}.in", [{"n": n} for n in range(5)]) == 5
    running = desk.run("check")
    running.until(lambda: cluster.count(f"{name}.out", 1) == 5)
    assert running.stop() == 0, running.said
    tapped = desk.penstock("tap", f"{name}.in", "--from", "beginning", "-n", "1", "-o", "json")
    assert json.loads(tapped.stdout)["data"] == {"n": 0}, tapped.stderr
    if login == "oidc":
        assert any("Python-urllib" in agent for agent in TokenEndpoint.asked), "the tail asked for a token of its own"
        assert any("Python-urllib" not in agent for agent in TokenEndpoint.asked), "and so did librdkafka"
    shown = running.said + tapped.stdout + tapped.stderr + desk.penstock("doctor").stdout
    assert all(secret not in shown for secret in cluster.secrets)


@pytest.mark.parametrize("login", ["mtls", "oauth"])
def test_another_name_has_no_rights(cluster: Cluster, login: str) -> None:
    """So it is the name in the certificate, or in the token, that the broker went by."""
    found = settings(cluster, login, "stranger", "")
    publisher = Publisher(bootstrap=found.pop("bootstrap.servers"), kafka=found, timeout=15)
    with publisher, pytest.raises(PenstockError, match="uthoriz"):
        publisher.send("way-mtls.in", {"n": 1})


def test_a_token_is_kept_and_a_refusal_names_the_endpoint(cluster: Cluster, endpoint: str) -> None:
    good = {**cluster.oidc("app", endpoint), "sasl.oauthbearer.client.secret": "s3cret-of-the-client"}

    async def main() -> None:
        tokens = token_provider(good)
        assert await tokens.token() == await tokens.token()
        assert len(TokenEndpoint.asked) == 1
        bad = {**good, "sasl.oauthbearer.client.secret": "hunter2"}
        with pytest.raises(BrokerError, match=r"no token for Kafka from 127\.0\.0\.1:\d+: 401") as caught:
            await token_provider(bad).token()
        assert "hunter2" not in str(caught.value)

    asyncio.run(main())
