"""The verb that sends events: send."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from penstock.cli import doors, options
from penstock.cli.output import note, say, structured

if TYPE_CHECKING:
    from penstock.cli.entries import Entry, Fields
    from penstock.cli.loads import Load
    from penstock.cli.sending import Sent
    from penstock.topology.model import Topology


def _field_options(verb: options.Verb) -> options.Verb:
    """Where in the data each attribute stands."""
    for name, words in (
        ("--time-field", "its time (ISO 8601, or seconds or milliseconds since 1970); else now."),
        ("--type-field", "its type; else --type, or the topic's own."),
        ("--id-field", "its id; else see --id-from."),
        ("--key-field", "its key (customer.id)."),
    ):
        verb = click.option(name, default="", help=f"Where in the data of an event stands {words}")(verb)
    return verb


@click.command()
@options.named_file("-f", "--topology")
@options.output
@options.dry_run
@click.argument("topic")
@click.argument("data", required=False)
@click.option(
    "--file",
    "source",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="JSON lines, CSV (.csv) or Parquet (.parquet).",
)
@click.option("--key", help="Key of every event.")
@click.option("--type", "type_", help="Event type; else the topic's own.")
@_field_options
@click.option(
    "--id-from",
    type=click.Choice(["line", "content"]),
    help="Make ids of each line (the default with --file) or of its content, so that a repeat has the same.",
)
@click.option("--header", "headers", multiple=True, metavar="NAME=VALUE", help="A further header; can be repeated.")
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), help="Events per second, at most.")
@click.option("--resume", is_flag=True, help="Go on where the load of this --file stopped; nothing is sent twice.")
@click.option("--restart", is_flag=True, help="Send this --file from its beginning, though a load of it stopped.")
@click.pass_context
def send(
    ctx: click.Context,
    /,
    path: Path,
    form: str,
    topic: str,
    data: str | None,
    source: Path | None,
    key: str | None,
    type_: str | None,
    headers: tuple[str, ...],
    rate: float | None,
    id_from: str | None,
    *,
    dry_run: bool,
    resume: bool,
    restart: bool,
    **fields: str,
) -> None:
    """Send events to TOPIC: DATA as JSON, the entries of --file, or JSON lines from stdin."""
    from penstock.cli import sending
    from penstock.cli.entries import Fields

    door = doors.of(ctx)
    topology = door.topology(path)
    if key is not None and fields["key_field"]:
        raise click.UsageError("--key and --key-field exclude each other")
    load = _load(topology, topic, source, resume=resume, restart=restart)
    order = sending.Order(topic, type_, _headers(headers), rate)
    made = id_from or ("line" if source else "")
    where = Fields(key, id_from=made, origin=f"{topic} {source.name if source else ''}", **fields)
    with _entries(data, source, where) as (found, progress):
        if dry_run:
            result = sending.check(topology, order, found)
        else:
            watched = _watched(found, progress, shown=data is None and form == "table")
            result = door.ask(topology, lambda broker: sending.send_all(topology, broker, order, watched, load))
    _report(result, topic, form, load, dry_run=dry_run)
    ctx.exit(1 if result.problem else 0)


def _load(topology: Topology, topic: str, source: Path | None, *, resume: bool, restart: bool) -> Load | None:
    from penstock.cli.loads import Load

    if source is None:
        if resume or restart:
            raise click.UsageError("--resume and --restart are for a --file: stdin cannot be read again")
        return None
    load = Load(topology.directory, topic, source)
    if restart:
        load.forget()
    elif load.stopped_at is not None and not resume:
        hint = "--resume goes on, sending nothing twice; --restart begins anew"
        raise click.UsageError(f"a load of {source} to {topic} stopped after line {load.stopped_at}: {hint}")
    return load


Progress = tuple[float, Callable[[], float]]  # the total, and how much of it is read; bytes, near enough


@contextlib.contextmanager
def _entries(
    data: str | None, source: Path | None, fields: Fields
) -> Iterator[tuple[Iterator[Entry], Progress | None]]:
    """The entries of whichever of argument, file and stdin was given, and how far they are read."""
    from penstock.cli import entries

    if data not in {None, "-"} and source:
        raise click.UsageError("give DATA or --file, not both")
    if source and source.suffix.lower() == ".parquet":
        yield entries.entries(entries.parquet_rows(source), fields), None
    elif source:
        import io

        with source.open("rb") as raw, io.TextIOWrapper(raw, encoding="utf-8-sig", newline="") as stream:
            progress = (float(source.stat().st_size), lambda: float(raw.tell()))
            yield entries.entries(entries.parsed(stream, source), fields), progress
    elif data not in {None, "-"}:
        import json

        try:
            found = json.loads(data or "")
        except ValueError as error:
            raise click.UsageError(f"DATA is not JSON: {error} (a text is written '\"so\"')") from error
        yield entries.entries([(1, found)], fields), None
    else:
        if data is None and sys.stdin.isatty():
            raise click.UsageError("nothing to send: give DATA, --file, or JSON lines on stdin")
        yield entries.entries(entries.json_lines(sys.stdin), fields), None


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


def _watched(found: Iterator[Entry], progress: Progress | None, *, shown: bool) -> Iterator[Entry]:
    """The same entries, counted on the terminal as they are taken."""
    if not shown or not sys.stderr.isatty():
        yield from found
        return
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    from penstock.cli.output import console

    columns: list[Any] = [SpinnerColumn(), TextColumn("{task.fields[count]} events"), TimeElapsedColumn()]
    if progress is not None:
        columns += [BarColumn(), TimeRemainingColumn()]
    with Progress(*columns, console=console(err=True), transient=True) as bar:
        task = bar.add_task("send", total=progress[0] if progress else None, count=0)
        for count, entry in enumerate(found, 1):
            yield entry
            if count % 100 == 0:
                bar.update(task, count=count, completed=progress[1]() if progress else count)


def _report(result: Sent, topic: str, form: str, load: Load | None, *, dry_run: bool) -> None:
    skipped = load.skipped if load else 0
    if form != "table":
        found = {"topic": topic, "sent": result.count, "there_already": skipped, "positions": result.ranges()}
        structured({**found, "problem": result.problem}, form)
    elif dry_run:
        say(f"{result.count} would be sent to {topic}")
    else:
        before = f" ({skipped} were there already)" if skipped else ""
        say(f"{result.count} sent to {topic}{before}" + "".join(f"\n  {text}" for text in result.ranges()))
    if result.problem:
        note(f"error: {result.problem}; {result.count} {'are fine before it' if dry_run else 'were sent'}")
        if load is not None and not dry_run:
            note("  --resume goes on from there, sending nothing twice")
