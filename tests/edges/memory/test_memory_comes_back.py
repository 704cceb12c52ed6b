"""A server that dies and comes back: meanwhile everything says that the memory is away, and nothing applied is lost."""

from __future__ import annotations

import asyncio

import pytest
from redis_server import RedisServer

from penstock.errors import MemoryUnavailable
from penstock.memory.redis import RedisBackend
from penstock.testing.memory_laws import NOW, new_scope, writes


def test_a_redis_that_was_killed_has_all_that_was_applied(tmp_path, absent):
    if missing := RedisServer.missing():
        absent(missing)
    pytest.importorskip("redis", reason="pip install 'penstock[redis]'")
    server = RedisServer(tmp_path)

    async def scenario() -> None:
        backend, scope = RedisBackend(server.start(), "test"), new_scope()
        await backend.open()
        assert await backend.apply(writes(scope, "one", turns=[b"1"], emitted=b'["kept"]')) is None
        server.stop()
        for question in (backend.fence("one", NOW), backend.turns(scope), backend.apply(writes(scope, "two"))):
            with pytest.raises(MemoryUnavailable, match="Redis does not answer"):
                await question
        server.start()
        assert await backend.fence("one", NOW) == b'["kept"]'
        assert await backend.apply(writes(scope, "one", turns=[b"again"])) == b'["kept"]'
        assert [turn.body for turn in await backend.turns(scope)] == [b"1"]
        await backend.close()

    try:
        asyncio.run(scenario())
    finally:
        server.stop()
