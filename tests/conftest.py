"""What tests share: a real broker for those marked `kafka`, and topic names nobody else uses."""

from __future__ import annotations

import contextlib
import os
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock import local_kafka
from penstock.errors import LocalKafkaError

SHARED = "PENSTOCK_TEST_KAFKA"


def _no_broker(reason: str) -> None:
    """Skip, except on the build server, where a suite without its broker has proved nothing."""
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(f"no Kafka for the tests: {reason}")
    pytest.skip(f"no Kafka: {reason}")


@pytest.fixture(scope="session")
def kafka() -> Iterator[str]:
    """`bootstrap.servers` of a real broker; PENSTOCK_TEST_KAFKA names one that runs already."""
    if running := os.environ.get(SHARED):
        yield running
        return
    with contextlib.ExitStack() as own:
        try:
            bootstrap = own.enter_context(_broker())
        except LocalKafkaError as error:
            _no_broker(str(error))
            return
        yield bootstrap


def pytest_configure(config: pytest.Config) -> None:
    """Several test processes at once (`-n 4`) share one broker, which the first of them starts."""
    if not getattr(config.option, "numprocesses", None) or hasattr(config, "workerinput") or SHARED in os.environ:
        return
    shared = contextlib.ExitStack()
    with contextlib.suppress(LocalKafkaError):  # each process that needs a broker then says why there is none
        os.environ[SHARED] = shared.enter_context(_broker())
    config.add_cleanup(shared.close)


@contextlib.contextmanager
def _broker() -> Iterator[str]:
    """A broker, gone afterwards with its data. Raises LocalKafkaError."""
    with tempfile.TemporaryDirectory(prefix="penstock-kafka-") as folder:
        data = Path(folder) / "data"
        broker = local_kafka.start(data, jvm=local_kafka.SHORT_LIVED)
        try:
            yield broker.bootstrap
        finally:
            local_kafka.wipe(data)


@pytest.fixture
def topic_name() -> Callable[[str], str]:
    """A function that makes a topic (or group) name unique: `topic_name("tickets")`."""

    def name(stem: str = "topic") -> str:
        return f"{stem}-{uuid.uuid4().hex[:10]}"

    return name


@pytest.fixture
def desk_console(tmp_path: Path) -> Callable[..., Any]:
    """`desk_console(scenario, handler)`: a desk in virtual time; `scenario(app, console)` gets a client of its console.

    `console(token=...)` opens a client; with a token it may act.
    """
    import httpx

    from penstock.console.access import Access
    from penstock.console.app import create
    from penstock.console.desk import Desk
    from penstock.testing import run_topology

    (tmp_path / "topology.yaml").write_text(DESK)

    def play(scenario: Any, handler: Any, *, open_to_look: bool = True) -> None:
        async def main(app: Any) -> None:
            access = Access("the-token", open_to_look=open_to_look)
            site = create(Desk(app.topology, app.broker, app.clock, access, path="topology.yaml"))

            def console(token: str = "", **headers: str) -> httpx.AsyncClient:
                bearer = {"authorization": f"Bearer {token}"} if token else {}
                transport = httpx.ASGITransport(site, raise_app_exceptions=True)
                base = "http://127.0.0.1:8900"
                return httpx.AsyncClient(transport=transport, base_url=base, headers={**bearer, **headers})

            await scenario(app, console)

        run_topology(tmp_path / "topology.yaml", main, handlers={"triage": handler}, record_runs=True)

    return play


DESK = """\
version: 1
name: desk
topics:
  tickets: { partitions: 2, type: ticket.created }
  answers: { partitions: 2, type: ticket.answered }
runs: { mask: [card.number] }
processors:
  triage:
    handler: agents:triage
    topics: [tickets]
    output: answers
    retry: { max_attempts: 2, backoff: { initial: 1s, max: 1s } }
"""
