"""What the PostgreSQL connectors can be told."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Final

from penstock.secret import Secret
from penstock.topology.connector_options import SinkOptions, SourceOptions
from penstock.topology.model import Batch
from penstock.topology.option import option, same

_NAME: Final = re.compile(r"[a-z_][a-z0-9_]{0,62}(\.[a-z_][a-z0-9_]{0,62})?")


@dataclass(frozen=True, kw_only=True)
class PostgresOutboxOptions(SourceOptions):
    """Publishes the rows of an outbox table (`penstock outbox init`) and deletes them; several replicas share it."""

    connector: ClassVar[str] = "postgres_outbox"
    implementation: ClassVar[str] = "penstock.connectors.postgres_outbox:PostgresOutbox"
    extra: ClassVar[str] = "postgres"
    exclusive: ClassVar[bool] = False

    topic: str = field(default="")  # each row says it
    dsn: Secret = option("secret", "Where PostgreSQL is.", example="${DATABASE_URL}")
    table: str = option("text", "The outbox.", default="event_outbox")
    batch_size: int = option("count", "Rows that are published at once.", default=200, least=1, most=10_000)
    poll: float = option("duration", "How often to look, beside being notified.", default=5.0, least=0.05)

    def problems(self) -> Iterator[tuple[str, str, str]]:
        """See ConnectorOptions."""
        yield from _table(self.table)


@dataclass(frozen=True, kw_only=True)
class PostgresSinkOptions(SinkOptions):
    """Upserts events into a table by their id, in batches of one transaction each."""

    connector: ClassVar[str] = "postgres_sink"
    implementation: ClassVar[str] = "penstock.connectors.postgres_sink:PostgresSink"
    extra: ClassVar[str] = "postgres"

    concurrency: int = same(SinkOptions, "concurrency", default=200)
    batch: Batch | None = same(SinkOptions, "batch", default=Batch())
    dsn: Secret = option("secret", "Where PostgreSQL is.", example="${DATABASE_URL}")
    table: str = option("text", "The table; its column `id` must be unique.", example="answers")
    columns: Mapping[str, str] = option(
        "settings",
        "Columns beside `id`: each the path of a field (`data.amount`), or an attribute (`type`, `time`, `key`, ...). "
        "Absent: `source type subject key time data`.",
        factory=dict,
        example="{ amount: data.amount, customer: key }",
    )
    create: bool = option("flag", "Make the table where it is absent (without `columns` only).", default=True)

    def problems(self) -> Iterator[tuple[str, str, str]]:
        """See ConnectorOptions."""
        yield from _table(self.table)
        for column in self.columns:
            if not _NAME.fullmatch(column) or "." in column or column == "id":
                yield "columns", f"{column!r} cannot be a column here", "small letters, digits and _; id is the event's"


def _table(name: str) -> Iterator[tuple[str, str, str]]:
    if not _NAME.fullmatch(name):
        yield "table", f"{name!r} cannot be the name of the table", "use small letters, digits and _: shop.answers"
