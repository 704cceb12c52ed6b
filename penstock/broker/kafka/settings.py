"""The user's librdkafka settings, joined with ours for each kind of client, and translated for aiokafka.

The user writes librdkafka names once. Settings that carry a promise (what is committed, where reading begins, how
records are acknowledged and placed) are ours and win; the others are only defaults.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Any, Final

from penstock.broker.contract import GroupSettings
from penstock.errors import BrokerError
from penstock.topology.kafka_secrets import revealed

LOGGER: Final = "penstock.kafka"
OWN_SEAT: Final = "/own"  # what the client id of a worker's second seat in its group ends with: see member.py

# A name of the other client kind is legal for librdkafka, but it warns at each start; so they are left out.
_CONSUMER_ONLY: Final = frozenset(
    """group.id group.instance.id group.protocol group.protocol.type group.remote.assignor
    partition.assignment.strategy session.timeout.ms heartbeat.interval.ms coordinator.query.interval.ms
    max.poll.interval.ms enable.auto.commit auto.commit.interval.ms enable.auto.offset.store auto.offset.reset
    queued.min.messages queued.max.messages.kbytes fetch.wait.max.ms fetch.queue.backoff.ms fetch.message.max.bytes
    max.partition.fetch.bytes fetch.max.bytes fetch.min.bytes fetch.error.backoff.ms isolation.level
    enable.partition.eof check.crcs allow.auto.create.topics client.rack consume.callback.max.messages""".split()  # noqa: SIM905  # a list would be one name a line
)
_PRODUCER_ONLY: Final = frozenset(
    """transactional.id transaction.timeout.ms enable.idempotence enable.gapless.guarantee
    queue.buffering.max.messages queue.buffering.max.kbytes queue.buffering.max.ms linger.ms
    message.send.max.retries retries queue.buffering.backpressure.threshold compression.codec compression.type
    compression.level batch.num.messages batch.size delivery.report.only.error sticky.partitioning.linger.ms acks
    request.required.acks request.timeout.ms message.timeout.ms delivery.timeout.ms queuing.strategy
    produce.offset.report partitioner msg_order_cmp""".split()  # noqa: SIM905  # a list would be one name a line
)
# Kept from passing through whatever the user says: with them a promise would not hold.
_PRODUCER_REFUSED: Final = frozenset(
    {"transactional.id", "request.required.acks", "delivery.report.only.error", "produce.offset.report"}
)
_CLASSIC_ONLY: Final = frozenset(
    {"session.timeout.ms", "heartbeat.interval.ms", "partition.assignment.strategy", "group.protocol.type"}
)
_ALIASES: Final = {
    "linger.ms": "queue.buffering.max.ms",
    "message.timeout.ms": "delivery.timeout.ms",
    "fetch.message.max.bytes": "max.partition.fetch.bytes",
    "bootstrap.servers": "metadata.broker.list",
    "sasl.mechanism": "sasl.mechanisms",
}
_CONSUMER_DEFAULTS: Final = {
    "fetch.queue.backoff.ms": "20",  # the default of 1 s halves the speed of a busy consumer
    # Prefetch is memory, is thrown away by every pause, and is a queue in which due retries wait behind a backlog.
    "queued.max.messages.kbytes": "4096",
    "fetch.message.max.bytes": "131072",
}
_PRODUCER_DEFAULTS: Final = {
    "linger.ms": "5",
    "message.timeout.ms": "30000",
    "message.max.bytes": "100000000",  # the topic decides what is too large; brokers hang up at 104857600 by default
    "topic.metadata.propagation.max.ms": "5000",  # how long a topic that does not exist keeps a record waiting
}


def client_settings(settings: Mapping[str, str], client_id: str = "") -> dict[str, Any]:
    """What any client needs: the user's settings without those of one kind only. Fit for an AdminClient."""
    found: dict[str, Any] = {
        name: value for name, value in settings.items() if name not in _CONSUMER_ONLY and name not in _PRODUCER_ONLY
    }
    if client_id:
        found["client.id"] = client_id
    return found


def consumer_settings(settings: Mapping[str, str], group: GroupSettings, protocol: str) -> dict[str, Any]:
    """The settings of one group member. `protocol` is `consumer` (KIP-848) or `classic`."""
    merged = revealed({**settings, **group.settings})
    found: dict[str, Any] = {name: value for name, value in merged.items() if name not in _PRODUCER_ONLY}
    _default(found, _CONSUMER_DEFAULTS)
    if protocol == "consumer":
        for name in _CLASSIC_ONLY:
            found.pop(name, None)  # the broker's to say there: the client refuses to start with them
        # The broker's own default spreads the sum of all topics evenly, and may give one member most of the source.
        found.setdefault("group.remote.assignor", "range")
    else:
        session = int(group.failover * 1000)
        found.setdefault(
            "topic.metadata.refresh.interval.ms", "30000"
        )  # here it is the client that sees new partitions
        found["partition.assignment.strategy"] = "cooperative-sticky"
        found["session.timeout.ms"] = session
        found["heartbeat.interval.ms"] = min(1000, session // 3)
    found.update(
        {
            "group.id": group.group_id,
            "client.id": group.client_id,
            "group.protocol": protocol,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "error",  # where reading begins is resolved by us; a jump must be seen
            "enable.partition.eof": False,
            "max.poll.interval.ms": int(group.max_poll_interval * 1000),
        }
    )
    return found


def producer_settings(settings: Mapping[str, str], client_id: str) -> dict[str, Any]:
    """The settings of a producer: every record acknowledged by all replicas in sync, once, placed as Java does."""
    found: dict[str, Any] = {
        name: value for name, value in settings.items() if name not in _CONSUMER_ONLY and name not in _PRODUCER_REFUSED
    }
    _default(found, _PRODUCER_DEFAULTS)
    found.update({"client.id": client_id, "acks": "all", "enable.idempotence": True, "partitioner": "murmur2_random"})
    return found


def aiokafka_settings(settings: Mapping[str, str], client_id: str = "") -> dict[str, Any]:
    """Keyword arguments for an aiokafka client that reaches the same cluster in the same way.

    Only how to connect is translated (servers, security, identity). Raises BrokerError for a way to log in that
    aiokafka has no counterpart of.
    """
    found: dict[str, Any] = {"bootstrap_servers": _setting(settings, "bootstrap.servers", "localhost:9092")}
    if name := client_id or settings.get("client.id", ""):
        found["client_id"] = name
    security = settings.get("security.protocol", "plaintext").upper()
    if security != "PLAINTEXT":
        found["security_protocol"] = security
    if security.endswith("SSL"):
        found["ssl_context"] = _ssl_context(settings)
    if security.startswith("SASL"):
        found.update(_sasl(settings))
    return found


def _sasl(settings: Mapping[str, str]) -> dict[str, Any]:
    mechanism = _setting(settings, "sasl.mechanism", "GSSAPI").upper()
    if mechanism == "OAUTHBEARER":
        from penstock.broker.kafka.oauth import token_provider

        return {"sasl_mechanism": mechanism, "sasl_oauth_token_provider": token_provider(settings)}
    found = {"sasl_mechanism": mechanism}
    if mechanism == "GSSAPI":
        found["sasl_kerberos_service_name"] = settings.get("sasl.kerberos.service.name", "kafka")
        return found
    found["sasl_plain_username"] = settings.get("sasl.username", "")
    found["sasl_plain_password"] = settings.get("sasl.password", "")
    return found


def _ssl_context(settings: Mapping[str, str]) -> ssl.SSLContext:
    try:
        authority = settings.get("ssl.ca.location") or None
        context = ssl.create_default_context(
            cafile=None if authority == "probe" else authority, cadata=settings.get("ssl.ca.pem") or None
        )
        if certificate := settings.get("ssl.certificate.location"):
            context.load_cert_chain(
                certificate, settings.get("ssl.key.location") or None, settings.get("ssl.key.password") or None
            )
    except OSError as error:  # ssl.SSLError is one too
        raise BrokerError(
            f"a certificate cannot be used: {error}",
            "look at ssl.ca.location, ssl.certificate.location and ssl.key.location",
        ) from error
    if settings.get("ssl.endpoint.identification.algorithm", "https").lower() == "none":
        context.check_hostname = False
    if str(settings.get("enable.ssl.certificate.verification", "true")).lower() == "false":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _default(found: dict[str, Any], defaults: Mapping[str, str]) -> None:
    for name, value in defaults.items():
        if name not in found and _ALIASES.get(name) not in found:
            found[name] = value


def _setting(settings: Mapping[str, str], name: str, default: str) -> str:
    return settings.get(name) or settings.get(_ALIASES[name]) or default
