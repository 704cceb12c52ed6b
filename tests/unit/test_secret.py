"""Secrets: references only, read when used, and never shown."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from penstock.errors import PenstockError
from penstock.secret import Secret
from penstock.topology.document import parse
from penstock.topology.marks import START, Marks
from penstock.topology.option import option
from penstock.topology.sections import Sections


@dataclass(frozen=True, kw_only=True)
class Door:
    password: Secret = option("secret", "One.", default=Secret())
    tokens: dict[str, Secret] = option("secrets", "Several.", factory=dict)


def read(text: str, folder: Path, **environ: str) -> tuple[Door, list[str]]:
    marks = Marks("topology.yaml")
    root, problems = parse(text, marks, environ)
    sections = Sections(marks, folder)
    found = sections._section(Door, root, (), START, None)
    return found, [str(problem) for problem in (*problems, *sections.problems)]


def test_a_variable_gives_the_secret_and_nothing_shows_it(tmp_path):
    door, problems = read("password: ${PASSWORD}\ntokens: { app: '${TOKEN}' }\n", tmp_path, PASSWORD="p4", TOKEN="t4")

    assert problems == []
    assert door.password.reveal() == "p4"
    assert door.tokens["app"].matches("t4")
    assert not door.tokens["app"].matches("t")
    assert "p4" not in f"{door!r} {door.password} {door.password!r}"
    assert "t4" not in repr(door)


def test_a_file_is_read_each_time_it_is_used(tmp_path):
    door, problems = read("password: file:keys/one\n", tmp_path)
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys/one").write_text("first\n", encoding="utf-8")

    assert problems == []
    assert door.password.reveal() == "first"
    (tmp_path / "keys/one").write_text("rotated", encoding="utf-8")
    assert door.password.reveal() == "rotated"


@pytest.mark.parametrize("content", [None, b"", b"\n", b"\xff\xfe"])
def test_a_file_that_holds_no_secret_is_named(tmp_path, content):
    if content is not None:
        (tmp_path / "key").write_bytes(content)

    with pytest.raises(PenstockError, match="key"):
        Secret(file=tmp_path / "key").reveal()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("password: hunter2\n", "must not stand in this file"),
        ("tokens: { app: hunter2 }\n", "tokens.app is a secret and must not stand in this file"),
        ("password: 'file:'\n", "names no file"),
        ("password: [hunter2]\n", "must be one reference, not a list"),
    ],
)
def test_what_is_no_reference_is_refused_without_repeating_it(tmp_path, text, said):
    _, problems = read(text, tmp_path)

    assert len(problems) == 1
    assert said in problems[0]
    assert "hunter2" not in problems[0]
