"""`penstock init`: a new app, copied from the starter that comes with the package."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

import click

from penstock.cli.output import say

_NAME: Final = "hello-app"  # what the starter calls itself; becomes the folder's name
_RENAMED: Final = {"dot-gitignore": ".gitignore"}  # a real one would hide files of the package from its own tools


@click.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
@click.option("--name", help="Name of the app, prefix of its consumer groups; else the folder's name.")
def init(directory: Path, name: str | None) -> None:
    """Make a new app in DIRECTORY, which must be empty or new. It runs at once with `penstock dev`."""
    if directory.exists() and any(directory.iterdir()):
        raise click.UsageError(f"{directory} is not empty: name a new folder")
    called = name or _name_from(directory.resolve().name)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", called):
        raise click.UsageError(f"{called!r} is no name: letters, digits, dots, dashes and underscores")
    for path, content in starter():
        target = directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content.replace(_NAME, called))
        say(f"  {target}")
    say(f"{called} is ready:", style="good")
    if directory.resolve() != Path.cwd():
        say(f"  cd {directory}")
    say("  penstock dev                                   # starts Kafka and the worker, until Ctrl-C")
    say("""  penstock send greetings.asked '{"name": "Ada"}'  # in a second terminal""")
    say("  penstock tap greetings.given --from beginning  # what the agent answered")


def starter() -> Iterator[tuple[Path, str]]:
    """Every file of the starter: its path in the new app, its text."""
    yield from _walk(files("penstock.cli") / "starter", Path())


def _walk(folder: Traversable, path: Path) -> Iterator[tuple[Path, str]]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            if entry.name != "__pycache__":
                yield from _walk(entry, path / entry.name)
        elif not entry.name.endswith(".pyc"):
            yield path / _RENAMED.get(entry.name, entry.name), entry.read_text()


def _name_from(folder: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", folder).strip("-._") or _NAME
