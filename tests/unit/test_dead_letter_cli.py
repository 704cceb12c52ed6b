"""`penstock dlt` and `penstock replay` say what they will do, ask, do it, and leave with the right exit code."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from click.testing import CliRunner, Result

from penstock import headers as wire
from penstock.broker.contract import NewTopic
from penstock.broker.in_memory import InMemoryBroker
from penstock.broker.in_memory.faults import FINE, Fate, NoFaults, Outcome
from penstock.cli.doors import Doors
from penstock.cli.main import cli
from penstock.clock import SystemClock
from penstock.record import Outgoing
from penstock.topology.model import Processor, Topic, Topology

GROUP = "desk.triage"
TRIAGE = Processor(name="triage", group_id=GROUP, handler="m:f", topics=("tickets",))
AUDIT = Processor(name="audit", group_id="desk.audit", handler="m:f", topics=("tickets",))


class Weather(NoFaults):
    outcome = Outcome.DONE

    def produce(self, client_id: str, record: Outgoing) -> Fate:
        return Fate(self.outcome) if client_id == "penstock-replay" else FINE


class Desk:
    """A topology file, a broker with three dead letters (the last with damaged bytes) and two tickets."""

    def __init__(self, folder: Path, *processors: Processor) -> None:
        self.path = folder / "topology.yaml"
        self.path.touch()
        self.weather = Weather()
        self.broker = InMemoryBroker(SystemClock(), faults=self.weather)
        topics = {"tickets": Topic(name="tickets", type="ticket.created")}
        topology = Topology(name="desk", topics=topics, processors={each.name: each for each in processors})
        self.doors = Doors(read=lambda _path, _environ: topology, connect=lambda _settings: self.broker)
        asyncio.run(self._fill())

    async def _fill(self) -> None:
        topics = [NewTopic("tickets", 2), NewTopic(f"{GROUP}.dlt", 1), NewTopic(f"{GROUP}.replay", 2)]
        await self.broker.admin().create_topics(topics)
        producer = self.broker.producer()
        for number, value in enumerate([b'{"a": 0}', b'{"a": 1}', b"\xff{"]):
            said: dict[str, Any] = {
                wire.RUN_ID: f"run-{number}",
                wire.REASON: "exhausted" if number else "rejected",
                wire.ERROR_TYPE: "model.Overloaded",
                wire.ERROR_MESSAGE: "too busy",
                wire.ATTEMPT: 5,
                wire.ORIGIN_TOPIC: "tickets",
                wire.ORIGIN_PARTITION: 0,
                wire.ORIGIN_OFFSET: number,
                wire.ORIGIN_TIMESTAMP: 1_700_000_000_000,
            }
            headers = [("x", None), *(wire.line(name, text) for name, text in said.items())]
            await producer.send(Outgoing(f"{GROUP}.dlt", b"k%d" % number, value, headers))
        for number in range(2):
            await producer.send(Outgoing("tickets", b"k%d" % number, b"{}", (), number))

    def __call__(self, *words: str) -> Result:
        return CliRunner().invoke(cli, [*words, "-f", str(self.path)], obj=self.doors)

    @property
    def replayed(self) -> int:
        return len(self.broker.records(f"{GROUP}.replay"))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path, TRIAGE)


def test_ls_prints_a_table_and_a_summary(desk: Desk) -> None:
    found = desk("dlt", "ls")
    assert found.exit_code == 0, found.output
    assert "3 dead letters of desk.triage: 2 exhausted, 1 rejected" in found.stdout
    for word in ("0@2", "ticket.created", "k1", "Overloaded: too busy"):
        assert word in found.stdout


def test_ls_for_programs_is_clean(desk: Desk) -> None:
    found = desk("dlt", "ls", "-o", "json", "--reason", "exhausted", "--key", "k1", "--since", "1h")
    (entry,) = json.loads(found.stdout)
    assert entry["position"] == f"{GROUP}.dlt/0@1"
    assert entry["origin"] == {"position": "tickets/0@1", "time": "2023-11-14T22:13:20Z"}
    assert yaml.safe_load(desk("dlt", "ls", "-o", "yaml", "--position", "1").stdout) == [entry]
    assert json.loads(desk("dlt", "ls", "-o", "json", "--until", "1h").stdout) == []


@pytest.mark.parametrize(
    "words", [["--reason", "exausted"], ["--since", "tomorrow"], ["--position", "x@y"], ["--position", "other/0@1"]]
)
def test_what_cannot_be_meant_is_a_usage_error(desk: Desk, words: list[str]) -> None:
    assert desk("dlt", "ls", *words).exit_code == 2


def test_the_processor_must_be_named_where_there_are_several(tmp_path: Path) -> None:
    desk = Desk(tmp_path, TRIAGE, AUDIT)
    assert desk("dlt", "ls").exit_code == 2
    assert "--processor triage | audit" in desk("dlt", "ls").stderr
    assert desk("dlt", "ls", "-p", "triage").exit_code == 0
    assert desk("dlt", "ls", "-p", "nobody").exit_code == 2
    missing = desk("dlt", "ls", "-p", "audit")
    assert missing.exit_code == 1
    assert "penstock apply" in missing.stderr


def test_show_opens_the_entry(desk: Desk) -> None:
    found = desk("dlt", "show", "1")
    assert found.exit_code == 0, found.output
    for word in ('"a": 1', "model.Overloaded: too busy", "tickets/0@1 since 2023-11-14T22:13:20Z", "waiting", "run-1"):
        assert word in found.stdout
    assert f"penstock dlt replay -p triage --position {GROUP}.dlt/0@1 -f {desk.path}" in found.stdout
    for_programs = json.loads(desk("dlt", "show", "0@1", "-o", "json").stdout)
    assert for_programs["data"] == {"a": 1}
    assert ["x", None] in for_programs["headers"]


def test_the_command_that_show_prints_replays_just_this_entry(desk: Desk) -> None:
    command = json.loads(desk("dlt", "show", "1", "-o", "json").stdout)["replay"].split()
    found = CliRunner().invoke(cli, [*command[1:], "--yes"], obj=desk.doors)
    assert found.exit_code == 0, found.output
    (record,) = desk.broker.records(f"{GROUP}.replay")
    assert record.value == b'{"a": 1}'
    assert "replayed by" in desk("dlt", "show", "1").stdout


def test_show_tells_of_bytes_it_cannot_decode_and_of_nothing_there(desk: Desk) -> None:
    found = desk("dlt", "show", "2")
    assert found.exit_code == 0
    assert "cannot be decoded" in found.stdout
    assert "value_base64" in json.loads(desk("dlt", "show", "2", "-o", "json").stdout)
    assert desk("dlt", "show", "77").exit_code == 1


def test_a_dry_run_says_it_and_does_nothing(desk: Desk) -> None:
    found = desk("dlt", "replay", "--dry-run")
    assert found.exit_code == 0
    assert "replays 3 dead letters to desk.triage.replay" in found.stdout
    assert "2 exhausted, 1 rejected" in found.stdout
    assert "no worker of triage runs now" in found.stderr
    plan = json.loads(desk("dlt", "replay", "--dry-run", "-o", "json").stdout)
    assert plan["count"] == 3
    assert desk("dlt", "discard", "--dry-run").exit_code == 0
    assert desk("dlt", "purge", "--before", "3", "--dry-run").exit_code == 0
    assert desk("replay", "tickets", "--dry-run").exit_code == 0
    assert desk.replayed == 0
    assert len(desk.broker.records(f"{GROUP}.dlt")) == 3


@pytest.mark.parametrize(
    "words", [["dlt", "replay"], ["dlt", "discard"], ["dlt", "purge", "--before", "2"], ["replay", "tickets"]]
)
def test_where_nobody_can_be_asked_yes_must_be_said(desk: Desk, words: list[str]) -> None:
    found = desk(*words)
    assert found.exit_code == 2
    assert "--yes" in found.stderr
    assert desk.replayed == 0
    assert len(desk.broker.records(f"{GROUP}.dlt")) == 3


@pytest.mark.parametrize(("answer", "replayed", "code"), [(True, 3, 0), (False, 0, 1)])
def test_at_a_terminal_it_asks(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, answer: bool, replayed: int, code: int
) -> None:
    asked: list[str] = []

    def confirm(question: str) -> bool:
        asked.append(question)
        return answer

    monkeypatch.setattr(click, "confirm", confirm)
    monkeypatch.setattr("penstock.cli.replaying.at_terminal", lambda: True)
    assert desk("dlt", "replay").exit_code == code
    assert asked == ["Replay them?"]
    assert desk.replayed == replayed


def test_a_replay_is_done_once(desk: Desk) -> None:
    found = desk("dlt", "replay", "--yes")
    assert found.exit_code == 0, found.output
    assert "3 replayed" in found.stdout
    again = desk("dlt", "replay", "--yes", "-o", "json")
    assert again.exit_code == 0
    assert json.loads(again.stdout)["count"] == 0
    assert desk.replayed == 3


def test_an_interrupted_replay_leaves_with_one_and_says_how_to_go_on(desk: Desk) -> None:
    desk.weather.outcome = Outcome.FAILED
    found = desk("dlt", "replay", "--yes")
    assert found.exit_code == 1
    assert "stopped early" in found.stdout
    assert "the same command, given again, goes on" in found.stdout
    desk.weather.outcome = Outcome.DONE
    assert desk("dlt", "replay", "--yes").exit_code == 0
    assert desk.replayed == 3


def test_refusals_leave_with_one(desk: Desk) -> None:
    desk.weather.outcome = Outcome.REFUSED
    found = desk("dlt", "replay", "--yes", "-o", "json")
    assert found.exit_code == 1
    assert json.loads(found.stdout)["tally"]["refusals"] == 3


def test_discard_hides_and_purge_removes(desk: Desk) -> None:
    assert "1 discarded" in desk("dlt", "discard", "--yes", "--reason", "rejected").stdout
    assert "2 dead letters" in desk("dlt", "ls").stdout
    assert "discarded" in desk("dlt", "show", "0").stdout
    found = desk("dlt", "purge", "--before", "2", "--yes")
    assert found.exit_code == 0, found.output
    assert "removes 2 dead letters of desk.triage for good; 1 of them still wait" in found.stdout
    assert [record.offset for record in desk.broker.records(f"{GROUP}.dlt")] == [2]
    assert json.loads(desk("dlt", "purge", "--before", "1h", "-o", "json", "--yes").stdout)["done"] is False


def test_replay_from_the_log(desk: Desk) -> None:
    found = desk("replay", "tickets", "--from", "1h", "--yes", "-o", "json")
    assert found.exit_code == 0, found.output
    result = json.loads(found.stdout)
    assert result["tally"]["written"] == 2
    assert "as new runs" in found.stderr
    resumed = desk("replay", "tickets", "--yes", "--resume", result["replay_id"], "-o", "json")
    assert json.loads(resumed.stdout)["tally"] == result["tally"] | {"written": 0, "passed_over": 2}
    assert desk("replay", "tickets", "--from", "0", "--yes").exit_code == 1  # an offset, and two partitions
    assert desk("replay", "tickets", "--from", "0", "--partition", "1", "--same-run", "--yes").exit_code == 0
    assert desk.replayed == 3
    assert desk("replay", "nothing", "--yes").exit_code == 1


def test_an_interrupted_log_replay_names_its_id(desk: Desk) -> None:
    desk.weather.outcome = Outcome.FAILED
    found = desk("replay", "tickets", "--yes")
    assert found.exit_code == 1
    assert "the same command with --resume" in found.stdout


def test_mend_shows_the_difference_and_replays_the_entry_with_other_data(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "mended.json").write_text('{"a": 12}')
    asked = ("dlt", "mend", "0@1", "--data", str(tmp_path / "mended.json"))
    looked = desk(*asked, "--dry-run")
    assert looked.exit_code == 0, looked.output
    assert '-  "a": 1\n+  "a": 12' in looked.stdout
    assert desk.replayed == 0

    done = desk(*asked, "--yes")
    assert done.exit_code == 0, done.output
    assert "1 replayed with other data" in done.stdout
    (record,) = desk.broker.records(f"{GROUP}.replay")
    assert (record.key, json.loads(record.value or b"")) == (b"k1", {"a": 12})
    again = desk(*asked, "--yes")
    assert "0 replayed" in again.stdout
    assert desk.replayed == 1


def test_mend_tells_what_is_no_json_and_what_is_not_there(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text("{a")
    refused = desk("dlt", "mend", "0@1", "--data", str(tmp_path / "bad.json"), "--yes")
    assert (refused.exit_code, "holds no JSON" in refused.stderr) == (2, True)
    (tmp_path / "good.json").write_text("{}")
    absent = desk("dlt", "mend", "0@99", "--data", str(tmp_path / "good.json"), "--yes")
    assert absent.exit_code == 1
    assert "there is no entry at desk.triage.dlt/0@99" in absent.stderr
    assert desk.replayed == 0
