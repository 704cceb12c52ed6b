"""The verbs that show what ran and that tell workers something: what they print, and their exit codes."""

from __future__ import annotations

import asyncio
import json

import pytest
from click.testing import CliRunner

from penstock.broker.contract import NewTopic
from penstock.broker.in_memory import InMemoryBroker
from penstock.cli.doors import Doors
from penstock.cli.main import cli
from penstock.clock import SystemClock
from penstock.engine.counters import Counters
from penstock.engine.outcome import Failure
from penstock.engine.report import AttemptReport
from penstock.engine.trail import ModelUsage, Step
from penstock.record import Position, Record
from penstock.runs.encoding import Encoder
from penstock.runs.writer import RunWriter
from penstock.topology.model import Processor, Topic, Topology

TRIAGE = Processor(name="triage", group_id="desk.triage", handler="m:f", topics=("tickets",))
TOPOLOGY = Topology(
    name="desk", topics={"tickets": Topic(name="tickets", type="ticket")}, processors={"triage": TRIAGE}
)
RUN = "0d9ee7f8-77cf-5b2d-8a09-9d3a5cf34a11"


class Shell:
    """The command line over a broker in memory that holds three attempts."""

    def __init__(self, folder, *, topics=("desk.runs", "desk.control")):
        self.path = folder / "topology.yaml"
        self.path.touch()
        self.broker = InMemoryBroker(SystemClock())
        asyncio.run(self._fill(topics))

    async def _fill(self, topics):
        await self.broker.admin().create_topics([NewTopic("tickets", 1), *(NewTopic(name, 1) for name in topics)])
        if "desk.runs" not in topics:
            return
        encoder = Encoder(TOPOLOGY, "triage", worker="w1", code="v7")
        writer = RunWriter(self.broker.producer(), "desk.runs", encoder, Counters(), worker="w1", rate=100)
        writer.start()
        failure = Failure("RuntimeError", "model away\nfor good", "feedfacecafebeef")
        now = SystemClock().now()
        record = Record("tickets", 0, 3, 0, b"k1", b"{}", [("ce_id", b"e1")])
        steps, usage = [Step("ask", 0.0, 1.5)], [ModelUsage("gpt-5", 1, 10, 2, 1, 0.25)]
        writer.observe(
            AttemptReport(
                "triage", RUN, record, 1, "retried", "", 2.0, None, failure, now - 60, 0.5, 0, steps, 0, usage
            )
        )
        sent = [Position("out", 0, number) for number in range(150)]
        writer.observe(
            AttemptReport("triage", RUN, record, 2, "done", "", 75.0, 0.1, None, now - 30, 0.1, 0, (), 0, usage, sent)
        )
        other = Record("tickets", 0, 4, 0, None, b"{}")
        writer.observe(AttemptReport("triage", "run-2", other, 1, "done", "", 0.01, None, None, now - 7200))
        await writer.close()

    def __call__(self, *words, code=0):
        doors = Doors(read=lambda _path, _environ: TOPOLOGY, connect=lambda _settings: self.broker, environ={})
        done = CliRunner().invoke(cli, [*words, "-f", str(self.path)], obj=doors)
        assert done.exit_code == code, done.output
        return done


@pytest.fixture
def shell(tmp_path):
    return Shell(tmp_path)


def test_ls_lists_the_newest_first_with_filters(shell):
    everything = shell("runs", "ls").stdout
    assert everything.splitlines()[1].split()[1:4] == ["triage", "done", "2"]
    assert "3 of 3 attempts, of 3 looked at" in everything
    failed = shell("runs", "ls", "--failed", "--since", "2h", "--key", "k1", "-p", "triage").stdout
    assert "RuntimeError: model away" in failed
    assert "1 of 1 attempts" in failed
    slowest = json.loads(shell("runs", "ls", "--slowest", "--limit", "1", "-o", "json").stdout)
    assert (slowest[0]["duration"], slowest[0]["tokens_in"]) == (75.0, 10)
    assert "there is no processor 'x'" in shell("runs", "ls", "-p", "x", code=2).stderr


def test_show_tells_all_of_a_run(shell):
    shown = shell("runs", "show", RUN).stdout
    for said in ("attempt 1: retried", "attempt 2: done", "ask", "gpt-5", "feedfacecafebeef", "1m15s", "code v7"):
        assert said in shown
    assert "... 150 in all" in shown
    assert "attempt 2" in shell("runs", "show", "e1").stdout
    assert "no run nope is on record" in shell("runs", "show", "nope", code=1).stderr


def test_without_a_record_the_words_say_what_to_do(tmp_path):
    bare = Shell(tmp_path, topics=())
    for words in (("runs", "ls"), ("runs", "show", "x"), ("trace", "x")):
        assert "there is no record of runs: no topic desk.runs" in bare(*words, code=1).stderr
    for words in (("pause", "triage"), ("audit",)):
        done = bare(*words, code=1)
        assert "there is no control topic desk.control" in done.stderr
        assert "penstock apply" in done.stderr


def test_trace_is_clean_json(shell):
    found = json.loads(shell("trace", "e1", "-o", "json").stdout)
    assert (found["attempts"], found["cost"], found["complete"]) == (2, 0.5, True)
    assert found["events"][0]["runs"][0]["outcome"] == "done"
    assert "nothing is known of nope" in shell("trace", "nope", code=1).stderr


def test_operators_are_told_what_holds(shell):
    assert "triage is paused" in shell("pause", "triage", "--by", "ann", "--reason", "model away").stdout
    assert "nothing to do: ann did that" in shell("pause", "triage", "--by", "bob").stdout
    assert "triage is resumed" in shell("resume", "triage", "--by", "bob").stdout
    assert "nothing to do: triage is as the topology says" in shell("set", "triage", "concurrency=default").stdout
    given = json.loads(shell("set", "triage", "concurrency=50", "--by", "ann", "-o", "json").stdout)
    assert (given["value"], given["already"]) == (50, False)
    assert f"run {RUN} is given up" in shell("cancel", RUN, "--by", "ann").stdout
    audit = shell("audit").stdout
    assert [line.split()[1:3] for line in audit.splitlines()[1:5]] == [
        ["ann", "pause"],
        ["bob", "resume"],
        ["ann", "set"],
        ["ann", "cancel"],
    ]
    assert "triage runs 50 at once in each worker, by ann" in audit
    assert len(json.loads(shell("audit", "--target", "triage", "-o", "json").stdout)) == 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("set", "triage", "speed=5"), "cannot be set"),
        (("set", "triage", "concurrency=0"), "penstock pause"),
        (("cancel", "7"), "no run id"),
    ],
)
def test_what_cannot_be_told_is_a_usage_error(shell, words, said):
    assert said in shell(*words, code=2).stderr


def test_an_unknown_processor_is_named(shell):
    assert "there is no processor 'triag'" in shell("pause", "triag", code=1).stderr


def test_top_in_a_pipe_is_printed_once(shell):
    shown = shell("top").stdout
    assert "no worker" in shown
    assert "SLOWEST LATELY" in shown
    assert RUN in shown
    (one,) = json.loads(shell("top", "-o", "json").stdout)
    assert one["status"]["processor"] == "triage"
    assert one["rate"]["outcomes"] == {"retried": 1, "done": 1}
