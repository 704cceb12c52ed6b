"""Loads of files: fields become attributes, ids are the same each time, a stopped load goes on without repeating."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from penstock.broker.contract import NewTopic
from penstock.broker.in_memory import InMemoryBroker
from penstock.cli import sending
from penstock.cli.doors import Doors
from penstock.cli.loads import Load
from penstock.cli.main import cli
from penstock.clock import SystemClock

TOPOLOGY = "version: 1\nname: desk\ntopics:\n  tickets: { partitions: 2, type: ticket.created }\n"


class Shell:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "topology.yaml").write_text(TOPOLOGY)
        self.broker = InMemoryBroker(SystemClock())
        asyncio.run(self.broker.admin().create_topics([NewTopic("tickets", 2)]))

    def __call__(self, *args: Any) -> Result:
        doors = Doors(connect=lambda settings: self.broker, environ={})
        words = ["send", "tickets", *map(str, args), "-f", str(self.folder)]
        return CliRunner().invoke(cli, words, obj=doors)

    def ids(self) -> list[bytes | None]:
        return [record.header("ce_id") for record in self.broker.records("tickets")]


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.setattr(sending, "CHECKPOINT", 10)
    return Shell(tmp_path)


def lines(shell: Shell, count: int, *, name: str = "x.jsonl") -> Path:
    path = shell.folder / name
    path.write_text("".join(json.dumps({"n": n % 7, "at": 1767225600 + n}) + "\n" for n in range(count)))
    return path


def break_after(monkeypatch: pytest.MonkeyPatch, entries: int) -> None:
    """Ctrl-C while entry number `entries` is taken; what is under way may or may not arrive."""
    taken, begin = Counter[str](), Load.begin

    async def interrupted(self: Any, broker: Any, found: Any) -> Any:
        def until() -> Any:
            for entry in rest:
                taken["n"] += 1
                if taken["n"] > entries:
                    raise KeyboardInterrupt
                yield entry

        rest = await begin(self, broker, found)
        return until()

    monkeypatch.setattr(Load, "begin", interrupted)


@pytest.mark.parametrize("stopped", [0, 1, 9, 10, 11, 37])
def test_a_stopped_load_goes_on_and_sends_nothing_twice(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, stopped: int
) -> None:
    path = lines(shell, 50)
    with monkeypatch.context() as patch:
        break_after(patch, stopped)
        assert shell("--file", path).exit_code != 0
    before = len(shell.ids())
    refused = shell("--file", path)
    assert refused.exit_code == 2
    assert "--resume" in refused.stderr
    done = shell("--file", path, "--resume", "-o", "json")
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert (said["sent"], said["there_already"]) == (50 - before, before)
    assert len(shell.ids()) == len(set(shell.ids())) == 50
    assert shell("--file", path, "--dry-run").exit_code == 0  # nothing is left to go on with


def test_a_load_that_met_a_bad_line_goes_on_when_it_is_mended(shell: Shell) -> None:
    path = lines(shell, 30)
    good = path.read_text().splitlines()
    path.write_text("\n".join([*good[:25], "{oops", *good[26:]]))
    failed = shell("--file", path, "--id-from", "content")
    assert failed.exit_code == 1
    assert "--resume goes on" in failed.stderr
    path.write_text("\n".join(good))
    other = shell("--file", path, "--resume")
    assert other.exit_code == 1
    assert "is not the file" in other.stderr
    again = shell("--file", path, "--restart")
    assert again.exit_code == 0


def test_ids_of_lines_tell_equal_lines_apart_and_ids_of_content_do_not(shell: Shell) -> None:
    path = shell.folder / "same.jsonl"
    path.write_text('{"a":1}\n{"a":1}\n')
    shell("--file", path)
    shell("--file", path)
    assert sorted(Counter(shell.ids()).values()) == [2, 2]
    shell("--file", path, "--id-from", "content")
    assert sorted(Counter(shell.ids()).values()) == [2, 2, 2]


def test_fields_become_key_type_id_and_time(shell: Shell) -> None:
    path = shell.folder / "x.csv"
    path.write_text("who,kind,nr,when\nada,ticket.closed,7,2026-01-01T00:00:00Z\nbob,ticket.closed,8,1767225600\n")
    fields = ("--key-field", "who", "--type-field", "kind", "--id-field", "nr", "--time-field", "when")
    assert shell("--file", path, *fields).exit_code == 0
    for record in shell.broker.records("tickets"):
        assert record.header("ce_type") == b"ticket.closed"
        assert record.header("ce_time") == b"2026-01-01T00:00:00Z"
    assert {(record.key, record.header("ce_id")) for record in shell.broker.records("tickets")} == {
        (b"ada", b"7"),
        (b"bob", b"8"),
    }
    path.write_text("who,kind,nr,when\nada,x,7,soon\n")
    assert "line 2: 'when' is no time" in shell("--file", path, *fields).stderr


def test_stdin_cannot_be_gone_on_with(shell: Shell) -> None:
    assert shell("--resume", '{"a":1}').exit_code == 2
