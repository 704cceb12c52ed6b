"""The local Kafka for real: what it holds outlives a clean stop and a crash."""

from __future__ import annotations

import asyncio
import os

import pytest

from penstock import local_kafka
from penstock.broker.contract import NewTopic
from penstock.broker.kafka.admin import KafkaAdmin
from penstock.errors import LocalKafkaError

pytestmark = pytest.mark.kafka


def topics(bootstrap: str, *, create: str = "") -> set[str]:
    async def ask() -> set[str]:
        admin = KafkaAdmin({"bootstrap.servers": bootstrap}, timeout=30)
        if create:
            assert await admin.create_topics([NewTopic(create, 2)]) == {}
        found = set(await admin.topics())
        await admin.close()
        return found

    return asyncio.run(ask())


@pytest.mark.slow
def test_topics_outlive_a_stop_and_a_crash(tmp_path):
    data = tmp_path / "data"
    try:
        local_kafka.fetch()
    except LocalKafkaError as error:
        if os.environ.get("CI", "").lower() == "true":
            raise
        pytest.skip(f"no Kafka: {error}")
    try:
        first = local_kafka.start(data, jvm=local_kafka.SHORT_LIVED)
        assert topics(first.bootstrap, create="kept") == {"kept"}
        assert local_kafka.stop(data)
        second = local_kafka.start(data, jvm=local_kafka.SHORT_LIVED)
        assert topics(second.bootstrap) == {"kept"}
        assert local_kafka.kill(data)
        third = local_kafka.start(data, jvm=local_kafka.SHORT_LIVED)
        assert third.bootstrap == first.bootstrap
        assert topics(third.bootstrap) == {"kept"}
    finally:
        local_kafka.wipe(data)
    assert not data.exists()
