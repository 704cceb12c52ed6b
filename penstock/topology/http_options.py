"""What the HTTP connectors can be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from penstock.topology.connector_options import SourceOptions
from penstock.topology.option import option


@dataclass(frozen=True, kw_only=True)
class HttpSourceOptions(SourceOptions):
    """Takes events over HTTP; each is in Kafka before it is accepted."""

    connector: ClassVar[str] = "http_source"
    implementation: ClassVar[str] = "penstock.connectors.http_source:HttpSource"
    extra: ClassVar[str] = "http"
    exclusive: ClassVar[bool] = False
    dead_letters: ClassVar[bool] = False  # it answers with the reason instead

    path: str = option("text", "Where events are posted.", example="/tickets")
    key: str | None = option("text", "Key of an event: a field's path.", default=None, example="data.customer_id")
