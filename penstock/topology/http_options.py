"""What the HTTP connectors can be told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from penstock.secret import Secret
from penstock.topology.connector_options import SinkOptions, SourceOptions
from penstock.topology.option import option


@dataclass(frozen=True, kw_only=True)
class HttpSourceOptions(SourceOptions):
    """Takes events over HTTP; each is in Kafka before it is accepted. Every replica serves."""

    connector: ClassVar[str] = "http_source"
    implementation: ClassVar[str] = "penstock.connectors.http_source:HttpSource"
    extra: ClassVar[str] = "http"
    exclusive: ClassVar[bool] = False
    dead_letters: ClassVar[bool] = False  # it answers with the reason instead

    path: str = option("text", "Where events are posted.", example="/tickets")
    host: str = option("text", "Address to listen on; 0.0.0.0 for all.", default="127.0.0.1")
    port: int = option("count", "Port; replicas on one host share it.", default=8080, least=0, most=65535)
    key: str | None = option(
        "text", "Key of an event: where in its data or headers it stands.", default=None, example="data.customer_id"
    )
    id: str | None = option(
        "text", "Id of an event that names none, likewise.", default=None, example="headers.x-github-delivery"
    )
    event_type: str | None = option(
        "text", "Type of an event that names none, likewise.", default=None, example="headers.x-github-event"
    )
    subject: str | None = option("text", "Subject of an event that names none, likewise.", default=None)
    tokens: Mapping[str, Secret] = option(
        "secrets", "Bearer tokens by the caller's name.", factory=dict, example='{ app: "${APP_TOKEN}" }'
    )
    signing_secrets: Mapping[str, Secret] = option(
        "secrets",
        "Secrets of signed requests; several while one is exchanged for another.",
        factory=dict,
        example='{ shop: "${SHOP_SECRET}" }',
    )
    signature_header: str | None = option(
        "text",
        "Header with the hexadecimal HMAC-SHA256 of the body; absent: the Standard Webhooks scheme.",
        default=None,
        example="X-Hub-Signature-256",
    )
    anonymous: bool = option("flag", "Serve everybody who can reach it, without token or signature.", default=False)
    max_request_size: int = option("size", "Bytes of one request.", default=4 << 20, least=1)
    max_events: int = option("count", "Events of one request.", default=1000, least=1, most=100_000)
    max_outstanding: int = option("count", "Events that wait for Kafka at once; beyond: 429.", default=10_000, least=1)
    max_backlog: int | None = option(
        "count", "Unfinished events of this topology, retries included; beyond: 429.", default=None, least=1
    )
    acknowledge_within: float = option(
        "duration", "How long a request waits for Kafka; then 503.", default=10.0, least=0.1, most=300
    )
    reply: tuple[str, ...] = option(
        "texts", "Topics with the results; they open the way back.", default=(), example="[tickets.answered]"
    )
    max_wait: float = option("duration", "The longest `Prefer: wait`.", default=60.0, least=1, most=3600)
    max_waiting: int = option("count", "Requests that wait or stream at once; beyond: 503.", default=1000, least=1)
    look_back: float = option(
        "duration", "How far back a result is looked up in its topics.", default=86400.0, least=60
    )


@dataclass(frozen=True, kw_only=True)
class HttpSinkOptions(SinkOptions):
    """Delivers each event with one HTTP request. Answers are obeyed: see docs/gateway.md."""

    connector: ClassVar[str] = "http_sink"
    implementation: ClassVar[str] = "penstock.connectors.http_sink:HttpSink"

    url: str = option(
        "text",
        "Where to; a text with `{data.field}` in it, or a path into the event alone.",
        example="https://crm.example/tickets/{data.ticket_id}",
    )
    method: str = option("choice", "How.", default="POST", choices=("POST", "PUT", "PATCH", "DELETE"))
    body: str | None = option(
        "text",
        "A path into the event, sent as JSON; or JSON text with `{data.field}` in it; absent: the data.",
        default=None,
        example="data.ticket",
    )
    headers: Mapping[str, str] = option(
        "settings", "Further headers; texts with `{data.field}` in them.", factory=dict, example="{ X-Desk: support }"
    )
    secret_headers: Mapping[str, Secret] = option(
        "secrets", "Headers that nobody may read.", factory=dict, example='{ Authorization: "Bearer ${CRM_TOKEN}" }'
    )
    signing_secret: Secret | None = option(
        "secret", "Signs each request by Standard Webhooks.", default=None, example="${HOOK_SECRET}"
    )
    private_hosts: tuple[str, ...] = option(
        "texts", "Hosts that may have a private address; all others must not.", default=(), example="[crm.internal]"
    )
    follow_redirects: bool = option("flag", "Follow 307 and 308 to the same host.", default=False)
