"""The options that several verbs share, declared once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Verb = TypeVar("Verb", bound=Callable[..., Any])

FORMATS = ("table", "json", "yaml")


def file(verb: Verb) -> Verb:
    """`-f/--file`: which topology."""
    return named_file("-f", "--file")(verb)


def named_file(*names: str) -> Callable[[Verb], Verb]:
    """The same option under other names, for a verb whose `--file` is something else."""
    return click.option(
        *names,
        "path",
        type=click.Path(path_type=Path),
        default=Path("topology.yaml"),
        show_default=True,
        help="The topology file.",
    )


def output(verb: Verb) -> Verb:
    """`-o/--output`: table, json or yaml."""
    return click.option(
        "-o",
        "--output",
        "form",
        type=click.Choice(FORMATS),
        default="table",
        show_default=True,
        help="How to print the result.",
    )(verb)


def yes(verb: Verb) -> Verb:
    """`--yes`: ask nothing."""
    return click.option("--yes", "-y", is_flag=True, help="Do it without asking.")(verb)


def dry_run(verb: Verb) -> Verb:
    """`--dry-run`: say what would be done."""
    return click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")(verb)
