"""What the Redis connector can be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from penstock.secret import Secret
from penstock.topology.connector_options import SourceOptions
from penstock.topology.option import option


@dataclass(frozen=True, kw_only=True)
class RedisStreamOptions(SourceOptions):
    """Drains a Redis stream with a consumer group; a message is acknowledged there once Kafka has it."""

    connector: ClassVar[str] = "redis_stream"
    implementation: ClassVar[str] = "penstock.connectors.redis_stream:RedisStream"
    extra: ClassVar[str] = "redis"
    exclusive: ClassVar[bool] = False

    url: Secret = option("secret", "Where Redis is.", example="${REDIS_URL}")
    stream: str = option("text", "Name of the stream.", example="omni-stream:tickets")
    group: str | None = option("text", "Its consumer group; else that of the connector.", default=None)
    envelope: str = option(
        "choice",
        "What a message holds: `plain` its fields; `json` one field `data` of JSON; `omnidaemon` that system's own.",
        default="plain",
        choices=("plain", "json", "omnidaemon"),
    )
    key: str | None = option("text", "Key of an event: a field's path.", default=None, example="customer_id")
    claim_after: float = option(
        "duration", "A message that a dead process took is taken over after this.", default=60.0, least=0.05
    )
    batch_size: int = option("count", "Messages that are read at once.", default=200, least=1, most=10_000)
