"""`penstock outbox`: the transactional outbox in PostgreSQL."""

from __future__ import annotations

import click


@click.group()
def outbox() -> None:
    """Events written in the same transaction as the application's own data (PostgreSQL)."""


@outbox.command()
@click.option("--table", default="event_outbox", show_default=True, help="Its name, with a schema or without.")
def init(table: str) -> None:
    """Print the SQL that makes the outbox: `penstock outbox init | psql "$DATABASE_URL"`."""
    from penstock.connectors.outbox_table import outbox_sql

    click.echo(outbox_sql(table), nl=False)
