"""The verb that watches events: tap."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from penstock.cli import doors, options
from penstock.cli.output import say, structured

if TYPE_CHECKING:
    from penstock.cli.tapping import Filters


@click.command()
@options.file
@options.output
@click.argument("topic")
@click.option("--key", help="Only events with this key.")
@click.option("--type", "type_", help="Only events of this type.")
@click.option("--grep", help="Only events whose data matches this regular expression.")
@click.option("--from", "since", default="now", show_default=True, help="now, beginning, or an age such as 5m.")
@click.option("-n", "--count", type=click.IntRange(1), help="End after so many.")
@click.pass_context
def tap(
    ctx: click.Context,
    path: Path,
    form: str,
    topic: str,
    key: str | None,
    type_: str | None,
    grep: str | None,
    since: str,
    count: int | None,
) -> None:
    """Watch the events of TOPIC as they arrive, decoded, until Ctrl-C. Reads without a group: disturbs nobody."""
    from penstock.cli import tapping

    door = doors.of(ctx)
    topology = door.topology(path)
    filters = _filters(key, type_, grep)
    from_time = _since(since)

    def show(found: dict[str, Any]) -> None:
        _show(found, form)

    with contextlib.suppress(KeyboardInterrupt):  # Ctrl-C is how a tap ends
        door.ask(topology, lambda broker: tapping.tap(topology, broker, topic, filters, from_time, count, show))


def _filters(key: str | None, type_: str | None, grep: str | None) -> Filters:
    import re

    from penstock.cli.tapping import Filters

    try:
        return Filters(key, type_, re.compile(grep) if grep else None)
    except re.error as error:
        raise click.BadParameter(f"not a regular expression: {error}", param_hint="--grep") from error


def _since(since: str) -> int | None:
    """Epoch milliseconds to begin at, None for now."""
    import time

    from penstock.durations import seconds

    if since == "now":
        return None
    if since == "beginning":
        return 0
    try:
        return int((time.time() - seconds(since)) * 1000)
    except ValueError as error:
        raise click.BadParameter(f"{error}; or now, or beginning", param_hint="--from") from error


def _show(found: dict[str, Any], form: str) -> None:
    import json

    from penstock.cli import tap_text

    if form == "json":
        click.echo(json.dumps(found, ensure_ascii=False))  # one a line: a stream has no end to close a list with
    elif form == "yaml":
        click.echo("---")
        structured(found, form)
    else:
        say(tap_text.line(found))
