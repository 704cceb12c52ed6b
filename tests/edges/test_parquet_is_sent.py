"""`penstock send --file x.parquet`: rows with their own types, a batch in memory at a time, with the real pyarrow."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from penstock.broker.contract import NewTopic
from penstock.broker.in_memory import InMemoryBroker
from penstock.cli.doors import Doors
from penstock.cli.main import cli
from penstock.clock import SystemClock

TOPOLOGY = "version: 1\nname: desk\ntopics:\n  tickets: { partitions: 2, type: ticket.created }\n"


@pytest.fixture
def parquet(absent: Callable[[str], None]) -> Any:
    """pyarrow and its parquet module."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        absent("the extra `parquet` is not installed")
    return pa, pq


def test_parquet_rows_are_sent_with_their_own_types(tmp_path: Path, parquet: Any) -> None:
    pa, pq = parquet
    (tmp_path / "topology.yaml").write_text(TOPOLOGY)
    broker = InMemoryBroker(SystemClock())
    asyncio.run(broker.admin().create_topics([NewTopic("tickets", 2)]))

    def send(*words: str) -> Any:
        doors = Doors(connect=lambda settings: broker, environ={})
        return CliRunner().invoke(cli, ["send", "tickets", *words, "-f", str(tmp_path)], obj=doors)

    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"id": list(range(2500)), "name": [f"n{n}" for n in range(2500)]}), path)
    assert send("--file", str(path), "--id-field", "id", "--key-field", "name").exit_code == 0
    records = broker.records("tickets")
    assert len({record.header("ce_id") for record in records}) == 2500
    assert json.loads(records[0].value or b"").keys() == {"id", "name"}
    path.write_bytes(b"PAR1 not at all")
    assert "cannot be read as Parquet" in send("--file", str(path)).stderr
