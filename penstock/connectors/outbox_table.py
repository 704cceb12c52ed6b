"""The outbox table in PostgreSQL: its SQL, with the name one gives it."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Final

from penstock.errors import PenstockError

TABLE: Final = "event_outbox"
_NAME: Final = re.compile(r"[a-z_][a-z0-9_]{0,39}(\.[a-z_][a-z0-9_]{0,39})?")


def outbox_sql(table: str = TABLE) -> str:
    """The statements that make the outbox `table` (PostgreSQL 14 or later), its lanes table and its trigger.

    Raises PenstockError for a name that would need quotes.
    """
    if not _NAME.fullmatch(table):
        raise PenstockError(
            f"{table!r} cannot be the name of the outbox", "use small letters, digits, _: outbox.events"
        )
    text = (files("penstock.connectors") / "outbox.sql").read_text(encoding="utf-8")
    return text.format(table=table, bare=channel(table))


def channel(table: str) -> str:
    """The channel of NOTIFY: the table's name without its schema."""
    return table.rpartition(".")[2]
