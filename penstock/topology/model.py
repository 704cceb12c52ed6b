"""The topology as values: every section, every key, its default and its sentence. Declared here and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.durations import Rate
from penstock.secret import Secret
from penstock.topology.memory_options import MemoryOptions
from penstock.topology.option import option
from penstock.topology.restart import Restart

if TYPE_CHECKING:
    from penstock.topology.connector_options import ConnectorOptions, SinkOptions


@dataclass(frozen=True, kw_only=True)
class Backoff:
    """How long to wait between attempts; each delay is rounded up to the ladder of retry topics."""

    initial: float = option("duration", "Delay after the first failure.", default=5.0, least=0.001)
    multiplier: float = option("number", "Factor from one delay to the next.", default=4.0, least=1, most=100)
    max: float = option("duration", "No delay is longer.", default=1800.0, least=0.001, most=86400)


@dataclass(frozen=True, kw_only=True)
class Retry:
    """What happens after a failed attempt."""

    max_attempts: int = option("count", "Attempts in all; the first try counts.", default=5, least=1, most=1000)
    backoff: Backoff = option("section", "Delays between attempts.", factory=Backoff, section=Backoff)
    max_age: float = option(
        "duration",
        "Since the first failure or deferral; then the dead letter topic, reason expired.",
        default=86400.0,
        least=1,
    )
    never: tuple[str, ...] = option(
        "texts",
        "Exception classes that go straight to the dead letter topic; imported at start, subclasses count.",
        default=(),
        example="[pydantic.ValidationError]",
    )
    preserve_order: bool = option(
        "flag", "Keep a failed record at the head of its lane, in memory (delays up to 5m).", default=False
    )


@dataclass(frozen=True, kw_only=True)
class Topic:
    """One topic of ours or of others, as this topology wants or expects it."""

    name: str = ""
    partitions: int | None = option(
        "count", "Partitions; absent: not created here, taken as it is.", default=None, least=1
    )
    replication_factor: int | None = option("count", "Replicas; absent: the broker's default.", default=None, least=1)
    configs: Mapping[str, str] = option("settings", "Topic settings, Kafka's own names.", factory=dict)
    type: str | None = option("text", "Type of a record that carries none, and of what is sent here.", default=None)
    schema: Path | None = option(
        "path",
        "Schema of `type`: Avro (`.avsc`) or JSON Schema (`.json`).",
        default=None,
        example="schemas/ticket.created.avsc",
    )
    types: Mapping[str, Path] = option(
        "paths", "Several event types of this topic, each with its schema.", factory=dict
    )
    unwrap: str | None = option(
        "choice",
        "What wraps the data of foreign records: Debezium's envelope, or Connect's JSON with its schema beside it.",
        default=None,
        choices=("debezium", "connect"),
    )
    compatibility: str = option(
        "choice",
        "What a changed schema must keep: new readers of old events (backward), old readers of new ones (forward).",
        default="backward",
        choices=("none", "backward", "forward", "full"),
    )

    @property
    def schemas(self) -> Mapping[str, Path]:
        """The schema of each event type that has one."""
        found = dict(self.types)
        if self.type and self.schema:
            found[self.type] = self.schema
        return found


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Many events in one call: the handler is given a list of events, and a list of their contexts.

    It fails as a whole; then it is halved until the bad record stands alone, and only that one is retried. A record
    that is put off leaves its lane, as one that is retried does.
    """

    max_records: int = option("count", "Events of one call, at most.", default=100, least=1, most=10_000)
    max_wait: float = option("duration", "How long the first of them waits for more.", default=1.0, least=0.001)


@dataclass(frozen=True, kw_only=True)
class Breaker:
    """When the failures of a provider stop the taking of records, and for how long."""

    enabled: bool = option("flag", "`false`: failures stop nothing.", default=True)
    failures: float = option(
        "share", "Of the last 50 calls in the window, 5 at least; ten in a row open it as well.", default=0.5
    )
    window: float = option("duration", "How far back calls count.", default=60.0, least=1)
    open_for: float = option("duration", "Until one run is let through as a probe.", default=30.0, least=1)


@dataclass(frozen=True, kw_only=True)
class Limit:
    """What a provider allows one group, shared by the group's workers as they share its partitions."""

    name: str = ""
    requests: Rate | None = option(
        "rate", "Model calls; a run counts as many as it reports, one at least.", default=None
    )
    tokens: Rate | None = option("rate", "Tokens in and out, as runs report them.", default=None)
    breaker: Breaker = option("section", "Failures.", factory=Breaker, section=Breaker)


@dataclass(frozen=True, kw_only=True)
class Processor:
    """One agent type: a handler and how it is run. Its workers form one consumer group."""

    name: str = ""
    group_id: str = ""  # derived: <topology>.<processor>
    place: str = "processors"  # derived: the section it is declared in; a sink's is `connectors`
    sink: SinkOptions | None = None  # derived: the connector that this processor carries events out for
    handler: str = option(
        "text",
        "module:attribute; the topology's folder is first on sys.path.",
        example="processors.triage:triage",
    )
    topics: tuple[str, ...] = option("texts", "Source topics.", example="[tickets.new]")
    types: tuple[str, ...] = option("texts", "Only these event types; others are skipped and counted.", default=())
    output: str | None = option("name", "Topic of a returned value.", default=None)
    emits: tuple[str, ...] = option("texts", "Further topics that emit() may name.", default=())
    start_from: str | int = option(
        "start",
        "earliest, latest or a time (RFC 3339); only where the group has no commit.",
        default="earliest",
    )
    concurrency: int = option(
        "count",
        "Runs at once in one worker, above the partition count too.",
        default=100,
        least=1,
        most=100_000,
    )
    ordering: str = option(
        "choice", "What runs one after the other.", default="key", choices=("key", "partition", "none")
    )
    timeout: float = option("duration", "Per attempt.", default=120.0, least=0.01)
    expires_after: float | None = option(
        "duration",
        "Age of the event; older ones go to the dead letter topic, reason expired.",
        default=None,
        least=0.001,
    )
    retry: Retry = option("section", "Failure.", factory=Retry, section=Retry)
    batch: Batch | None = option(
        "section", "Events by the list; `concurrency` counts events, not calls.", default=None, section=Batch
    )
    limits: tuple[str, ...] = option("texts", "Providers it calls, by their names under `limits`.", default=())
    breaker: bool = option(
        "flag", "Take nothing for a while once at least half of the last 100 first attempts failed.", default=True
    )
    threads: int = option("count", "Threads for plain `def` handlers.", default=32, least=1, most=1000)
    stop_grace_period: float = option(
        "duration", "How long a drain lets running attempts finish.", default=30.0, least=0
    )
    failover: float = option(
        "duration", "A dead worker's partitions move on within this time.", default=10.0, least=6, most=1800
    )
    python: Path | None = option(
        "path", "This group's own interpreter.", default=None, example=".venvs/omni/bin/python"
    )
    replicas: int = option("count", "Worker processes that `penstock up` starts.", default=1, least=0, most=1000)
    memory_limit: int | None = option(
        "size",
        "Real memory of one worker process; `penstock up` kills one that outgrows it, and starts it again.",
        default=None,
        least=64 << 20,
        example="512MiB",
    )
    restart: Restart = option("section", "After a crash, under `penstock up`.", factory=Restart, section=Restart)
    memory: str | None = option(
        "text", "The memory that ctx.memory speaks to; what it writes is committed with the run.", default=None
    )
    settings: Mapping[str, Any] = option("free", "Free; reach the handler as ctx.settings.", factory=dict)


@dataclass(frozen=True, kw_only=True)
class Defaults:
    """What a processor takes where it says nothing itself."""

    timeout: float = option("duration", "See processors.", default=120.0, least=0.01)
    stop_grace_period: float = option("duration", "See processors.", default=30.0, least=0)
    failover: float = option("duration", "See processors.", default=10.0, least=6, most=1800)
    concurrency: int = option("count", "See processors.", default=100, least=1, most=100_000)
    retry: Retry = option("section", "See processors.", factory=Retry, section=Retry)


@dataclass(frozen=True, kw_only=True)
class InternalTopics:
    """The derived topics: retry, dead letter, replay, progress, runs, control. Else they are as the first source is."""

    replication_factor: int | None = option("count", "Replicas of derived topics.", default=None, least=1)
    configs: Mapping[str, str] = option("settings", "Topic settings, Kafka's own names.", factory=dict)


@dataclass(frozen=True, kw_only=True)
class SchemaRegistry:
    """A schema registry (Confluent's API): values then name their schema by its number there."""

    url: str = option("text", "Its address; several, with commas between.", example="http://localhost:8081")
    subjects: str = option(
        "choice",
        "How subjects are named: <topic>-value, the record's name, or <topic>-<record's name>.",
        default="topic",
        choices=("topic", "record", "topic_record"),
    )
    username: str | None = option("text", "For basic authentication.", default=None)
    password: Secret | None = option("secret", "For basic authentication.", default=None)
    settings: Mapping[str, str] = option(
        "settings",
        "Further settings of the registry client, its own names.",
        factory=dict,
        example="{ ssl.ca.location: ca.pem }",
    )


@dataclass(frozen=True, kw_only=True)
class Runs:
    """The record of what ran: one entry per attempt in `<name>.runs`, best effort, never in the way of the work."""

    enabled: bool = option("flag", "false: no records, and no topic.", default=True)
    retention: float = option("duration", "How long the topic keeps them.", default=604800.0, least=60)
    sample: float = option(
        "number",
        "Share of the chains of events whose attempts are recorded; failed and costly attempts always are.",
        default=1.0,
        least=0,
        most=1,
    )
    rate: int = option(
        "count",
        "Attempts a second and worker that are recorded though they simply went well; more are left out, and counted.",
        default=500,
        least=0,
    )
    payloads: bool = option("flag", "Keep the data of the event with each attempt (up to 16 KiB).", default=False)
    mask: tuple[str, ...] = option(
        "texts", "Paths in the data whose values are not kept.", default=(), example="[card.number, customer.email]"
    )


@dataclass(frozen=True, kw_only=True)
class Topology:
    """The whole file.

    `directory` is the folder it stands in: paths and handlers are looked up there. Each sink among the connectors is
    a processor as well, under its own name.
    """

    version: int = option("count", "Format of this file: 1.", default=1, least=1, most=1)
    name: str = option("name", "Prefix of every consumer group.", example="support-desk")
    kafka: Mapping[str, str] = option(
        "settings",
        "Client settings, librdkafka's own names.",
        factory=dict,
        example="{ bootstrap.servers: localhost:9092 }",
    )
    defaults: Defaults = option("section", "Defaults of all processors.", factory=Defaults, section=Defaults)
    internal_topics: InternalTopics = option(
        "section", "The derived topics.", factory=InternalTopics, section=InternalTopics
    )
    schema_registry: SchemaRegistry | None = option(
        "section", "Where schemas are registered; absent: they are files only.", default=None, section=SchemaRegistry
    )
    runs: Runs = option("section", "The record of what ran.", factory=Runs, section=Runs)
    topics: Mapping[str, Topic] = option("sections", "Topics by name.", factory=dict, section=Topic)
    limits: Mapping[str, Limit] = option(
        "sections", "What providers allow, by a name of your choice.", factory=dict, section=Limit
    )
    processors: Mapping[str, Processor] = option("sections", "Processors by name.", factory=dict, section=Processor)
    memory: Mapping[str, MemoryOptions] = option("memories", "Memories by name.", factory=dict)
    connectors: Mapping[str, ConnectorOptions] = option("connectors", "Connectors by name.", factory=dict)
    path: Path = field(default=Path("topology.yaml"))
    directory: Path = field(default=Path())
