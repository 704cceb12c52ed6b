"""penstock memory: show, export and forget, on the files that a worker wrote."""

from __future__ import annotations

import asyncio
import json

import pytest
from click.testing import CliRunner

from penstock.cli.main import cli
from penstock.contracts import Scope
from penstock.memory.contract import NewValue
from penstock.memory.custody import digest
from penstock.memory.sqlite import SqliteBackend
from penstock.testing.memory_laws import FOREVER, a_note, writes

TEXT = """\
version: 1
name: desk
topics: { asked: { partitions: 1 } }
processors: { answer: { handler: a:b, topics: [asked], memory: main } }
memory:
  main: { type: sqlite }
  other: { type: sqlite, path: elsewhere.db }
"""
ADA, BOB = Scope("acme", "answer", "ada"), Scope("acme", "answer", "bob")


@pytest.fixture
def call(tmp_path):
    (tmp_path / "topology.yaml").write_text(TEXT)

    async def fill(path):
        backend = SqliteBackend(path)
        await backend.open()
        for scope in (ADA, BOB):
            note = a_note(f"{scope.conversation} likes tea", [1.0, 0.0])
            turns = [
                json.dumps({"role": "user", "content": f"{n} from {scope.conversation}"}).encode() for n in range(250)
            ]
            values = {"mood": NewValue(b'"good"', FOREVER * 2)}
            await backend.apply(writes(scope, f"{scope.conversation}-1", values=values, turns=turns, notes=[note]))
        await backend.close()

    asyncio.run(fill(tmp_path / ".penstock/memory/main.db"))
    asyncio.run(fill(tmp_path / "elsewhere.db"))
    return lambda *words, **more: CliRunner().invoke(
        cli, ["memory", *words, "-f", str(tmp_path / "topology.yaml")], **more
    )


def test_show_lists_who_is_remembered(call):
    found = json.loads(call("show", "-o", "json").stdout)

    assert [(one["memory"], one["conversation"], len(one["history"])) for one in found] == [
        ("main", "ada", 250),
        ("main", "bob", 250),
        ("other", "ada", 250),
        ("other", "bob", 250),
    ]
    assert "CONVERSATION" in call("show").stdout


def test_show_tells_all_of_one(call):
    said = call("show", "--conversation", "ada", "--memory", "main").stdout

    for part in ('mood = "good"', "user: 0 from ada", "user: 249 from ada", "0.50 ada likes tea"):
        assert part in said
    assert said.index("user: 99 from") < said.index("user: 100 from")
    assert "bob" not in said


def test_export_writes_one_scope_a_line(call):
    lines = [json.loads(line) for line in call("export", "--memory", "main").stdout.splitlines()]

    assert [one["conversation"] for one in lines] == ["ada", "bob"]
    assert lines[0]["values"] == {"mood": "good"}
    assert [turn["content"] for turn in lines[0]["history"]] == [f"{n} from ada" for n in range(250)]


def test_forget_takes_one_person_out_of_every_memory_and_records_it(call):
    asked = call("forget", "--conversation", "ada", "--dry-run")
    assert "2 scopes would be forgotten" in asked.output
    assert call("forget", "--conversation", "ada", input="n\n").exit_code == 1
    assert len(json.loads(call("show", "-o", "json").stdout)) == 4

    done = call("forget", "--conversation", "ada", "--yes", "--why", "request 12", env={"USER": "eve"})

    assert done.exit_code == 0, done.output
    assert "main: forgot 1 values, 250 turns, 1 notes" in done.stdout
    assert [one["conversation"] for one in json.loads(call("show", "-o", "json").stdout)] == ["bob", "bob"]
    record = json.loads(call("show", "--forgotten", "-o", "json").stdout)
    assert [(one["memory"], one["by"], one["why"], one["turns"]) for one in record] == [
        ("main", "eve", "request 12", 250),
        ("other", "eve", "request 12", 250),
    ]
    assert record[0]["scopes"] == [{"tenant": "acme", "agent": "answer", "sha256": digest("ada")}]
    assert "ada" not in json.dumps(record)
    assert "request 12" in call("show", "--forgotten").stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("forget", "--yes"), "say who is to be forgotten"),
        (("show", "--memory", "mian"), "no such memory: mian (there are main, other)"),
    ],
)
def test_what_is_wrong_is_said(call, words, said):
    found = call(*words)

    assert found.exit_code == 2
    assert said in found.output


def test_nobody_to_forget_is_no_error(call):
    found = call("forget", "--conversation", "nobody", "--yes")

    assert (found.exit_code, "nothing is remembered" in found.output) == (0, True)
