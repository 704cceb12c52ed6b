"""The outbox SQL: printed whole, with the name asked for; the real database runs it in tests/edges."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from penstock.cli.main import cli
from penstock.connectors.outbox_table import channel, outbox_sql
from penstock.errors import PenstockError


def test_init_prints_the_sql_under_the_name_asked_for() -> None:
    said = CliRunner().invoke(cli, ["outbox", "init", "--table", "shop.events"])
    assert said.exit_code == 0
    assert "CREATE TABLE IF NOT EXISTS shop.events (" in said.stdout
    assert "pg_notify('events', '')" in said.stdout
    assert "DEFAULT '{}'" in said.stdout
    assert "event_outbox" not in said.stdout


@pytest.mark.parametrize("name", ["a b", "x;drop table y", 'a"b', "A", "a.b.c", ""])
def test_a_name_that_would_need_quotes_is_refused(name: str) -> None:
    with pytest.raises(PenstockError, match="cannot be the name"):
        outbox_sql(name)


def test_the_channel_is_the_bare_name() -> None:
    assert channel("shop.events") == channel("events") == "events"
