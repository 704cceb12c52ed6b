"""Who replayed, discarded or purged what, and when, is a line of the audit, from the command line and the console.

The line is written before the deed, so that one which breaks off is on record too; and no worker takes it for a lever.
"""

from __future__ import annotations

import asyncio
import json

import pytest
from click.testing import CliRunner

from penstock import headers as wire
from penstock.broker.contract import NewTopic
from penstock.broker.in_memory import InMemoryBroker
from penstock.broker.in_memory.faults import FINE, Fate, NoFaults, Outcome
from penstock.cli.doors import Doors
from penstock.cli.main import cli
from penstock.clock import SystemClock
from penstock.control.giving import read_control
from penstock.record import Outgoing
from penstock.topology.model import Processor, Topic, Topology

GROUP = "desk.triage"
WORK = Processor(name="triage", group_id=GROUP, handler="m:f", topics=("tickets",))
TOPOLOGY = Topology(name="desk", topics={"tickets": Topic(name="tickets")}, processors={"triage": WORK})
TOKEN = "the-token"


class Refusing(NoFaults):
    """A broker that takes no replay."""

    def produce(self, client_id, record):
        return Fate(Outcome.UNAVAILABLE) if client_id == "penstock-replay" else FINE


@pytest.fixture
def desk(tmp_path):
    """`desk(*words)` gives a verb over three dead letters; `faults` is the broker's weather."""

    def made(*, faults=None, topics=("desk.control",)):
        (tmp_path / "topology.yaml").touch()
        broker = InMemoryBroker(SystemClock(), faults=faults or NoFaults())
        doors = Doors(read=lambda _p, _e: TOPOLOGY, connect=lambda _s: broker, environ={"PENSTOCK_OPERATOR": "ann"})

        async def fill():
            names = [*topics, "tickets", f"{GROUP}.dlt", f"{GROUP}.replay"]
            await broker.admin().create_topics([NewTopic(name, 1) for name in names])
            for number in range(3):
                said = {wire.RUN_ID: f"run-{number}", wire.REASON: "exhausted", wire.ERROR_FINGERPRINT: "feed01"}
                said |= {wire.ORIGIN_TOPIC: "tickets", wire.ORIGIN_PARTITION: 0, wire.ORIGIN_OFFSET: number}
                headers = [wire.line(name, text) for name, text in {**said, wire.ORIGIN_TIMESTAMP: 1}.items()]
                await broker.producer().send(Outgoing(f"{GROUP}.dlt", None, b"{}", headers))

        asyncio.run(fill())
        return lambda *words: CliRunner().invoke(cli, [*words, "-f", str(tmp_path / "topology.yaml")], obj=doors)

    return made


def lines(shell):
    return json.loads(shell("audit", "-o", "json").stdout)


def test_the_command_line_leaves_a_line_for_each_deed(desk):
    shell = desk()
    assert shell("dlt", "replay", "--cluster", "feed", "--limit", "2", "--yes").exit_code == 0
    assert shell("dlt", "discard", "--position", "2", "--yes").exit_code == 0
    assert shell("dlt", "purge", "--before", "1", "--yes").exit_code == 0
    assert shell("replay", "tickets", "--dry-run").exit_code == 0

    found = lines(shell)
    assert [(one["by"], one["action"], one["target"], one["value"]) for one in found] == [
        ("ann", "replay", "triage", 2),
        ("ann", "discard", "triage", 1),
        ("ann", "purge", "triage", 1),
    ]
    assert "cluster feed" in found[0]["detail"]
    assert "replay id" in found[0]["detail"]
    assert f"position {GROUP}.dlt/0@2" in found[1]["detail"] or "position 2" in found[1]["detail"]
    assert found[2]["detail"] == "before 0@1"
    assert "replay" in shell("audit").stdout


def test_a_dry_run_leaves_none(desk):
    shell = desk()
    for words in (("dlt", "replay"), ("dlt", "discard"), ("dlt", "purge", "--before", "1h")):
        assert shell(*words, "--dry-run").exit_code == 0
    assert lines(shell) == []


@pytest.mark.slow
def test_a_deed_that_broke_off_is_on_record(desk):
    shell = desk(faults=Refusing())
    assert shell("dlt", "replay", "--yes").exit_code == 1
    assert [one["action"] for one in lines(shell)] == ["replay"]


def test_without_a_topic_for_it_the_deed_is_done_and_that_is_said(desk):
    shell = desk(topics=())
    done = shell("dlt", "replay", "--yes")
    assert done.exit_code == 0
    assert "this is not on the audit: there is no control topic desk.control" in done.stderr


async def strict(event, ctx):
    if event.data["amount"] < 0:
        raise ValueError("a negative amount")


def test_the_console_leaves_a_line_for_each_deed(desk_console):
    async def scenario(app, console):
        for number in range(4):
            await app.send("tickets", {"amount": -1}, key="bob", id=f"T-{number}")
        await app.settled()
        async with console(token=TOKEN) as client:
            for path, form in (
                ("/letters/triage/0/0/mend", {"data": '{"amount": 1}', "by": "ann"}),
                ("/letters/triage/discard", {"position": "desk.triage.dlt/0@1"}),
                ("/letters/triage/replay", {"limit": "2", "by": "ann"}),
            ):
                assert (await client.post(path, data={**form, "sure": "yes"})).status_code == 303
                await app.settled()
            page = (await client.get("/audit")).text
        audit = (await read_control(app.topology, app.broker)).audit
        assert [(one.action, one.value) for one in audit] == [("replay", 1), ("discard", 1), ("replay", 2)]
        assert audit[0].by == "ann"
        assert audit[1].by.startswith("console@")
        assert "with other data" in audit[0].detail
        assert "limit 2" in page

    desk_console(scenario, strict)
