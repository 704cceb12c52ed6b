"""The sink `postgres_sink`: events become rows, upserted by the event's id; a batch is one transaction."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from penstock.connectors.delivery import Unusable, value_at
from penstock.event import AnyEvent
from penstock.signals import Defer
from penstock.topology.postgres_options import PostgresSinkOptions

_AWAY: Final = "5s"
_ATTRIBUTES: Final[Mapping[str, Callable[[AnyEvent], Any]]] = {
    "source": lambda event: event.source,
    "type": lambda event: event.type,
    "subject": lambda event: event.subject,
    "key": lambda event: event.key,
    "time": lambda event: event.time,
    "tenant": lambda event: event.tenant,
    "correlation_id": lambda event: event.correlation_id,
    "data": lambda event: json.dumps(event.data),
}
_PLAIN: Final = ("source", "type", "subject", "key", "time", "data")
_CREATE: Final = """
CREATE TABLE IF NOT EXISTS {table} (id text PRIMARY KEY, source text NOT NULL, type text NOT NULL, subject text,
    key text, time timestamptz NOT NULL, data jsonb)"""


class PostgresSink:
    """Upserts, so that a repeat of an event writes the same row once more."""

    Options = PostgresSinkOptions

    def __init__(self, options: PostgresSinkOptions) -> None:
        """Raises ModuleNotFoundError without the extra."""
        import psycopg  # noqa: F401 - looked for now, so that its absence is said at the start

        self._options = options
        self._columns = dict(options.columns) or {name: name for name in _PLAIN}
        names = ["id", *self._columns]
        updates = ", ".join(f"{name} = excluded.{name}" for name in self._columns)
        self._upsert = (
            f"INSERT INTO {options.table} ({', '.join(names)}) VALUES ({', '.join(['%s'] * len(names))}) "  # noqa: S608
            f"ON CONFLICT (id) DO UPDATE SET {updates}"  # names are checked by the linter, values are parameters
        )
        self._idle: list[Any] = []
        self._made = bool(options.columns) or not options.create

    async def __call__(self, events: Any, _contexts: Any) -> None:
        """See contracts.Sink; one event alone where `batch` is off."""
        import psycopg

        rows = [self._row(event) for event in (events if isinstance(events, list) else [events])]
        try:
            connection = await self._connection()
            try:
                await self._write(connection, rows)
            except BaseException:
                await connection.close()
                raise
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            raise Defer(f"PostgreSQL is away: {error}".strip(), after=_AWAY) from error
        self._idle.append(connection)

    async def _write(self, connection: Any, rows: Sequence[Sequence[Any]]) -> None:
        async with connection.transaction(), connection.cursor() as cursor:
            if not self._made:
                await cursor.execute(_CREATE.format(table=self._options.table))
            await cursor.executemany(self._upsert, rows)
        self._made = True

    async def close(self) -> None:
        """Close what is idle; what is in use goes with its call."""
        while self._idle:
            await self._idle.pop().close()

    async def _connection(self) -> Any:
        import psycopg

        while self._idle:
            connection = self._idle.pop()
            if not connection.closed:
                return connection
        name = f"penstock-{self._options.group_id}"[:63]
        return await psycopg.AsyncConnection.connect(self._options.dsn.reveal(), application_name=name)

    def _row(self, event: AnyEvent) -> list[Any]:
        return [event.id, *(self._value(event, path) for path in self._columns.values())]

    @staticmethod
    def _value(event: AnyEvent, path: str) -> Any:
        if path in _ATTRIBUTES:
            return _ATTRIBUTES[path](event)
        try:
            return value_at(event.data, path)
        except Unusable:
            return None  # a column that may not be null says so itself
