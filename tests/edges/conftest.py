"""The edges: penstock beside real servers of others. Each server has a file here, and a fixture that starts it once."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

HERE = str(Path(__file__).parent)
if HERE not in sys.path:
    sys.path.insert(0, HERE)

from postgres_server import PostgresServer  # noqa: E402
from redis_server import RedisServer  # noqa: E402
from registry_server import RegistryServer  # noqa: E402


def _absent(reason: str) -> None:
    """Skip with the reason; on the build server, where everything is to be installed, fail."""
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def absent() -> Callable[[str], None]:
    """What a test says where something outside is missing."""
    return _absent


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a schema registry (Apicurio, by Confluent's API)."""
    server = RegistryServer(tmp_path_factory.mktemp("registry"))
    if missing := server.missing():
        _absent(missing)
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of a PostgreSQL."""
    if missing := PostgresServer.missing():
        _absent(missing)
    server = PostgresServer()
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Redis."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    if missing := server.missing():
        _absent(missing)
    if importlib.util.find_spec("redis") is None:
        _absent("the extra `redis` is not installed")
    try:
        yield server.start()
    finally:
        server.stop()
