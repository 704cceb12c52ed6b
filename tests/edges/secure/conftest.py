"""One secure cluster for all tests here: starting it takes longer than any of them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

HERE = str(Path(__file__).parent)
if HERE not in sys.path:
    sys.path.insert(0, HERE)

from cluster import Cluster  # noqa: E402

from penstock import local_kafka  # noqa: E402
from penstock.errors import LocalKafkaError  # noqa: E402


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory, absent: Callable[[str], None]) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("secure")
    try:
        found = Cluster(folder)
    except LocalKafkaError as error:
        absent(f"no Kafka: {error}")
    try:
        yield found
    finally:
        local_kafka.wipe(folder / "kafka")
