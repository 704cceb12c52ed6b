"""The verb trace: one id, and everything before and after it, as a tree."""

from __future__ import annotations

from pathlib import Path

import click

from penstock.cli import doors, options
from penstock.cli.output import structured
from penstock.cli.replaying import as_time
from penstock.cli.trace_text import print_trace, trace_view


@click.command("trace")
@click.argument("id_", metavar="ID")
@options.file
@options.output
@click.option(
    "--since", metavar="TIME", callback=as_time, help="Read the record from this time (RFC 3339) or age (2h)."
)
@click.pass_context
def trace_(ctx: click.Context, id_: str, path: Path, form: str, since: int | None) -> None:
    """Follow ID (an event, a run, or topic/partition@offset) up to where it began and down to all it led to."""
    from penstock.runs.trace import trace

    door = doors.of(ctx)
    topology = door.topology(path)
    found = door.ask(topology, lambda broker: trace(topology, broker, id_, since=since))
    if form == "table":
        print_trace(found)
    else:
        structured(trace_view(found), form)
