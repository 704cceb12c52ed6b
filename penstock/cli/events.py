"""The verbs that touch events: send and tap."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from penstock.cli import doors, options
from penstock.cli.output import note, say, structured

if TYPE_CHECKING:
    from penstock.cli.entries import Entry, Fields
    from penstock.cli.sending import Sent
    from penstock.cli.tapping import Filters


@click.command()
@options.named_file("-f", "--topology")
@options.output
@options.dry_run
@click.argument("topic")
@click.argument("data", required=False)
@click.option(
    "--file", "source", type=click.Path(path_type=Path, dir_okay=False, exists=True), help="JSON lines or CSV."
)
@click.option("--key", help="Key of every event.")
@click.option("--key-field", default="", help="Where in the data the key stands (customer.id).")
@click.option("--type", "type_", help="Event type; else the topic's own.")
@click.option("--id-field", default="", help="Where in the data the event's id stands; else a new one.")
@click.option("--header", "headers", multiple=True, metavar="NAME=VALUE", help="A further header; can be repeated.")
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), help="Events per second, at most.")
@click.pass_context
def send(
    ctx: click.Context,
    path: Path,
    form: str,
    topic: str,
    data: str | None,
    source: Path | None,
    key: str | None,
    key_field: str,
    type_: str | None,
    id_field: str,
    headers: tuple[str, ...],
    rate: float | None,
    *,
    dry_run: bool,
) -> None:
    """Send events to TOPIC: DATA as JSON, the lines of --file, or JSON lines from stdin."""
    from penstock.cli import sending
    from penstock.cli.entries import Fields

    door = doors.of(ctx)
    topology = door.topology(path)
    if key is not None and key_field:
        raise click.UsageError("--key and --key-field exclude each other")
    order = sending.Order(topic, type_, _headers(headers), rate)
    with _entries(data, source, Fields(key, key_field, id_field)) as found:
        if dry_run:
            result = sending.check(topology, order, found)
        else:
            watched = _watched(found, shown=data is None and form == "table")
            result = door.ask(topology, lambda broker: sending.send_all(topology, broker, order, watched))
    _report(result, topic, form, dry_run=dry_run)
    ctx.exit(1 if result.problem else 0)


@contextlib.contextmanager
def _entries(data: str | None, source: Path | None, fields: Fields) -> Iterator[Iterator[Entry]]:
    """The entries of whichever of argument, file and stdin was given."""
    from penstock.cli import entries

    if data not in {None, "-"} and source:
        raise click.UsageError("give DATA or --file, not both")
    if source:
        with source.open(newline="", encoding="utf-8-sig") as stream:
            yield entries.entries(entries.parsed(stream, source), fields)
    elif data not in {None, "-"}:
        import json

        try:
            found = json.loads(data or "")
        except ValueError as error:
            raise click.UsageError(f"DATA is not JSON: {error} (a text is written '\"so\"')") from error
        yield entries.entries([(1, found)], fields)
    else:
        if data is None and sys.stdin.isatty():
            raise click.UsageError("nothing to send: give DATA, --file, or JSON lines on stdin")
        yield entries.entries(entries.json_lines(sys.stdin), fields)


def _headers(given: Iterable[str]) -> dict[str, str]:
    from penstock.cli.sending import check_headers

    found = {}
    for pair in given:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"{pair!r} is not NAME=VALUE", param_hint="--header")
        found[name] = value
    try:
        check_headers(found)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--header") from error
    return found


def _watched(found: Iterator[Entry], *, shown: bool) -> Iterator[Entry]:
    """The same entries, counted on the terminal as they are taken."""
    if not shown or not sys.stderr.isatty():
        yield from found
        return
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from penstock.cli.output import console

    columns = (SpinnerColumn(), TextColumn("{task.completed:.0f} events"), TimeElapsedColumn())
    with Progress(*columns, console=console(err=True), transient=True) as progress:
        task = progress.add_task("send", total=None)
        for entry in found:
            yield entry
            progress.advance(task)


def _report(result: Sent, topic: str, form: str, *, dry_run: bool) -> None:
    if form != "table":
        structured(
            {"topic": topic, "sent": result.count, "positions": result.ranges(), "problem": result.problem}, form
        )
    elif dry_run:
        say(f"{result.count} would be sent to {topic}")
    else:
        say(f"{result.count} sent to {topic}" + "".join(f"\n  {text}" for text in result.ranges()))
    if result.problem:
        note(f"error: {result.problem}; {result.count} {'are fine before it' if dry_run else 'were sent'}")


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
