"""What a source could not make an event of is looked at and removed; a replay of it is refused, with what to do."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from penstock.broker.in_memory import InMemoryBroker
from penstock.cli.doors import Doors
from penstock.cli.main import cli
from penstock.clock import SystemClock
from penstock.testing.connector_kit import SourceCase, Stage
from penstock.testing.virtual_time import run_virtual
from penstock.topology.reader import read_text

TEXT = """
name: shop
topics: { orders: { partitions: 1, type: order } }
connectors: { inbox: { type: file_source, path: "in/*.jsonl", topic: orders, poll: 50ms } }
processors: { bill: { handler: "m:f", topics: [orders] } }
"""


class Shop:
    """A source that has read one good line and one bad one."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "topology.yaml"
        self.path.touch()
        (folder / "in").mkdir()
        (folder / "in" / "a.jsonl").write_text('{"n": 1}\nno json at all\n')
        topology = read_text(TEXT, self.path, {})
        case = SourceCase(topology=topology, connector="inbox", feed=None, count=1, which=lambda event: event.id)  # type: ignore[arg-type]
        letters = run_virtual(lambda clock: self._letters(case, clock))
        self.broker = InMemoryBroker(SystemClock())
        asyncio.run(self._fill(letters))
        self.doors = Doors(read=lambda _path, _environ: topology, connect=lambda _settings: self.broker)

    @staticmethod
    async def _letters(case: SourceCase, clock: object) -> list[object]:
        stage = await Stage.made(case, clock, 0)  # type: ignore[arg-type]
        worker, task = stage.start(None)
        await stage.until(lambda: len(stage.broker.records("shop.inbox.dlt")) == 1)
        worker.stop()
        await task
        return list(stage.broker.records("shop.inbox.dlt"))

    async def _fill(self, letters: list[object]) -> None:
        from penstock.broker.contract import NewTopic
        from penstock.record import Outgoing

        await self.broker.admin().create_topics([NewTopic("shop.inbox.dlt", 1)])
        for letter in letters:
            await self.broker.producer().send(
                Outgoing("shop.inbox.dlt", None, letter.value, tuple(letter.headers))  # type: ignore[attr-defined]
            )

    def __call__(self, *words: str) -> Result:
        return CliRunner().invoke(cli, [*words, "-f", str(self.path)], obj=self.doors)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def test_it_is_listed_and_shown(shop: Shop) -> None:
    found = shop("dlt", "ls", "-p", "inbox")
    assert "1 dead letter of shop.inbox: 1 undecodable" in found.stdout, found.output
    shown = shop("dlt", "show", "0", "-p", "inbox")
    assert "no json at all" in shown.stdout, shown.output
    assert "there is nothing to run again" in shown.stdout
    assert json.loads(shop("dlt", "show", "0", "-p", "inbox", "-o", "json").stdout)["replay"] is None
    assert "in 1 cluster" in shop("dlt", "ls", "--clusters", "-p", "inbox").stdout


@pytest.mark.parametrize("verb", [("dlt", "replay"), ("dlt", "discard")])
def test_a_replay_is_refused_with_what_to_do(shop: Shop, verb: tuple[str, ...]) -> None:
    refused = shop(*verb, "-p", "inbox", "--yes")
    assert refused.exit_code == 2
    assert "mend them where they came from" in refused.stderr
    assert "penstock dlt purge -p inbox" in refused.stderr


def test_it_is_removed(shop: Shop) -> None:
    assert shop("dlt", "purge", "-p", "inbox", "--before", "1", "--yes").exit_code == 0
    assert "0 dead letters of shop.inbox" in shop("dlt", "ls", "-p", "inbox").stdout


def test_a_wrong_name_is_told_the_sources_too(shop: Shop) -> None:
    assert "there are bill, inbox" in shop("dlt", "ls", "-p", "nobody").stderr
