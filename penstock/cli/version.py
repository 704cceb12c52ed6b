"""`penstock version`: what runs here, for bug reports."""

from __future__ import annotations

import click

from penstock.cli import options
from penstock.cli.output import say, structured


@click.command()
@options.output
def version(form: str) -> None:
    """Print the versions of penstock and of what it stands on."""
    from penstock.deploy.doctor import versions

    found = versions()
    if form != "table":
        structured(found, form)
        return
    for name, value in found.items():
        say(f"{name} {value}")
