"""The local Kafka for development: used where the topology's own broker is on this machine and does not answer."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from penstock.topology.model import Topology

_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_PORT: Final = 9092
VARIABLE: Final = "KAFKA_BOOTSTRAP_SERVERS"


@contextmanager
def ensured(topology: Topology, say: Callable[[str], None]) -> Iterator[dict[str, str]]:
    """What to add to the environment so that the topology finds a broker. Raises LocalKafkaError.

    A broker that answers is used as it is. Else one is started in `.penstock/kafka` beside the topology and, if it was
    started here, stopped at the end; its topics stay for the next time.
    """
    servers = topology.kafka.get("bootstrap.servers", "localhost:9092")
    if _answers(servers) or not _is_local(servers):
        yield {}
        return
    from penstock import local_kafka

    data = topology.directory / ".penstock" / "kafka"
    found = local_kafka.status(data)
    started = found is None
    kafka = found or local_kafka.start(data, usual_port(data), say=say)
    say(f"Kafka at {kafka.bootstrap}, data in {data}")
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = kafka.bootstrap  # for the workers, which are processes of their own
    try:
        yield {VARIABLE: kafka.bootstrap}
    finally:
        if before is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = before
        if started:
            say("stopping Kafka")
            local_kafka.stop(data)


def running(topology: Topology) -> str | None:
    """Where the app's own Kafka serves, if it runs and the topology's broker is on this machine and does not answer."""
    from penstock import local_kafka

    servers = topology.kafka.get("bootstrap.servers", "localhost:9092")
    if not _is_local(servers) or _answers(servers):
        return None
    found = local_kafka.status(topology.directory / ".penstock" / "kafka")
    return found.bootstrap if found else None


def passed_over(topology: Topology) -> str | None:
    """Where the app's own Kafka serves while the topology's broker, on this machine too, is another that answers."""
    from penstock import local_kafka

    servers = topology.kafka.get("bootstrap.servers", "localhost:9092")
    found = local_kafka.status(topology.directory / ".penstock" / "kafka") if _is_local(servers) else None
    same = found is not None and _split(found.bootstrap)[1] in {_split(server)[1] for server in servers.split(",")}
    return found.bootstrap if found and not same else None


def usual_port(data: Path) -> int | None:
    """Kafka's own port for a new broker, where it is free; a broker that was here before keeps the port it had."""
    from penstock.local_kafka.launch import is_free

    return _PORT if not data.exists() and is_free(_PORT) else None


def _is_local(servers: str) -> bool:
    return all(_split(server)[0] in _LOOPBACK for server in servers.split(","))


def _answers(servers: str) -> bool:
    for server in servers.split(","):
        try:
            with socket.create_connection(_split(server), timeout=1):
                return True
        except OSError:
            continue
    return False


def _split(server: str) -> tuple[str, int]:
    host, _, port = server.strip().rpartition(":")
    return (host.strip("[]") or server.strip(), int(port)) if port.isdigit() and host else (server.strip(), 9092)
