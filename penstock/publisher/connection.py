"""The way to the broker: made at the first send, and made anew in a forked child."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from penstock.broker.contract import Broker, Producer
from penstock.errors import PenstockError
from penstock.publisher.fork import abandon
from penstock.publisher.window import Window
from penstock.topology.model import Topology

FILE: Final = "topology.yaml"


def read_topology(topology: str | Path | Topology | None) -> Topology | None:
    """The topology of a file, or of the `topology.yaml` in a folder. Raises TopologyError."""
    if topology is None or isinstance(topology, Topology):
        return topology
    from penstock.topology.reader import read

    path = Path(topology)
    return read(path / FILE if path.is_dir() else path, os.environ)


def client_settings(
    topology: Topology | None, bootstrap: str | None, kafka: Mapping[str, str] | None, timeout: float
) -> dict[str, str]:
    """Client settings: the topology's, `kafka` over them, `bootstrap` over all.

    The client goes on trying a little longer than the caller waits, so that what has timed out says so here first.
    """
    settings = {**(topology.kafka if topology else {}), **(kafka or {})}
    if bootstrap:
        settings["bootstrap.servers"] = bootstrap
    if not settings.keys() & {"message.timeout.ms", "delivery.timeout.ms"}:
        settings["message.timeout.ms"] = str(int(timeout * 1000) + 5000)
    return settings


class Connection:
    """A broker and one producer. A `broker` that is handed in stays its owner's to close."""

    def __init__(self, settings: Mapping[str, str], broker: Broker | None, most: int) -> None:
        self._settings = settings
        self._client_id = settings.get("client.id", "penstock-publisher")
        self._lent = broker
        self._made: Broker | None = None
        self._producer: Producer | None = None
        self._most = most
        self._pid = os.getpid()
        self._forked = False
        self.window = Window(most)
        self.closed = False

    def producer(self) -> Producer:
        """The producer, made when first asked for. Raises PenstockError after `close`."""
        if self.closed:
            raise PenstockError("the publisher is closed", "make a new one")
        if self._pid != os.getpid():
            self._leave_parent()
        if self._producer is None:
            self._producer = self._broker().producer(self._client_id)
        return self._producer

    async def close(self) -> None:
        """Flush and end. Idempotent. In a forked child the parent's client is left alone."""
        self.closed = True
        if self._pid != os.getpid():
            self._leave_parent()
        producer, self._producer = self._producer, None
        made, self._made = self._made, None
        if producer is not None:
            await producer.close()
        if made is not None:
            await made.close()

    def _broker(self) -> Broker:
        if self._lent is not None:
            if self._forked:
                raise PenstockError("a broker that was handed in is of no use in a forked child", "publish there anew")
            return self._lent
        if self._made is None:
            from penstock.broker.kafka.keeper import KafkaBroker

            self._made = KafkaBroker(self._settings)
        return self._made

    def _leave_parent(self) -> None:
        """Start over in a forked child, where the parent's client has no threads."""
        abandon((self._producer, self._made))
        self._producer = self._made = None
        self._pid = os.getpid()
        self._forked = True
        self.window = Window(self._most)
