"""What an operator gets wrong, or finds in disorder, is answered in words; nothing is lost and nothing done twice.

Unknown ids, a record of runs that is missing or of another version, more runs than memory holds, a worker that dies
while paused. Two operators at once: test_two_operators_never_replay_the_same_twice.py; a console without rights:
tests/edges/test_console_without_rights_says_what_it_may_not.py.
"""

from __future__ import annotations

import asyncio
import json
import tracemalloc
import uuid

import orjson
import pytest
from click.testing import CliRunner

from penstock.broker.contract import NewTopic
from penstock.broker.in_memory import InMemoryBroker
from penstock.cli.doors import Doors
from penstock.cli.main import cli
from penstock.clock import SystemClock
from penstock.control.commands import Command
from penstock.control.giving import give
from penstock.record import Outgoing
from penstock.runs.reading import RunFilters, list_runs
from penstock.testing import run_topology
from penstock.testing.virtual_time import run_virtual
from penstock.topology.model import Processor, Topic, Topology

WORK = Processor(name="triage", group_id="desk.triage", handler="m:f", topics=("tickets",))
DESK = Topology(name="desk", topics={"tickets": Topic(name="tickets")}, processors={"triage": WORK})


def batch(version, count, first=0):
    attempts = [
        {
            "run": str(uuid.UUID(int=first + at)),
            "event": f"e{first + at}",
            "started": first + at,
            "ran": 5,
            "outcome": "done",
        }
        for at in range(count)
    ]
    return orjson.dumps({"v": version, "processor": "triage", "worker": "w", "attempts": attempts})


@pytest.fixture
def shell(tmp_path):
    """A verb over a desk where nothing has happened; the second batch in its record is of another version."""
    (tmp_path / "topology.yaml").touch()
    broker = InMemoryBroker(SystemClock())

    async def fill():
        names = ["tickets", "desk.runs", "desk.control", "desk.triage.dlt", "desk.triage.replay"]
        await broker.admin().create_topics([NewTopic(name, 1) for name in names])
        for version in (1, 2):
            await broker.producer().send(Outgoing("desk.runs", None, batch(version, 3)))

    asyncio.run(fill())
    doors = Doors(read=lambda _p, _e: DESK, connect=lambda _s: broker)
    return lambda *words: CliRunner().invoke(cli, [*words, "-f", str(tmp_path / "topology.yaml")], obj=doors)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("trace", "nobody"), "nothing is known of nobody"),
        (("runs", "show", "nobody"), "no run nobody is on record"),
        (("dlt", "show", "99"), "there is no entry at desk.triage.dlt/0@99"),
        (("dlt", "replay", "--cluster", "feed", "--yes"), "there is no cluster 'feed'"),
        (("dlt", "replay", "-p", "nobody", "--yes"), "there is no processor 'nobody'"),
        (("pause", "nobody"), "there is no processor 'nobody'"),
        (("cancel", "nobody"), "'nobody' is no run id"),
    ],
)
def test_an_unknown_id_is_answered_in_words_and_changes_nothing(shell, words, said):
    done = shell(*words)

    assert done.exit_code in (1, 2)
    assert said in done.stderr
    assert "Traceback" not in done.output
    assert json.loads(shell("audit", "-o", "json").stdout) == []


def test_a_run_that_is_unknown_may_be_given_up_and_nothing_comes_of_it(shell):
    done = shell("cancel", str(uuid.uuid4()))

    assert done.exit_code == 0
    assert "is given up" in done.stdout


def test_runs_of_another_version_are_left_out_and_counted(shell):
    done = shell("runs", "ls")

    assert done.exit_code == 0
    assert "1 batch" in done.output
    assert "version" in done.output


def test_memory_does_not_grow_with_the_record_of_runs():
    async def main(clock):
        broker = InMemoryBroker(clock)
        await broker.admin().create_topics([NewTopic("desk.runs", 1)])
        producer, peaks = broker.producer(), []
        for upto in (15, 120):  # batches of 250 attempts
            first = len(broker.records("desk.runs"))
            for number in range(first, upto):
                await producer.send(Outgoing("desk.runs", None, batch(1, 250, number * 250)))
            tracemalloc.start()
            found = await list_runs(DESK, broker, RunFilters(limit=100))
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
            assert (found.read, len(found.attempts)) == (upto * 250, 100)
            assert found.attempts[0].event_id == f"e{upto * 250 - 1}"
        assert peaks[1] < peaks[0] * 1.5 + 500_000, f"eight times the record took {peaks[1]} bytes, not {peaks[0]}"

    run_virtual(main)


def test_a_worker_that_dies_while_paused_comes_back_paused_and_loses_nothing(topology_of):
    done = []

    async def handler(event, ctx):
        done.append(event.data["n"])

    async def scenario(app):
        async def told(action):
            at = round(app.clock.now() * 1000)
            await give(app.topology, app.broker, Command(f"{action}-{at}", action, "work", "ann", at))

        await told("pause")
        await asyncio.sleep(2)
        for number in range(30):
            await app.send("src", {"n": number}, key=str(number))
        app.crash(app.workers[0])
        await asyncio.sleep(60)
        await app.start("work")
        await asyncio.sleep(60)
        assert done == [], "the one that came is paused too"
        await told("resume")
        await app.settled()
        assert sorted(done) == list(range(30))

    run_topology(topology_of(), scenario, handlers={"work": handler}, follow_control=True, workers=1)
