"""The documents tell the truth where a machine can tell: commands, targets, options, files, links, metrics, headers."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path

import click
import pytest
from source_tree import ROOT, metric_names, tracked

from penstock import headers
from penstock.cli.main import VERBS, cli
from penstock.deploy.export.alerts import ALERTS
from penstock.topology.derived import LADDER

DOCUMENTS = [path for path in tracked() if path.suffix == ".md" and "starter" not in path.parts]
COMMAND = re.compile(r"(?<![\w./-])(?<!from )(?<!import )penstock ((?:[a-z]+)(?: [a-z][a-z0-9-]*)?)((?: [^\n`|#]*)?)")
CODE = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)
by_name = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))


def code_in(document: Path) -> str:
    """What stands in code fences and between backticks."""
    return "\n".join(CODE.findall(document.read_text(encoding="utf-8")))


@cache
def version() -> str:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]


def command(verb: str) -> click.Command | None:
    return cli.get_command(click.Context(cli), verb) if verb in VERBS else None


@by_name
def test_every_command_exists(document):
    missing = []
    for words, rest in COMMAND.findall(code_in(document)):
        verb, *below = words.split()
        found = command(verb)
        if found is None:
            missing.append(f"penstock {verb}")
            continue
        if isinstance(found, click.Group) and below:
            deeper = found.get_command(click.Context(found), below[0])
            if deeper is None:
                missing.append(f"penstock {words}")
                continue
            found = deeper
        options = {option for one in found.params for option in (*one.opts, *one.secondary_opts)}
        missing += [f"penstock {words} {one}" for one in re.findall(r"(?<!\S)--[a-z-]+", rest) if one not in options]

    assert missing == []


@by_name
def test_every_make_target_exists(document):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    used = set(re.findall(r"(?<![\w-])make ([a-z-]+)(?=[ \n`]|$)", code_in(document)))

    assert used - targets == set()


@by_name
def test_every_link_leads_somewhere(document):
    text = document.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", CODE.sub("", text))
    dead = [link for link in links if "://" not in link and not (document.parent / link).exists()]

    assert dead == []


@by_name
def test_every_file_that_is_named_exists(document):
    """Paths in backticks that begin with a folder of this repository."""
    folders = "penstock|processors|tests|docs|docker|schemas|benchmarks|demo|examples"
    named = set(re.findall(rf"`((?:{folders})/[\w./-]+)`", document.read_text(encoding="utf-8")))
    missing = [name for name in named if not (ROOT / name).exists()]

    assert missing == []


@by_name
def test_every_metric_exists(document):
    used = set(re.findall(r"\bpenstock_[a-z_]+\b", document.read_text(encoding="utf-8")))

    assert used - metric_names() == set()


@by_name
def test_every_header_exists(document):
    known = {value for value in vars(headers).values() if isinstance(value, str)}
    used = set(re.findall(r"`((?:penstock-|ce_)[a-z-]+)`", document.read_text(encoding="utf-8")))

    assert used - known == set()


def test_the_table_of_headers_is_complete():
    text = (ROOT / "docs" / "event-life.md").read_text(encoding="utf-8")
    known = {value for value in vars(headers).values() if isinstance(value, str) and value.startswith("penstock-")}

    assert [name for name in sorted(known - {headers.OURS}) if name not in text] == []


def test_the_ladder_is_written_as_it_is():
    text = (ROOT / "docs" / "event-life.md").read_text(encoding="utf-8")

    assert " ".join(LADDER) in " ".join(text.split())


def test_every_alert_has_its_line_in_operations():
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")

    assert [alert.name for alert in ALERTS if f"| [{alert.name}](runbooks/{alert.name}.md) |" not in text] == []


def test_the_changelog_knows_this_version():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")

    assert re.search(rf"^## \[{re.escape(version())}\]", text, re.MULTILINE)


def test_readme_leads_to_every_document():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    pages = [path.relative_to(ROOT).as_posix() for path in tracked() if path.parent == ROOT / "docs"]

    assert [page for page in pages if f"({page})" not in text] == []


def test_every_decision_has_a_number_of_its_own_and_the_same_parts():
    pages = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
    numbers = [page.name[:4] for page in pages]

    assert numbers == [f"{n:04}" for n in range(1, len(pages) + 1)]
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert text.startswith("# "), page.name
        for part in ("## Why", "## What we do", "## What it costs"):
            assert part in text, f"{page.name} has no {part!r}"
