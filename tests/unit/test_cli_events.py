"""send and tap, called as from a shell, on the broker in memory."""

import asyncio
import json
import time

import pytest
import yaml
from click.testing import CliRunner

from penstock.broker.contract import NewTopic
from penstock.broker.in_memory import InMemoryBroker
from penstock.cli import sending
from penstock.cli.doors import Doors
from penstock.cli.entries import Entry
from penstock.cli.main import cli
from penstock.clock import SystemClock
from penstock.errors import SendRefused
from penstock.record import Outgoing, Position, TopicPartition

TEXT = """\
version: 1
name: desk
topics:
  tickets: { partitions: 2, type: ticket.created }
processors:
  triage: { handler: a:b, topics: [tickets] }
"""


class Shell:
    def __init__(self, folder):
        self.folder = folder
        (folder / "topology.yaml").write_text(TEXT)
        self.broker = InMemoryBroker(SystemClock())
        asyncio.run(self.broker.admin().create_topics([NewTopic("tickets", 2)]))

    def __call__(self, verb, *args, stdin=None):
        doors = Doors(connect=lambda settings: self.broker, environ={})
        place = ["-f", str(self.folder / "topology.yaml")]
        return CliRunner().invoke(cli, [verb, *map(str, args), *place], obj=doors, input=stdin)

    def write(self, name, text):
        (self.folder / name).write_text(text)
        return self.folder / name

    def records(self, topic="tickets"):
        async def read():
            ends = await self.broker.admin().ends([TopicPartition(topic, 0), TopicPartition(topic, 1)])
            ranges = {at: (one.low, one.high) for at, one in ends.items()}
            return [record async for record in self.broker.reader().scan(ranges)]

        return asyncio.run(read())


@pytest.fixture
def shell(tmp_path):
    return Shell(tmp_path)


def test_one_event_is_sent_with_key_type_and_header(shell):
    done = shell("send", "tickets", '{"text": "Grüße"}', "--key", "c-1", "--header", "shard=7")
    assert done.exit_code == 0
    assert done.stdout.startswith("1 sent to tickets\n  tickets/")
    (record,) = shell.records()
    assert record.key == b"c-1"
    assert json.loads(record.value) == {"text": "Grüße"}
    assert record.header("ce_type") == b"ticket.created"
    assert record.header("shard") == b"7"


def test_json_lines_take_key_and_id_from_fields(shell):
    path = shell.write("x.jsonl", '{"id": 1, "customer": {"id": "a"}}\n\n{"id": 2, "customer": {"id": "b"}}\n')
    done = shell("send", "tickets", "--file", path, "--key-field", "data.customer.id", "--id-field", "id", "-o", "json")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["sent"] == 2
    assert {(record.key, record.header("ce_id")) for record in shell.records()} == {(b"a", b"1"), (b"b", b"2")}


def test_csv_rows_become_objects(shell):
    path = shell.write("x.csv", 'name,note\nAda,"two\nlines"\nBob,\n')
    assert shell("send", "tickets", "--file", path, "--key-field", "name").exit_code == 0
    found = {record.key: json.loads(record.value) for record in shell.records()}
    assert found == {b"Ada": {"name": "Ada", "note": "two\nlines"}, b"Bob": {"name": "Bob", "note": ""}}


def test_stdin_is_read_as_json_lines(shell):
    assert shell("send", "tickets", stdin='{"n": 1}\n{"n": 2}\n').exit_code == 0
    assert len(shell.records()) == 2


@pytest.mark.parametrize(
    ("name", "text", "said", "sent"),
    [
        ("x.jsonl", '{"n": 1}\n{"n": 2}\n{n: 3}\n{"n": 4}\n', "line 3: not JSON", 2),
        ("x.jsonl", '{"id": "1"}\n{"x": "2"}\n', "line 2: no field 'id'", 1),
        ("x.jsonl", '{"id": [1]}\n', "line 1: 'id' is neither text nor a whole number", 0),
        ("x.csv", "id,b\n1,2\n3\n", "line 3: not 2 columns", 1),
    ],
)
def test_an_invalid_line_is_named_and_what_was_before_it_is_sent(shell, name, text, said, sent):
    done = shell(
        "send", "tickets", "--file", shell.write(name, text), *(() if "n" in text[:4] else ("--key-field", "id"))
    )
    assert done.exit_code == 1
    assert said in done.stderr
    assert f"{sent} were sent" in done.stderr
    assert len(shell.records()) == sent


def test_a_dry_run_checks_every_line_and_sends_none(shell):
    path = shell.write("x.jsonl", '{"n": 1}\n{"n": 2}\n')
    done = shell("send", "tickets", "--file", path, "--dry-run")
    assert (done.exit_code, done.stdout) == (0, "2 would be sent to tickets\n")
    assert shell.records() == []


def test_a_topic_that_is_not_ours_is_refused_with_a_suggestion(shell):
    done = shell("send", "tickts", "{}")
    assert done.exit_code == 1
    assert "did you mean tickets" in done.stderr


@pytest.mark.parametrize(
    "args",
    [
        ("send", "tickets", "hello"),
        ("send", "tickets", "{}", "--key", "a", "--key-field", "b"),
        ("send", "tickets", "{}", "--header", "no-equals"),
        ("send", "tickets", "{}", "--header", "ce_id=mine"),
        ("tap", "tickets", "--grep", "("),
        ("tap", "tickets", "--from", "yesterday"),
    ],
)
def test_wrong_usage_is_2_and_no_traceback(shell, args):
    done = shell(*args)
    assert done.exit_code == 2
    assert "Traceback" not in done.output
    assert shell.records() == []


def test_a_refused_event_stops_the_rest_and_names_its_line():
    called = []

    async def send(entry):
        called.append(entry.line)
        await asyncio.sleep(0)
        if entry.line == 3:
            raise SendRefused("too large")
        return Position("t", 0, entry.line)

    entries = (Entry(line, {}, None, None) for line in range(1, 100))
    done = asyncio.run(sending.pump(entries, send))
    assert done.problem == "line 3: too large"
    assert called == list(range(1, len(called) + 1)), "in the order of the lines"
    assert len(called) < 10, "it stops soon"
    assert done.count == len(called) - 1, "what was under way is waited for and counted"


def test_a_rate_is_kept():
    async def send(entry):
        return Position("t", 0, entry.line)

    entries = (Entry(line, {}, None, None) for line in range(21))
    begun = time.monotonic()
    asyncio.run(sending.pump(entries, send, rate=100))
    assert time.monotonic() - begun >= 0.19


def test_the_window_bounds_what_is_under_way(monkeypatch):
    monkeypatch.setattr(sending, "WINDOW", 5)
    under_way, most = 0, 0

    async def send(entry):
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.001)
        under_way -= 1
        return Position("t", 0, entry.line)

    done = asyncio.run(sending.pump((Entry(line, {}, None, None) for line in range(50)), send))
    assert done.count == 50
    assert most <= 5


def test_positions_are_told_as_ranges():
    sent = sending.Sent()
    for offset in (5, 4, 6):
        sent.add(Position("t", 1, offset))
    sent.add(Position("t", 0, 9))
    assert sent.ranges() == ["t/0@9", "t/1@4-6"]


def test_tap_shows_events_decoded_and_filtered(shell):
    for number, key in enumerate("abab"):
        shell("send", "tickets", json.dumps({"number": number}), "--key", key)
    shell("send", "tickets", '{"number": 9}', "--key", "a", "--type", "ticket.closed")
    done = shell("tap", "tickets", "--from", "beginning", "-n", "1", "--key", "a", "--grep", r'"number": 2')
    assert done.exit_code == 0
    assert done.stdout.rstrip().endswith('ticket.created  a  {"number": 2}')
    found = json.loads(
        shell("tap", "tickets", "--from", "1h", "-n", "1", "--type", "ticket.closed", "-o", "json").stdout
    )
    assert (found["type"], found["data"]) == ("ticket.closed", {"number": 9})
    said = shell("tap", "tickets", "--from", "1h", "-n", "2", "-o", "yaml").stdout
    assert [one["key"] for one in yaml.safe_load_all(said)] != []


def test_tap_shows_what_cannot_be_decoded_too(shell):
    async def spoil():
        await shell.broker.producer().send(Outgoing("tickets", b"k", b"{broken"))

    asyncio.run(spoil())
    found = json.loads(shell("tap", "tickets", "--from", "beginning", "-n", "1", "-o", "json").stdout)
    assert "not JSON" in found["error"]
    assert found["value"] == "{broken"
    assert "cannot be decoded" in shell("tap", "tickets", "--from", "beginning", "-n", "1").stdout


def test_tap_of_a_missing_topic_suggests_another(shell):
    done = shell("tap", "ticket", "-n", "1")
    assert done.exit_code == 1
    assert "did you mean tickets?" in done.stderr
