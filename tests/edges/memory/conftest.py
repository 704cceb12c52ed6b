"""The servers that memories are kept in: real ones, each started once, each test in a corner of its own."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
from chroma_server import ChromaServer
from pgvector_server import PgvectorServer
from redis_server import RedisServer

from penstock.memory.contract import Backend
from penstock.memory.indexed import IndexedBackend, VectorIndex
from penstock.memory.sqlite import SqliteBackend


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory, absent: Callable[[str], None]) -> Iterator[RedisServer]:
    if missing := RedisServer.missing():
        absent(missing)
    pytest.importorskip("redis", reason="pip install 'penstock[redis]'")
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def pgvector_server(absent: Callable[[str], None]) -> Iterator[PgvectorServer]:
    if missing := PgvectorServer.missing():
        absent(missing)
    pytest.importorskip("psycopg_pool", reason="pip install 'penstock[postgres]'")
    server = PgvectorServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def chroma_server(tmp_path_factory: pytest.TempPathFactory, absent: Callable[[str], None]) -> Iterator[str]:
    if missing := ChromaServer.missing():
        absent(missing)
    server = ChromaServer(tmp_path_factory.mktemp("chroma"))
    yield server.start()
    server.stop()


def in_redis(request: pytest.FixtureRequest) -> Backend:
    from penstock.memory.redis import RedisBackend

    return RedisBackend(request.getfixturevalue("redis_server").url, f"test-{uuid.uuid4().hex}")


def in_postgres(request: pytest.FixtureRequest) -> Backend:
    from penstock.memory.postgres import PostgresBackend

    return PostgresBackend(request.getfixturevalue("pgvector_server").url, f"test_{uuid.uuid4().hex}")


def with_ledger(request: pytest.FixtureRequest, index: VectorIndex) -> Backend:
    return IndexedBackend(SqliteBackend(request.getfixturevalue("tmp_path") / "ledger.db"), index)


def in_qdrant(request: pytest.FixtureRequest) -> Backend:
    pytest.importorskip("qdrant_client", reason="pip install 'penstock[qdrant]'")
    from penstock.memory.qdrant import QdrantIndex

    folder = request.getfixturevalue("tmp_path") / "qdrant"
    return with_ledger(request, QdrantIndex({"path": str(folder)}, "notes"))


def in_chroma(request: pytest.FixtureRequest) -> Backend:
    from penstock.memory.chroma import ChromaIndex

    return with_ledger(request, ChromaIndex(request.getfixturevalue("chroma_server"), f"test-{uuid.uuid4().hex}"))


def in_omnimemory(request: pytest.FixtureRequest) -> Backend:
    pytest.importorskip("omnimemory", reason="pip install 'penstock[omnimemory]', in an environment of its own")
    from penstock.memory.omnimemory import OmniMemoryIndex

    place = urlsplit(request.getfixturevalue("chroma_server"))
    environment = request.getfixturevalue("monkeypatch")
    named = {"OMNI_MEMORY_PROVIDER": "chromadb-remote", "CHROMA_HOST": place.hostname, "CHROMA_PORT": str(place.port)}
    for name, value in named.items():
        environment.setenv(name, value)
    return with_ledger(request, OmniMemoryIndex(f"test-{uuid.uuid4().hex}"))


KINDS: dict[str, Callable[[pytest.FixtureRequest], Backend]] = {
    "redis": in_redis,
    "postgres": in_postgres,
    "qdrant": in_qdrant,
    "chroma": in_chroma,
    "omnimemory": in_omnimemory,
}


@pytest.fixture(params=KINDS)
def backend(request: pytest.FixtureRequest) -> Backend:
    """An empty memory on each kind of server, not yet open."""
    return KINDS[request.param](request)
