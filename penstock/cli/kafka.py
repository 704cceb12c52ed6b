"""`penstock kafka`: a real Apache Kafka on this machine, for development and tests."""

from __future__ import annotations

import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

import click

from penstock.cli import options
from penstock.cli.output import note, say, structured
from penstock.errors import LocalKafkaError

if TYPE_CHECKING:
    from penstock.local_kafka import LocalKafka, Security


@click.group()
def kafka() -> None:
    """A real Kafka (one node, KRaft) on this machine, without Docker. Its data stands in .penstock/kafka."""


def data_option(verb: options.Verb) -> options.Verb:
    """`--data`: where the broker keeps everything."""
    return click.option(
        "--data",
        type=click.Path(path_type=Path, file_okay=False),
        default=Path(".penstock/kafka"),
        show_default=True,
        help="The folder of the broker's data.",
    )(verb)


@kafka.command()
@data_option
@options.output
@click.option(
    "--port", type=click.IntRange(1, 65535), help="Listen here; else its former one, 9092, or any that is free."
)
@click.option("--secure", is_flag=True, help="TLS, SASL/SCRAM and ACLs, as on a cluster of one's company.")
def start(data: Path, form: str, port: int | None, *, secure: bool) -> None:
    """Start it, or say that it runs. The first time fetches the broker (about 100 MB)."""
    from penstock import local_kafka
    from penstock.cli import local_broker

    found = local_kafka.start(data, port or local_broker.usual_port(data), secure=secure, say=note)
    security = local_kafka.security_of(found.data)
    if form != "table":
        structured({**_values(found), "clients": _clients(security)}, form)
        return
    say(f"Kafka runs at {found.bootstrap} (pid {found.pid})", style="good")
    if not found.bootstrap.endswith(":9092"):
        say(f"export KAFKA_BOOTSTRAP_SERVERS={found.bootstrap}")
    if security is not None:
        say("kafka:  # in the topology; `app` may do what ACLs allow (penstock export acls), `admin` everything")
        for name, value in security.client("app").items():
            say(f"  {name}: {value}")


def _clients(security: Security | None) -> dict[str, dict[str, str]]:
    """How each user logs in; passwords are named by their files."""
    return {user: security.client(user) for user in ("admin", "app")} if security else {}


@kafka.command()
@data_option
def stop(data: Path) -> None:
    """Stop it; the data stays."""
    from penstock import local_kafka

    was = local_kafka.status(data)
    local_kafka.stop(data)
    say("stopped" if was else "it was not running")


@kafka.command()
@data_option
@options.output
@click.pass_context
def status(ctx: click.Context, data: Path, form: str) -> None:
    """Whether it runs, and where; exit 1 where it does not."""
    from penstock import local_kafka

    found = local_kafka.status(data)
    if form != "table":
        structured({"running": bool(found), **(_values(found) if found else {})}, form)
    elif found:
        say(f"running at {found.bootstrap} (pid {found.pid}), data in {found.data}", style="good")
    else:
        say(f"not running (data in {data}); `penstock kafka start` starts it")
    ctx.exit(0 if found else 1)


@kafka.command()
@data_option
@click.option(
    "-n", "--lines", type=click.IntRange(1), default=50, show_default=True, help="How many of the last lines."
)
@click.option("--follow", is_flag=True, help="Go on as lines are written.")
def logs(data: Path, lines: int, *, follow: bool) -> None:
    """The broker's own log."""
    from penstock import local_kafka

    found = local_kafka.status(data)
    path = found.log if found else local_kafka.log_path(data)
    if not path.is_file():
        raise LocalKafkaError(f"no log at {path}", "`penstock kafka start` starts a broker there")
    with path.open(errors="replace") as file:
        click.echo("".join(deque(file, lines)), nl=False)
        while follow:
            text = file.read()
            click.echo(text, nl=False)
            if not text:
                time.sleep(0.3)


@kafka.command()
@data_option
@options.yes
def wipe(data: Path, *, yes: bool) -> None:
    """Stop it and delete all of its data."""
    from penstock import local_kafka

    if not yes:
        click.confirm(f"Delete every topic and record in {data}?", abort=True)
    local_kafka.wipe(data)
    say(f"{data} is gone")


def _values(found: LocalKafka) -> dict[str, object]:
    return {"bootstrap": found.bootstrap, "pid": found.pid, "data": found.data, "log": found.log}
