"""The verb console: all of it in a browser."""

from __future__ import annotations

from pathlib import Path

import click

from penstock.cli import doors, options


@click.command()
@options.file
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at; others need the token.")
@click.option("--port", type=click.IntRange(0, 65535), help="8900, or any where that is taken; 0 picks a free one.")
@click.option(
    "--token", envvar="PENSTOCK_CONSOLE_TOKEN", help="What acting needs; else the app's own, kept in .penstock/."
)
@click.pass_context
def console(ctx: click.Context, path: Path, host: str, port: int | None, token: str | None) -> None:
    """Serve the web console until Ctrl-C: topology, runs, dead letters, topics, groups.

    Anyone on this machine may look. Acting, and everything from other machines, needs the token.
    """
    from penstock.console.serving import serve

    door = doors.of(ctx)
    topology = door.topology(path)
    located = door.located(topology)
    serve(
        located,
        lambda: door.connect(located.kafka),
        path=str(path),
        host=host,
        port=port,
        token=token,
        say=click.echo,
    )
