"""The verb runs: what ran, attempt by attempt, from the record the workers keep."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from penstock.cli import doors, options
from penstock.cli.output import note, say, structured, table
from penstock.cli.replaying import as_time
from penstock.cli.runs_text import ATTEMPT_COLUMNS, attempt_row, attempt_view, print_run

if TYPE_CHECKING:
    from penstock.runs.reading import FoundRuns

OUTCOMES = ("done", "retried", "deferred", "dead_lettered", "skipped", "abandoned")


@click.group()
def runs() -> None:
    """What ran: attempts, how long they took, why they failed, what they cost."""


@runs.command()
@options.file
@options.output
@click.option("--failed", is_flag=True, help="Only attempts that failed: retried or dead-lettered.")
@click.option("--outcome", type=click.Choice(OUTCOMES), metavar="OUTCOME", help=f"One of {', '.join(OUTCOMES)}.")
@click.option("-p", "--processor", help="Of this processor.")
@click.option("--key", help="Of this key, as text.")
@click.option("--type", "event_type", help="Of this event type.")
@click.option("--fingerprint", help="Failed with this fingerprint.")
@click.option("--id", "any_id", help="Run id, event id or correlation id.")
@click.option("--since", metavar="TIME", callback=as_time, help="Started at or after this time (RFC 3339) or age (2h).")
@click.option("--until", metavar="TIME", callback=as_time, help="Started before.")
@click.option("--slowest", is_flag=True, help="The slowest instead of the newest.")
@click.option("--limit", type=click.IntRange(min=1, max=100_000), default=100, show_default=True, help="At most.")
@click.pass_context
def ls(ctx: click.Context, /, path: Path, form: str, **asked: Any) -> None:
    """List attempts, the newest first: read from the end until there are enough, in memory that does not grow."""
    from penstock.runs.reading import RunFilters, list_runs

    door = doors.of(ctx)
    topology = door.topology(path)
    if asked["processor"] is not None and asked["processor"] not in topology.processors:
        raise click.UsageError(
            f"there is no processor {asked['processor']!r}; there are {', '.join(topology.processors)}"
        )
    filters = RunFilters(type=asked.pop("event_type"), id=asked.pop("any_id"), **asked)
    found = door.ask(topology, lambda broker: list_runs(topology, broker, filters))
    if form != "table":
        structured([attempt_view(one) for one in found.attempts], form)
    elif found.attempts:
        table(ATTEMPT_COLUMNS, map(attempt_row, found.attempts))
    _summary(found, form)


@runs.command()
@click.argument("run_id")
@options.file
@options.output
@click.pass_context
def show(ctx: click.Context, run_id: str, path: Path, form: str) -> None:
    """Show one run: every attempt with steps, usage, error, and where its records went. An event id will do."""
    from penstock.errors import PenstockError
    from penstock.runs.reading import RunFilters, list_runs

    door = doors.of(ctx)
    topology = door.topology(path)
    found = door.ask(topology, lambda broker: list_runs(topology, broker, RunFilters(id=run_id, limit=1000)))
    attempts = [one for one in found.attempts if run_id in (one.run_id, one.event_id)]
    if not attempts:
        raise PenstockError(
            f"no run {run_id} is on record",
            f"`penstock runs ls` lists those there are; records are kept for {topology.runs.retention / 86400:g} days; "
            f"`penstock trace {run_id}` looks in the topics too",
        )
    attempts.sort(key=lambda one: (one.processor, one.started))
    if form == "table":
        print_run(attempts)
    else:
        structured([attempt_view(one) for one in attempts], form)


def _summary(found: FoundRuns, form: str) -> None:
    tell = say if form == "table" else note
    shown = len(found.attempts)
    older = "" if found.complete else "; older ones were not looked at (--limit, --until)"
    tell(f"{shown} of {found.matched} attempts, of {found.read} looked at{older}")
    if found.unreadable:
        note(f"{found.unreadable} batches are not of this version of penstock and were left out")
