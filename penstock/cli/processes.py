"""The verbs that run workers: run, up, dev. Thin: the service does the work."""

from __future__ import annotations

from pathlib import Path

import click

from penstock.cli import doors, options


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
@click.argument("processor")
@click.option("--port", type=click.IntRange(0, 65535), help="Serve /metrics, /livez and /readyz here; 0 picks one.")
@click.pass_context
def run(ctx: click.Context, path: Path, log_format: str, processor: str, port: int | None) -> None:
    """Run one worker of PROCESSOR until it is told to stop; then drain."""
    from penstock.service.runtime import run_worker

    door = doors.of(ctx)
    topology = door.topology(path)
    if processor not in topology.processors:
        raise click.UsageError(f"no processor {processor!r} (there are {', '.join(topology.processors)})")
    ctx.exit(run_worker(door.located(topology), processor, port=port, log_format=log_format))


@click.command()
@options.file
@log_format
@click.argument("processors", nargs=-1)
@click.pass_context
def up(ctx: click.Context, path: Path, log_format: str, processors: tuple[str, ...]) -> None:
    """Run the workers of all processors (or of those named), and start again what ends."""
    from penstock.service.up import supervise

    topology = doors.of(ctx).topology(path)
    unknown = [name for name in processors if name not in topology.processors]
    if unknown:
        raise click.UsageError(f"no such processor: {', '.join(unknown)} (there are {', '.join(topology.processors)})")
    ctx.exit(supervise(topology, processors or tuple(topology.processors), log_format=log_format))


@click.command()
@options.file
@log_format
@click.pass_context
def dev(ctx: click.Context, path: Path, log_format: str) -> None:
    """Start a local Kafka where none answers, apply the topology, and run everything until Ctrl-C."""
    from penstock.cli import local_broker
    from penstock.service.development import develop

    door = doors.of(ctx)
    topology = door.topology(path)
    with local_broker.ensured(topology, click.echo) as environment:
        changed = {**door.environ, **environment}
        ctx.exit(develop(lambda: door.read(topology.path, changed), log_format=log_format))
