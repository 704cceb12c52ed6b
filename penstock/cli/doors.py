"""Where a verb reaches the world: the topology file and the broker. Tests put other doors in."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import click

from penstock.errors import BrokerUnavailable

if TYPE_CHECKING:
    from penstock.broker.contract import Broker
    from penstock.topology.model import Topology

T = TypeVar("T")
PATIENCE: Final = 12.0  # seconds a broker has for its first answer; the client itself gives up, saying why, after 10


def _read(path: Path, environ: Mapping[str, str]) -> Topology:
    from penstock.topology.reader import read

    return read(path, environ)


def _connect(settings: Mapping[str, str]) -> Broker:
    from penstock.broker.kafka.keeper import KafkaBroker

    return KafkaBroker(settings)


@dataclass(frozen=True)
class Doors:
    """What a verb needs from outside: given to click as `obj`; the real ones where nothing is given."""

    read: Callable[[Path, Mapping[str, str]], Topology] = _read
    connect: Callable[[Mapping[str, str]], Broker] = _connect
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    patience: float = PATIENCE

    def topology(self, path: Path) -> Topology:
        """The topology of this file (or of the folder it stands in). Raises TopologyError; exit code 2 where absent."""
        found = path / "topology.yaml" if path.is_dir() else path
        if not found.is_file():
            raise click.UsageError(
                f"there is no {found}: -f names another file, `penstock init DIR` makes a new app with one"
            )
        return self.read(found, self.environ)

    def located(self, topology: Topology) -> Topology:
        """The same topology; where its broker is this machine's and silent, with the address of the app's own Kafka.

        `penstock dev` and `penstock kafka start` take another port where 9092 is not free: this finds it again.
        A broker that the environment names is taken at its word, also where it is silent.
        """
        import dataclasses

        from penstock.cli import local_broker

        if local_broker.VARIABLE in self.environ or not (topology.directory / ".penstock" / "kafka").is_dir():
            return topology
        found = local_broker.running(topology)
        if found is None:
            own = local_broker.passed_over(topology)
            if own:
                asked = topology.kafka.get("bootstrap.servers")
                click.echo(f"note: using the Kafka at {asked}, not this app's own at {own}", err=True)
                click.echo(f"  export {local_broker.VARIABLE}={own} uses the app's own", err=True)
            return topology
        click.echo(f"using this app's own Kafka at {found}", err=True)
        return dataclasses.replace(topology, kafka={**topology.kafka, "bootstrap.servers": found})

    def ask(self, topology: Topology, question: Callable[[Broker], Awaitable[T]]) -> T:
        """Run one question against the topology's broker, from connecting to closing."""
        import asyncio

        settings = self.located(topology).kafka

        async def asked() -> T:
            async with self.broker(settings) as broker:
                return await question(broker)

        return asyncio.run(asked())

    @asynccontextmanager
    async def broker(self, settings: Mapping[str, str]) -> AsyncIterator[Broker]:
        """A broker that has answered once. Raises BrokerUnavailable where it does not within `patience`."""
        import asyncio

        broker = self.connect(settings)
        servers = settings.get("bootstrap.servers", "?")
        try:
            try:
                async with asyncio.timeout(self.patience):
                    await broker.admin().cluster()
            except (TimeoutError, BrokerUnavailable) as error:
                why = f"{error.message}\n  " if isinstance(error, BrokerUnavailable) else ""
                raise BrokerUnavailable(
                    f"no Kafka answers at {servers}",
                    f"{why}start one with `penstock kafka start`, or name yours in KAFKA_BOOTSTRAP_SERVERS "
                    "or under kafka: in the topology",
                ) from error
            yield broker
        finally:
            await broker.close()


def of(ctx: click.Context) -> Doors:
    """The doors of this call."""
    found = ctx.find_object(Doors)
    return found if found is not None else Doors()
