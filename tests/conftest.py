"""What tests share: a real broker for those marked `kafka`, and topic names nobody else uses."""

from __future__ import annotations

import os
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from penstock import local_kafka
from penstock.errors import LocalKafkaError


def _no_broker(reason: str) -> None:
    """Skip, except on the build server, where a suite without its broker has proved nothing."""
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(f"no Kafka for the tests: {reason}")
    pytest.skip(f"no Kafka: {reason}")


@pytest.fixture(scope="session")
def kafka() -> Iterator[str]:
    """`bootstrap.servers` of a real broker; PENSTOCK_TEST_KAFKA names one that runs already."""
    if running := os.environ.get("PENSTOCK_TEST_KAFKA"):
        yield running
        return
    with tempfile.TemporaryDirectory(prefix="penstock-kafka-") as folder:
        data = Path(folder) / "data"
        try:
            broker = local_kafka.start(data, jvm=local_kafka.SHORT_LIVED)
        except LocalKafkaError as error:
            _no_broker(str(error))
            return
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
