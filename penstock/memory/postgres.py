"""Memory in PostgreSQL with pgvector: durable and shared by all hosts. Vectors are compared there, exactly."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Final, TypeAlias

from penstock.contracts import Note, Scope
from penstock.errors import MemoryConflict, MemoryUnavailable
from penstock.memory.contract import HISTORY, VALUE, Forgotten, Item, KeptTurn, Value, Writes
from penstock.memory.drivers import driver
from penstock.memory.notes import note_bytes, note_of
from penstock.topology.memory_options import PostgresMemory
from penstock.topology.model import Topology

Connection: TypeAlias = Any  # psycopg.AsyncConnection, which need not be installed
_TIMEOUT: Final = 10.0  # seconds for an answer, and for a free connection
_CONNECTIONS: Final = 10  # of one process; more runs than that wait a moment for one
_SWEEP: Final = 20  # expired rows taken away with each write: more than one write adds
_OF: Final = "tenant = %s AND agent = %s AND conversation = %s"
_ALIVE: Final = "(expires IS NULL OR expires > %s)"
_SCOPED: Final = "tenant text, agent text, conversation text"
_KEY: Final = "PRIMARY KEY (tenant, agent, conversation"
_ID: Final = f", {_KEY}, id)"
_TABLES: Final = ("vals", "turns", "notes")
_SCHEMA: Final = (
    f"CREATE TABLE IF NOT EXISTS vals ({_SCOPED}, name text, body text, version text, expires float8, {_KEY}, name))",
    f"CREATE TABLE IF NOT EXISTS turns ({_SCOPED}, number bigint, body text, tokens int, {_KEY}, number))",
    f"CREATE TABLE IF NOT EXISTS notes ({_SCOPED}, id text, body text, version text, retired bool, vector vector{_ID})",
    f"CREATE TABLE IF NOT EXISTS fences ({_SCOPED}, run_id text PRIMARY KEY, emitted text, expires float8)",
    "CREATE INDEX IF NOT EXISTS fences_by_expiry ON fences (expires)",
    "CREATE INDEX IF NOT EXISTS fences_by_scope ON fences (tenant, agent, conversation)",
    "CREATE INDEX IF NOT EXISTS vals_by_expiry ON vals (expires) WHERE expires IS NOT NULL",
)
_PUT: Final = (
    "INSERT INTO vals VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (tenant, agent, conversation, name)"
    " DO UPDATE SET body = excluded.body, version = excluded.version, expires = excluded.expires"
)
_NOTE: Final = (
    "INSERT INTO notes VALUES (%s, %s, %s, %s, %s, %s, %s, %s::vector) ON CONFLICT (tenant, agent, conversation, id)"
    " DO UPDATE SET body = excluded.body, version = excluded.version, retired = excluded.retired,"
    " vector = excluded.vector"
)
_FENCE: Final = (
    "INSERT INTO fences VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (run_id)"
    " DO UPDATE SET emitted = excluded.emitted, expires = excluded.expires"
)
_NEAREST: Final = (
    "SELECT body, vector::text, coalesce(nullif(1 - (vector <=> %s::vector), 'NaN'), 0) AS score FROM notes"
    f" WHERE {_OF} AND NOT retired AND vector_dims(vector) = %s ORDER BY score DESC, id LIMIT %s"
)


def backend(options: PostgresMemory, topology: Topology) -> PostgresBackend:
    """The backend that the options ask for."""
    derived = re.sub(r"[^a-z0-9_]", "_", f"penstock_{topology.name}_{options.name}".lower())[:63]
    return PostgresBackend(options.url.reveal(), options.schema or derived)


class PostgresBackend:
    """Backend on one schema of a database. Runs on one scope are applied one after the other, by advisory locks."""

    def __init__(self, url: str, schema: str) -> None:
        self._url = url
        self._schema = schema
        self._pool: Any = None

    async def open(self) -> None:
        """See Backend."""
        if self._pool is not None:
            return
        driver("psycopg", "postgres")
        options = f"-c search_path={self._schema},public -c statement_timeout={round(_TIMEOUT * 1000)}"
        pool: Any = driver("psycopg_pool", "postgres").AsyncConnectionPool(
            self._url,
            kwargs={"options": options, "connect_timeout": round(_TIMEOUT)},
            min_size=1,
            max_size=_CONNECTIONS,
            timeout=_TIMEOUT,
            open=False,
        )
        await pool.open()
        self._pool = pool
        async with self._step() as db:
            await db.execute("SELECT pg_advisory_xact_lock(7236401)")  # IF NOT EXISTS alone loses races
            await db.execute(f'CREATE SCHEMA IF NOT EXISTS "{self._schema}"')
            await db.execute("CREATE EXTENSION IF NOT EXISTS vector SCHEMA public")
            for statement in _SCHEMA:
                await db.execute(statement)

    async def close(self) -> None:
        """See Backend."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.close()

    @asynccontextmanager
    async def _step(self) -> AsyncIterator[Connection]:
        """One connection, one transaction."""
        if self._pool is None:
            raise MemoryUnavailable("the memory in PostgreSQL is closed")
        errors = (driver("psycopg", "postgres").Error, driver("psycopg_pool", "postgres").PoolTimeout, OSError)
        try:
            async with self._pool.connection() as db, db.transaction():
                yield db
        except errors as error:
            raise MemoryUnavailable(f"PostgreSQL does not answer: {type(error).__name__}: {error}") from error

    async def _rows(self, sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        async with self._step() as db:
            return await _rows(db, sql, parameters)

    async def fence(self, run_id: str, now: float) -> bytes | None:
        """See Backend."""
        rows = await self._rows("SELECT emitted FROM fences WHERE run_id = %s AND expires > %s", (run_id, now))
        return rows[0][0].encode() if rows else None

    async def value(self, scope: Scope, name: str, now: float) -> Value | None:
        """See Backend."""
        sql = f"SELECT body, version, expires FROM vals WHERE {_OF} AND name = %s AND {_ALIVE}"
        rows = await self._rows(sql, (*_of(scope), name, now))
        return Value(rows[0][0].encode(), *rows[0][1:]) if rows else None

    async def values(self, scope: Scope, now: float) -> dict[str, Value]:
        """See Backend."""
        sql = f"SELECT name, body, version, expires FROM vals WHERE {_OF} AND {_ALIVE} ORDER BY name"
        rows = await self._rows(sql, (*_of(scope), now))
        return {name: Value(body.encode(), *rest) for name, body, *rest in rows}

    async def turns(self, scope: Scope, *, before: int | None = None, limit: int = 100) -> list[KeptTurn]:
        """See Backend."""
        sql = f"SELECT number, body, tokens FROM turns WHERE {_OF} AND number < %s ORDER BY number DESC LIMIT %s"
        rows = await self._rows(sql, (*_of(scope), before or 1 << 62, limit))
        return [KeptTurn(number, body.encode(), tokens) for number, body, tokens in rows]

    async def note(self, scope: Scope, note_id: str) -> Note | None:
        """See Backend."""
        sql = f"SELECT body, vector::text FROM notes WHERE {_OF} AND id = %s"
        rows = await self._rows(sql, (*_of(scope), note_id))
        return _note(*rows[0]) if rows else None

    async def notes(self, scope: Scope) -> list[Note]:
        """See Backend."""
        rows = await self._rows(f"SELECT body, vector::text FROM notes WHERE {_OF}", _of(scope))
        return [_note(*row) for row in rows]

    async def nearest(self, scope: Scope, vector: Sequence[float], limit: int) -> list[Note]:
        """See Backend."""
        rows = await self._rows(_NEAREST, (_vector(vector), *_of(scope), len(vector), limit))
        return [replace(_note(body, kept), score=score) for body, kept, score in rows]

    async def apply(self, writes: Writes) -> bytes | None:
        """See Backend."""
        async with self._step() as db:
            return await _apply(db, writes)

    async def scopes(self) -> list[Scope]:
        """See Backend."""
        found = " UNION ".join(f"SELECT tenant, agent, conversation FROM {table}" for table in _TABLES)
        return sorted(Scope(*row) for row in await self._rows(found, ()))

    async def forget(self, scope: Scope) -> Forgotten:
        """See Backend."""
        async with self._step() as db:
            await _lock(db, [scope])
            counts = [
                (await db.execute(f"DELETE FROM {table} WHERE {_OF}", _of(scope))).rowcount
                for table in (*_TABLES, "fences")
            ]
        return Forgotten(*counts)


async def _apply(db: Connection, writes: Writes) -> bytes | None:
    places = {writes.scope, *(item.scope for item in writes.read), *writes.turns}
    await _lock(db, [*places, *(scope for scope, _ in writes.values), *(scope for scope, _ in writes.notes)])
    fence = "SELECT emitted FROM fences WHERE run_id = %s AND expires > %s"
    if kept := await _rows(db, fence, (writes.run_id, writes.at)):
        emitted: str = kept[0][0]
        return emitted.encode()
    for item, version in writes.read.items():
        if await _version(db, item, writes.at) != version:
            raise MemoryConflict(f"{item.kind} {item.name!r} of {item.scope} has changed")
    async with db.cursor() as cursor:
        await _write(cursor, writes)
        for scope, turns in writes.turns.items():
            last = int(await _version(db, Item(scope, HISTORY, ""), writes.at) or 0)
            rows = [
                (*_of(scope), last + 1 + index, turn.body.decode(), turn.tokens) for index, turn in enumerate(turns)
            ]
            await cursor.executemany("INSERT INTO turns VALUES (%s, %s, %s, %s, %s, %s)", rows)
        expired = "(SELECT ctid FROM {0} WHERE expires <= %s LIMIT %s FOR UPDATE SKIP LOCKED)"
        for table in ("fences", "vals"):
            sweep = f"DELETE FROM {table} WHERE ctid = ANY (ARRAY{expired.format(table)})"
            await cursor.execute(sweep, (writes.at, _SWEEP))
        row = (*_of(writes.scope), writes.run_id, writes.emitted.decode(), writes.fence_expires)
        await cursor.execute(_FENCE, row)
    return None


async def _write(cursor: Any, writes: Writes) -> None:
    for (scope, name), new in writes.values.items():
        if new.body is None:
            await cursor.execute(f"DELETE FROM vals WHERE {_OF} AND name = %s", (*_of(scope), name))
        else:
            await cursor.execute(_PUT, (*_of(scope), name, new.body.decode(), writes.run_id, new.expires))
    for (scope, note_id), note in writes.notes.items():
        body = note_bytes(note, vector=False).decode()
        await cursor.execute(_NOTE, (*_of(scope), note_id, body, note.version, note.retired, _vector(note.vector)))


async def _lock(db: Connection, scopes: Sequence[Scope]) -> None:
    """One after the other on each scope; always in one order, so that two runs never wait for each other."""
    names = sorted({"\x1f".join(_of(scope)) for scope in scopes})
    await db.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || name, 0)) FROM unnest(%s::text[]) AS name",
        (names,),
    )


async def _version(db: Connection, item: Item, now: float) -> str:
    parameters: list[Any] = [*_of(item.scope)]
    if item.kind == HISTORY:
        sql = f"SELECT max(number) FROM turns WHERE {_OF}"
    elif item.kind == VALUE:
        sql = f"SELECT version FROM vals WHERE {_OF} AND name = %s AND {_ALIVE}"
        parameters += [item.name, now]
    else:
        sql = f"SELECT version FROM notes WHERE {_OF} AND id = %s"
        parameters.append(item.name)
    rows = await _rows(db, sql, parameters)
    return str(rows[0][0] or "") if rows else ""


async def _rows(db: Connection, sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = await (await db.execute(sql, parameters)).fetchall()
    return rows


def _of(scope: Scope) -> tuple[str, str, str]:
    return scope.tenant, scope.agent, scope.conversation


def _vector(vector: Sequence[float]) -> str:
    return f"[{','.join(map(repr, vector))}]"


def _note(body: str, vector: str) -> Note:
    return note_of(body, tuple(float(part) for part in vector.strip("[]").split(",")))
