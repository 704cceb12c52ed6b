"""Memory in one SQLite file: one host, any number of processes. Vectors are compared by sqlite-vec, exactly."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from penstock.contracts import Note, Scope
from penstock.errors import MemoryConflict, MemoryUnavailable
from penstock.memory.contract import HISTORY, VALUE, Forgotten, Item, KeptTurn, Value, Writes
from penstock.memory.drivers import driver
from penstock.memory.notes import note_bytes, note_of, vector_bytes, vector_of
from penstock.topology.memory_options import SqliteMemory
from penstock.topology.model import Topology

if TYPE_CHECKING:
    import apsw

T = TypeVar("T")
_BUSY: Final = 10_000  # ms to wait for another process that writes
_SWEEP: Final = 20  # expired rows taken away with each write: more than one write adds
_OF: Final = "tenant = ? AND agent = ? AND conversation = ?"
_SCOPED: Final = "tenant TEXT, agent TEXT, conversation TEXT"
_SCHEMA: Final = f"""
CREATE TABLE IF NOT EXISTS vals ({_SCOPED}, name TEXT, body BLOB, version TEXT, expires REAL,
    PRIMARY KEY (tenant, agent, conversation, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS turns ({_SCOPED}, number INTEGER, body BLOB, tokens INTEGER,
    PRIMARY KEY (tenant, agent, conversation, number)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS notes ({_SCOPED}, id TEXT, body BLOB, version TEXT, retired INTEGER, vector BLOB,
    PRIMARY KEY (tenant, agent, conversation, id));
CREATE TABLE IF NOT EXISTS fences ({_SCOPED}, run_id TEXT PRIMARY KEY, emitted BLOB, expires REAL);
CREATE INDEX IF NOT EXISTS fences_by_expiry ON fences (expires);
CREATE INDEX IF NOT EXISTS fences_by_scope ON fences (tenant, agent, conversation);
CREATE INDEX IF NOT EXISTS vals_by_expiry ON vals (expires) WHERE expires IS NOT NULL;
"""


def backend(options: SqliteMemory, topology: Topology) -> SqliteBackend:
    """The backend that the options ask for."""
    return SqliteBackend(options.path or topology.directory / ".penstock" / "memory" / f"{options.name}.db")


class SqliteBackend:
    """Backend on one file. All calls go to one thread with one connection; a commit is on disk when it returns."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread: ThreadPoolExecutor | None = None
        self._db: apsw.Connection | None = None

    async def open(self) -> None:
        """See Backend."""
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="penstock-memory")
            await self._on_thread(lambda _: None)

    async def close(self) -> None:
        """See Backend."""
        thread, self._thread = self._thread, None
        if thread is not None:
            await asyncio.get_running_loop().run_in_executor(thread, self._let_go)
            thread.shutdown(wait=False)

    def _let_go(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None

    def _connect(self) -> apsw.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        db: apsw.Connection = driver("apsw", "sqlite").Connection(str(self._path))
        db.set_busy_timeout(_BUSY)
        db.enable_load_extension(enable=True)
        db.load_extension(driver("sqlite_vec", "sqlite").loadable_path())
        db.enable_load_extension(enable=False)
        db.execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL")
        db.execute(_SCHEMA)
        return db

    async def _on_thread(self, work: Callable[[apsw.Connection], T]) -> T:
        def done() -> T:
            if self._db is None:
                self._db = self._connect()
            return work(self._db)

        if self._thread is None:
            raise MemoryUnavailable(f"the memory in {self._path} is closed")
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, done)
        except (driver("apsw", "sqlite").Error, OSError) as error:
            raise MemoryUnavailable(f"the memory in {self._path} cannot be used: {error}") from error

    async def _rows(self, sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        return await self._on_thread(lambda db: list(db.execute(sql, parameters)))

    async def fence(self, run_id: str, now: float) -> bytes | None:
        """See Backend."""
        rows = await self._rows("SELECT emitted FROM fences WHERE run_id = ? AND expires > ?", (run_id, now))
        return rows[0][0] if rows else None

    async def value(self, scope: Scope, name: str, now: float) -> Value | None:
        """See Backend."""
        sql = f"SELECT body, version, expires FROM vals WHERE {_OF} AND name = ? AND {_ALIVE}"
        rows = await self._rows(sql, (*_of(scope), name, now))
        return Value(*rows[0]) if rows else None

    async def values(self, scope: Scope, now: float) -> dict[str, Value]:
        """See Backend."""
        sql = f"SELECT name, body, version, expires FROM vals WHERE {_OF} AND {_ALIVE} ORDER BY name"
        return {name: Value(*rest) for name, *rest in await self._rows(sql, (*_of(scope), now))}

    async def turns(self, scope: Scope, *, before: int | None = None, limit: int = 100) -> list[KeptTurn]:
        """See Backend."""
        sql = f"SELECT number, body, tokens FROM turns WHERE {_OF} AND number < ? ORDER BY number DESC LIMIT ?"
        rows = await self._rows(sql, (*_of(scope), before or 1 << 62, limit))
        return [KeptTurn(*row) for row in rows]

    async def note(self, scope: Scope, note_id: str) -> Note | None:
        """See Backend."""
        rows = await self._rows(f"SELECT body, vector FROM notes WHERE {_OF} AND id = ?", (*_of(scope), note_id))
        return _note(*rows[0]) if rows else None

    async def notes(self, scope: Scope) -> list[Note]:
        """See Backend."""
        return [_note(*row) for row in await self._rows(f"SELECT body, vector FROM notes WHERE {_OF}", _of(scope))]

    async def nearest(self, scope: Scope, vector: Sequence[float], limit: int) -> list[Note]:
        """See Backend. A zero vector has no angle (sqlite-vec says NULL): such notes come last, with score 0."""
        packed = vector_bytes(vector)
        sql = f"""SELECT body, vector, coalesce(1 - vec_distance_cosine(vector, ?), 0) AS score FROM notes
            WHERE {_OF} AND NOT retired AND length(vector) = ? ORDER BY score DESC, id LIMIT ?"""
        rows = await self._rows(sql, (packed, *_of(scope), len(packed), limit))
        return [replace(_note(body, kept), score=score) for body, kept, score in rows]

    async def apply(self, writes: Writes) -> bytes | None:
        """See Backend."""
        return await self._on_thread(lambda db: _in_one_step(db, lambda: _apply(db, writes)))

    async def scopes(self) -> list[Scope]:
        """See Backend."""
        found = " UNION ".join(f"SELECT tenant, agent, conversation FROM {table}" for table in _TABLES)
        return sorted(Scope(*row) for row in await self._rows(found, ()))

    async def forget(self, scope: Scope) -> Forgotten:
        """See Backend."""

        def forgotten(db: apsw.Connection) -> list[int]:
            counts = []
            for table in (*_TABLES, "fences"):
                db.execute(f"DELETE FROM {table} WHERE {_OF}", _of(scope))
                counts.append(db.changes())
            return counts

        return Forgotten(*await self._on_thread(lambda db: _in_one_step(db, lambda: forgotten(db))))


_TABLES: Final = ("vals", "turns", "notes")
_ALIVE: Final = "(expires IS NULL OR expires > ?)"


def _of(scope: Scope) -> tuple[str, str, str]:
    return scope.tenant, scope.agent, scope.conversation


def _note(body: bytes, vector: bytes) -> Note:
    return note_of(body, vector_of(vector))


def _in_one_step(db: apsw.Connection, work: Callable[[], T]) -> T:
    db.execute("BEGIN IMMEDIATE")  # writers wait here for each other, and what is read stays true until the end
    try:
        found = work()
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")
    return found


def _apply(db: apsw.Connection, writes: Writes) -> bytes | None:
    kept = list(db.execute("SELECT emitted FROM fences WHERE run_id = ? AND expires > ?", (writes.run_id, writes.at)))
    if kept:
        emitted: bytes = kept[0][0]
        return emitted
    for item, version in writes.read.items():
        if _version(db, item, writes.at) != version:
            raise MemoryConflict(f"{item.kind} {item.name!r} of {item.scope} has changed")
    for (scope, name), new in writes.values.items():
        if new.body is None:
            db.execute(f"DELETE FROM vals WHERE {_OF} AND name = ?", (*_of(scope), name))
        else:
            row = (*_of(scope), name, new.body, writes.run_id, new.expires)
            db.execute("INSERT OR REPLACE INTO vals VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    for scope, turns in writes.turns.items():
        last = int(_version(db, Item(scope, HISTORY, ""), writes.at) or 0)
        rows = [(*_of(scope), last + 1 + index, *turn) for index, turn in enumerate(turns)]
        db.executemany("INSERT INTO turns VALUES (?, ?, ?, ?, ?, ?)", rows)
    for (scope, note_id), note in writes.notes.items():
        body = note_bytes(note, vector=False)
        kept_note = (*_of(scope), note_id, body, note.version, note.retired, vector_bytes(note.vector))
        db.execute("INSERT OR REPLACE INTO notes VALUES (?, ?, ?, ?, ?, ?, ?, ?)", kept_note)
    fence = (*_of(writes.scope), writes.run_id, writes.emitted, writes.fence_expires)
    db.execute("INSERT OR REPLACE INTO fences VALUES (?, ?, ?, ?, ?, ?)", fence)
    _sweep(db, writes.at)
    return None


def _version(db: apsw.Connection, item: Item, now: float) -> str:
    parameters: list[Any] = [*_of(item.scope)]
    if item.kind == HISTORY:
        sql = f"SELECT max(number) FROM turns WHERE {_OF}"
    elif item.kind == VALUE:
        sql = f"SELECT version FROM vals WHERE {_OF} AND name = ? AND {_ALIVE}"
        parameters += [item.name, now]
    else:
        sql = f"SELECT version FROM notes WHERE {_OF} AND id = ?"
        parameters.append(item.name)
    rows = list(db.execute(sql, parameters))
    return str(rows[0][0] or "") if rows else ""


def _sweep(db: apsw.Connection, now: float) -> None:
    db.execute(
        "DELETE FROM fences WHERE run_id IN (SELECT run_id FROM fences WHERE expires <= ? LIMIT ?)", (now, _SWEEP)
    )
    gone = list(
        db.execute("SELECT tenant, agent, conversation, name FROM vals WHERE expires <= ? LIMIT ?", (now, _SWEEP))
    )
    db.executemany(f"DELETE FROM vals WHERE {_OF} AND name = ?", gone)
