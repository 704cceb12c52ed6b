"""The source `postgres_outbox`: rows of an outbox table are published and deleted, in the order of each key.

A relay locks lanes (keys hash to one of 16), publishes what stands in them, deletes it, and commits: a relay or a
database that dies meanwhile leaves the rows where they were, and they are published again under the same id.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection, Mapping
from typing import Any, Final

from penstock.connectors.delivery import Found, deliver_or_refuse
from penstock.connectors.outbox_table import channel
from penstock.contracts import Incoming
from penstock.engine.source_outlet import SourceOutlet
from penstock.topology.postgres_options import PostgresOutboxOptions

_LANES: Final = 4  # of 16: what is left is for the other relays
_TAKE: Final = """
SELECT lane FROM {table}_lane l WHERE EXISTS (SELECT FROM {table} o WHERE o.lane = l.lane)
ORDER BY random() LIMIT %s FOR UPDATE SKIP LOCKED"""
_READ: Final = "SELECT * FROM {table} WHERE lane = ANY(%s) ORDER BY position LIMIT %s"
_DELETE: Final = "DELETE FROM {table} WHERE position = ANY(%s)"


class PostgresOutbox:
    """Every replica is a relay; they share the lanes by SKIP LOCKED. NOTIFY wakes them, a slow poll is the net."""

    Options = PostgresOutboxOptions

    def __init__(self, options: PostgresOutboxOptions) -> None:
        """Raises ModuleNotFoundError without the extra."""
        import psycopg  # noqa: F401 - looked for now, so that its absence is said at the start

        self._options = options

    async def run(self, outlet: SourceOutlet) -> None:
        """See contracts.Source."""
        import psycopg

        dsn = self._options.dsn.reveal()
        name = f"penstock-{self._options.group_id}"[:63]
        async with (
            await psycopg.AsyncConnection.connect(dsn, application_name=name) as work,
            await psycopg.AsyncConnection.connect(dsn, application_name=name, autocommit=True) as wakes,
        ):
            await wakes.execute(f"LISTEN {channel(self._options.table)}")
            while not outlet.stopping.is_set():
                if not await self._relay(work, outlet):
                    await self._wait(wakes, outlet)

    async def _relay(self, work: Any, outlet: SourceOutlet) -> int:
        """Publish and delete what stands in some free lanes; returns how many rows that was."""
        from psycopg.rows import dict_row

        table = self._options.table
        async with work.transaction(), work.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(_TAKE.format(table=table), (_LANES,))
            lanes = [row["lane"] for row in await cursor.fetchall()]
            if not lanes:
                return 0
            await cursor.execute(_READ.format(table=table), (lanes, self._options.batch_size))
            rows = await cursor.fetchall()
            await deliver_or_refuse(outlet, [self._found(row, outlet.topology.topics) for row in rows])
            await cursor.execute(_DELETE.format(table=table), ([row["position"] for row in rows],))
        return len(rows)

    async def _wait(self, wakes: Any, outlet: SourceOutlet) -> None:
        """Until something is inserted, the poll is due, or the source is to stop."""
        notified = asyncio.ensure_future(anext(wakes.notifies(timeout=self._options.poll, stop_after=1), None))
        stopped = asyncio.ensure_future(outlet.stopping.wait())
        try:
            await asyncio.wait({notified, stopped}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (notified, stopped):
                task.cancel()
            await asyncio.gather(notified, stopped, return_exceptions=True)

    @staticmethod
    def _found(row: Mapping[str, Any], topics: Collection[str]) -> Found:
        raw = json.dumps(row, default=str).encode()
        id_ = str(row["id"])
        topic = row["topic"]
        if topic not in topics:
            return Found(raw, id_, None, f"its topic {topic!r} is not in the topology")
        return Found(
            raw,
            id_,
            Incoming(
                data=row["data"],
                id=id_,
                key=row["key"],
                topic=topic,
                type=row["type"],
                subject=row["subject"],
                time=row["time"],
                correlation_id=row["correlation_id"],
                causation_id=row["causation_id"],
                tenant=row["tenant"],
                traceparent=row["traceparent"],
                headers=row["headers"] or None,
            ),
        )
