"""The backends that need no server keep the laws of memory: the one in this process, and SQLite with sqlite-vec."""

from __future__ import annotations

import asyncio

import pytest

from penstock.errors import MemoryUnavailable
from penstock.memory.contract import Backend
from penstock.memory.in_memory import InMemoryBackend
from penstock.memory.sqlite import SqliteBackend
from penstock.testing.memory_laws import LAWS, new_scope, writes


@pytest.fixture(params=["in_memory", "sqlite"])
def backend(request, tmp_path) -> Backend:
    return InMemoryBackend() if request.param == "in_memory" else SqliteBackend(tmp_path / "memory.db")


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_the_law_is_kept(backend, law):
    async def held() -> None:
        await backend.open()
        try:
            await law(backend)
        finally:
            await backend.close()

    asyncio.run(held())


def test_what_sqlite_applied_is_there_for_the_next_process(tmp_path):
    async def scenario() -> None:
        one, other, scope = SqliteBackend(tmp_path / "m.db"), SqliteBackend(tmp_path / "m.db"), new_scope()
        await one.open()
        await other.open()
        await one.apply(writes(scope, "r1", turns=[b"1"], emitted=b'["x"]'))
        assert await other.apply(writes(scope, "r1", turns=[b"1"])) == b'["x"]'
        await one.close()
        assert [turn.body for turn in await other.turns(scope)] == [b"1"]
        await other.close()
        with pytest.raises(MemoryUnavailable, match="closed"):
            await other.scopes()

    asyncio.run(scenario())


def test_a_file_that_cannot_be_used_says_so(tmp_path):
    (tmp_path / "m.db").write_bytes(b"this is no database, though it is long enough to look like one. " * 20)

    with pytest.raises(MemoryUnavailable, match="cannot be used"):
        asyncio.run(SqliteBackend(tmp_path / "m.db").open())
