"""How results are printed: tables for people (rich), JSON and YAML for programs, nothing mixed in."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

import click

from penstock.record import Position, TopicPartition

if TYPE_CHECKING:
    from rich.console import Console


def plain(value: Any) -> Any:
    """A value as JSON can say it: dataclasses and mappings as objects, positions and paths as text."""
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {part.name: plain(getattr(value, part.name)) for part in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(found) for key, found in value.items()}
    if isinstance(value, AbstractSet):
        return sorted(plain(found) for found in value)
    if isinstance(value, Iterable) and not isinstance(value, bytes | TopicPartition | Position):
        return [plain(found) for found in value]
    return _spelled(value)


def _spelled(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value.isoformat() if isinstance(value, datetime) else str(value)


def structured(value: Any, form: str) -> None:
    """Print `value` as json or yaml, and nothing else."""
    if form == "yaml":
        import yaml

        click.echo(yaml.safe_dump(plain(value), sort_keys=False, allow_unicode=True), nl=False)
        return
    click.echo(indented(value))


def indented(value: Any) -> str:
    """`value` as JSON for people."""
    return json.dumps(plain(value), indent=2, ensure_ascii=False)


def console(*, err: bool = False) -> Console:
    """A console on today's stdout (or stderr); wide in a pipe, so that nothing is cut there."""
    import sys

    from rich.console import Console

    stream = sys.stderr if err else sys.stdout
    width = None if stream.isatty() else 240
    return Console(file=stream, width=width, highlight=False, markup=False, emoji=False, soft_wrap=False)


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, title: str = "") -> None:
    """Print rows under their column names; figures stand right, None is a dash."""
    from rich.table import Table
    from rich.text import Text

    filled = [list(row) for row in rows]
    out = Table(box=None, pad_edge=False, title=title or None, title_justify="left", header_style="bold")
    for index, column in enumerate(columns):
        numeric = all(isinstance(row[index], int | float | None) for row in filled) and bool(filled)
        side: Literal["right", "left"] = "right" if numeric else "left"
        out.add_column(column, justify=side, overflow="fold", min_width=len(column))  # no head is ever broken
    for row in filled:
        out.add_row(*(cell if isinstance(cell, Text) else Text("-" if cell is None else str(cell)) for cell in row))
    console().print(out)


def say(text: str, *, style: str = "") -> None:
    """One line for people, on stdout."""
    click.echo(click.style(text, **_STYLES.get(style, {})))


def note(text: str) -> None:
    """One line beside the result, on stderr: stdout stays clean."""
    click.echo(text, err=True)


_STYLES: dict[str, dict[str, Any]] = {
    "good": {"fg": "green"},
    "bad": {"fg": "red"},
    "warn": {"fg": "yellow"},
    "head": {"bold": True},
    "dim": {"dim": True},
}
