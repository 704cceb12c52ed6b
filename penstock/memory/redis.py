"""Memory in Redis or Valkey: fast, shared by all hosts, and as durable as that server is configured to be.

Notes are compared here, not there: exact, and fit for the thousands of notes that one scope may hold.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Any, Final, TypeVar
from urllib.parse import quote, unquote

import orjson

from penstock.contracts import Note, Scope
from penstock.errors import MemoryConflict, MemoryUnavailable
from penstock.memory.contract import Forgotten, KeptTurn, Value, Writes
from penstock.memory.drivers import driver
from penstock.memory.notes import nearest_of, note_bytes, note_of
from penstock.memory.redis_script import APPLY
from penstock.topology.memory_options import RedisMemory
from penstock.topology.model import Topology

T = TypeVar("T")
_TIMEOUT: Final = 10.0  # seconds for an answer, and for a free connection
_CONNECTIONS: Final = 50  # of one process; more runs than that wait a moment for one


def backend(options: RedisMemory, topology: Topology) -> RedisBackend:
    """The backend that the options ask for."""
    return RedisBackend(options.url.reveal(), options.prefix or f"penstock:{topology.name}:{options.name}")


class RedisBackend:
    """Backend on one Redis. All keys begin with `{prefix}`, so a cluster keeps them in one slot."""

    def __init__(self, url: str, prefix: str) -> None:
        self._url = url
        self._prefix = f"{{{prefix}}}"
        self._redis: Any = None

    async def open(self) -> None:
        """See Backend."""
        if self._redis is not None:
            return
        asynchronous = driver("redis.asyncio", "redis")
        pool = asynchronous.BlockingConnectionPool.from_url(
            self._url,
            max_connections=_CONNECTIONS,
            timeout=_TIMEOUT,
            socket_timeout=_TIMEOUT,
            socket_connect_timeout=_TIMEOUT,
        )
        self._redis = asynchronous.Redis.from_pool(pool)
        self._apply = self._redis.register_script(APPLY)
        await self._ask(self._redis.ping())

    async def close(self) -> None:
        """See Backend."""
        redis, self._redis = self._redis, None
        if redis is not None:
            await redis.aclose()

    async def _ask(self, question: Awaitable[T]) -> T:
        try:
            return await question
        except (driver("redis", "redis").RedisError, OSError) as error:
            raise MemoryUnavailable(f"Redis does not answer: {type(error).__name__}: {error}") from error

    def _key(self, what: str, scope: Scope, name: str | None = None) -> str:
        return f"{self._prefix}:{what}:{_path(scope)}" + ("" if name is None else f":{name}")

    async def fence(self, run_id: str, now: float) -> bytes | None:
        """See Backend."""
        found = await self._ask(self._redis.get(f"{self._prefix}:fence:{run_id}"))
        if found is None:
            return None
        expires, _, emitted = found.partition(b"\n")
        return emitted if float(expires) > now else None

    async def value(self, scope: Scope, name: str, now: float) -> Value | None:
        """See Backend."""
        return _value(await self._ask(self._redis.get(self._key("value", scope, name))), now)

    async def values(self, scope: Scope, now: float) -> dict[str, Value]:
        """See Backend."""
        names = sorted(raw.decode() for raw in await self._ask(self._redis.smembers(self._key("names", scope))))
        if not names:
            return {}
        kept = await self._ask(self._redis.mget([self._key("value", scope, name) for name in names]))
        found = {name: _value(raw, now) for name, raw in zip(names, kept, strict=True)}
        return {name: value for name, value in found.items() if value is not None}

    async def turns(self, scope: Scope, *, before: int | None = None, limit: int = 100) -> list[KeptTurn]:
        """See Backend."""
        key = self._key("turns", scope)
        end = before - 1 if before is not None else await self._ask(self._redis.llen(key))
        start = max(end - limit, 0)
        rows = await self._ask(self._redis.lrange(key, start, end - 1)) if end > 0 else []
        found = []
        for index, row in enumerate(rows):
            tokens, _, body = row.partition(b"\n")
            found.append(KeptTurn(start + index + 1, body, int(tokens)))
        return found[::-1]

    async def note(self, scope: Scope, note_id: str) -> Note | None:
        """See Backend."""
        found = await self._ask(self._redis.hget(self._key("notes", scope), note_id))
        return None if found is None else _note(found)

    async def notes(self, scope: Scope) -> list[Note]:
        """See Backend."""
        return [_note(row) for row in await self._ask(self._redis.hvals(self._key("notes", scope)))]

    async def nearest(self, scope: Scope, vector: Sequence[float], limit: int) -> list[Note]:
        """See Backend."""
        return nearest_of(await self.notes(scope), vector, limit)

    async def apply(self, writes: Writes) -> bytes | None:
        """See Backend."""
        what, *said = await self._ask(self._apply(keys=[self._prefix], args=[orjson.dumps(_packed(writes))]))
        if what == b"conflict":
            kind, name = (raw.decode() for raw in said)
            raise MemoryConflict(f"{kind} {name!r} of {writes.scope} has changed")
        return said[0] if what == b"kept" else None

    async def scopes(self) -> list[Scope]:
        """See Backend."""
        known = [_scope(raw) for raw in await self._ask(self._redis.smembers(f"{self._prefix}:scopes"))]
        pipeline = self._redis.pipeline(transaction=False)
        for scope in known:
            pipeline.exists(*(self._key(what, scope) for what in ("names", "turns", "notes")))
        there = await self._ask(pipeline.execute())
        return sorted(scope for scope, count in zip(known, there, strict=True) if count)

    async def forget(self, scope: Scope) -> Forgotten:
        """See Backend. In two steps: what is asked for meanwhile may still be there, what is written is not taken."""
        names = [raw.decode() for raw in await self._ask(self._redis.smembers(self._key("names", scope)))]
        runs = [raw.decode() for raw in await self._ask(self._redis.zrange(self._key("runs", scope), 0, -1))]
        notes, turns = self._key("notes", scope), self._key("turns", scope)
        pipeline = self._redis.pipeline(transaction=True)
        pipeline.hlen(notes).llen(turns)
        pipeline.delete(notes, turns, self._key("names", scope), self._key("runs", scope))
        pipeline.srem(f"{self._prefix}:scopes", _path(scope))
        pipeline.delete(*(self._key("value", scope, name) for name in names), *[f"{self._prefix}:none"])
        pipeline.delete(*(f"{self._prefix}:fence:{run}" for run in runs), *[f"{self._prefix}:none"])
        note_count, turn_count, *_, value_count, fence_count = await self._ask(pipeline.execute())
        return Forgotten(value_count, turn_count, note_count, fence_count)


def _path(scope: Scope) -> str:
    return "/".join(quote(part, safe="") for part in (scope.tenant, scope.agent, scope.conversation))


def _scope(raw: bytes) -> Scope:
    return Scope(*(unquote(part) for part in raw.decode().split("/")))


def _value(raw: bytes | None, now: float) -> Value | None:
    if raw is None:
        return None
    version, expires, body = raw.split(b"\n", 2)
    until = float(expires) if expires else None
    return None if until is not None and until <= now else Value(body, version.decode(), until)


def _note(raw: bytes) -> Note:
    return note_of(raw.partition(b"\n")[2])


def _packed(writes: Writes) -> dict[str, Any]:
    """What the script reads."""
    values = []
    for (scope, name), new in writes.values.items():
        until = "" if new.expires is None else repr(new.expires)
        body = "" if new.body is None else f"{writes.run_id}\n{until}\n{new.body.decode()}"
        lives = 0 if new.expires is None else max(round((new.expires - writes.at) * 1000), 1)
        values.append([_path(scope), name, body, lives])
    return {
        "run_id": writes.run_id,
        "scope": _path(writes.scope),
        "at": writes.at,
        "fence": f"{writes.fence_expires!r}\n{writes.emitted.decode()}",
        "fence_expires": writes.fence_expires,
        "fence_ms": max(round((writes.fence_expires - writes.at) * 1000), 1),
        "read": [[_path(item.scope), item.kind, item.name, version] for item, version in writes.read.items()],
        "values": values,
        "turns": [
            [_path(scope), f"{turn.tokens}\n{turn.body.decode()}"]
            for scope, turns in writes.turns.items()
            for turn in turns
        ],
        "notes": [
            [_path(scope), note_id, f"{note.version}\n{note_bytes(note).decode()}"]
            for (scope, note_id), note in writes.notes.items()
        ],
    }
