"""The verbs that run workers: run, up, dev. Thin: the service does the work."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from penstock.cli import doors, options

if TYPE_CHECKING:
    from penstock.topology.model import Topology


def log_format(verb: options.Verb) -> options.Verb:
    """`--log-format`: lines for people or for programs."""
    return click.option(
        "--log-format",
        type=click.Choice(("text", "json")),
        default="text",
        show_default=True,
        help="How log lines are written.",
    )(verb)


@click.command()
@options.file
@log_format
@click.argument("name")
@click.option("--port", type=click.IntRange(0, 65535), help="Serve /metrics, /livez and /readyz here; 0 picks one.")
@click.pass_context
def run(ctx: click.Context, path: Path, log_format: str, name: str, port: int | None) -> None:
    """Run one worker of NAME, a processor or connector, until it is told to stop; then drain."""
    from penstock.service.runtime import run_worker

    door = doors.of(ctx)
    topology = door.topology(path)
    _check_names(topology, (name,))
    ctx.exit(run_worker(door.located(topology), name, port=port, log_format=log_format))


def console(verb: options.Verb) -> options.Verb:
    """`--no-console`: workers only."""
    return click.option(
        "--console/--no-console", default=True, show_default=True, help="The web console beside them, where installed."
    )(verb)


@click.command()
@options.file
@log_format
@console
@click.argument("names", nargs=-1)
@click.pass_context
def up(ctx: click.Context, path: Path, log_format: str, names: tuple[str, ...], *, console: bool) -> None:
    """Run the workers of all processors and connectors (or of those named), and start again what ends."""
    from penstock.service.up import supervise

    topology = doors.of(ctx).topology(path)
    _check_names(topology, names)
    ctx.exit(supervise(topology, names, log_format=log_format, console=console))


def _check_names(topology: Topology, names: Sequence[str]) -> None:
    """Raises UsageError for what is neither a processor nor a connector."""
    known = [*topology.processors, *(name for name in topology.connectors if name not in topology.processors)]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise click.UsageError(f"no such processor or connector: {', '.join(unknown)} (there are {', '.join(known)})")


@click.command()
@options.file
@log_format
@console
@click.pass_context
def dev(ctx: click.Context, path: Path, log_format: str, *, console: bool) -> None:
    """Start a local Kafka where none answers, apply the topology, and run everything until Ctrl-C."""
    from penstock.cli import local_broker
    from penstock.service.development import develop

    door = doors.of(ctx)
    topology = door.topology(path)
    with local_broker.ensured(topology, click.echo) as environment:
        changed = {**door.environ, **environment}
        ctx.exit(develop(lambda: door.read(topology.path, changed), log_format=log_format, console=console))
