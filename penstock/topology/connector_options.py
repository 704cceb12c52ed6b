"""What a connector can be told, whatever it connects: the options that sources share, and those that sinks share."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import ClassVar

from penstock.topology.model import Batch, Processor, Retry
from penstock.topology.option import option, same
from penstock.topology.restart import Restart


@dataclass(frozen=True, kw_only=True)
class ConnectorOptions:
    """One connector. `connector` is the word that chooses it as `type`, '' for the app's own."""

    connector: ClassVar[str] = ""
    implementation: ClassVar[str] = ""  # module:attribute of the class that runs
    extra: ClassVar[str] = ""  # the extra to install for it

    name: str = ""
    group_id: str = ""  # derived: <topology>.<connector>
    directory: Path = Path()  # derived: the topology's folder, where relative paths begin
    type: str = option(
        "text", "A type listed on this page, or `module:attribute` of the app's own.", example="http_source"
    )
    replicas: int = same(Processor, "replicas", doc="Processes that `penstock up` starts.")
    stop_grace_period: float = same(Processor, "stop_grace_period")
    failover: float = same(Processor, "failover", doc="When its process dies, another has its work within this time.")
    memory_limit: int | None = same(Processor, "memory_limit")
    restart: Restart = same(Processor, "restart")
    python: Path | None = same(Processor, "python", doc="This connector's own interpreter.")

    def problems(self) -> Iterable[tuple[str, str, str]]:
        """What is wrong with the values, beyond their form: the key, what it is, what to do."""
        return ()

    @property
    def attribute(self) -> str:
        """Where its class is: `module:attribute`."""
        return self.implementation or self.type


@dataclass(frozen=True, kw_only=True)
class SourceOptions(ConnectorOptions):
    """A connector that brings events in.

    `exclusive` True: of all replicas, on whatever host, one runs at a time, by consumer-group assignment, and its
    cursor is kept in `<name>.cursors`. False: every replica runs, and the outside system shares the work out.
    `dead_letters`: what can never be an event goes to the connector's dead letter topic.
    """

    exclusive: ClassVar[bool] = True
    dead_letters: ClassVar[bool] = True

    topic: str = option("name", "Topic of its events.", example="tickets.new")

    @property
    def topics(self) -> tuple[str, ...]:
        """Every topic it may write to."""
        return (self.topic,) if self.topic else ()


@dataclass(frozen=True, kw_only=True)
class SinkOptions(ConnectorOptions):
    """A connector that carries events out; it runs as a processor does.

    `gathers` True: its runs end together, never one alone, so that they cannot be run one at a time to find a suspect.
    """

    gathers: ClassVar[bool] = False

    topics: tuple[str, ...] = same(Processor, "topics", example="[tickets.answered]")
    types: tuple[str, ...] = same(Processor, "types")
    start_from: str | int = same(Processor, "start_from")
    concurrency: int = same(Processor, "concurrency")
    ordering: str = same(Processor, "ordering")
    timeout: float = same(Processor, "timeout")
    expires_after: float | None = same(Processor, "expires_after")
    retry: Retry = same(Processor, "retry")
    batch: Batch | None = same(Processor, "batch")


def processor_of(sink: SinkOptions) -> Processor:
    """The processor that a sink is run as: the same retries, dead letters, replay."""
    shared = {one.name for one in fields(Processor)} & {one.name for one in fields(SinkOptions)}
    values = {key: getattr(sink, key) for key in shared}
    return Processor(**values, handler=sink.attribute, place="connectors", sink=sink)
