"""The publisher for asyncio code."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self, Unpack

from penstock.broker.contract import Broker
from penstock.clock import Clock, SystemClock
from penstock.durations import seconds
from penstock.errors import PenstockError
from penstock.publisher.batch import Batch, Target
from penstock.publisher.connection import Connection, client_settings, read_topology
from penstock.publisher.events import Attributes, EventAttributes, Events, Selector, named, unanswered
from penstock.publisher.window import Window
from penstock.record import Position
from penstock.topology.model import Topology


class AsyncPublisher:
    """Publishes events, each acknowledged by the broker before the call returns.

        async with AsyncPublisher("topology.yaml") as publisher:
            await publisher.send("tickets.new", {"text": "..."}, key="c-42")

    From a topology (a file, its folder, or a Topology) topics are checked, types and schemas known; or from a bare
    `bootstrap` address. `kafka` holds further librdkafka settings. Nothing is connected before the first send. At most
    `max_outstanding` events (and 64 MiB) are under way at once: further calls wait. `timeout`: seconds or "30s".
    `broker` is for tests. Survives a fork: the child gets a client of its own.
    """

    def __init__(
        self,
        topology: str | Path | Topology | None = None,
        *,
        bootstrap: str | None = None,
        kafka: Mapping[str, str] | None = None,
        source: str = "penstock",
        max_outstanding: int = 10_000,
        timeout: float | str | timedelta = 30.0,
        broker: Broker | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Raises TopologyError for an unusable topology, PenstockError where there is no address at all."""
        known = read_topology(topology)
        self._timeout = seconds(timeout)
        settings = client_settings(known, bootstrap, kafka, self._timeout)
        if broker is None and "bootstrap.servers" not in settings:
            raise PenstockError("there is no broker to publish to", "give a topology, or bootstrap='host:9092'")
        self._events = Events(known, source, clock or SystemClock())
        self._connection = Connection(settings, broker, max_outstanding)

    async def send(self, topic: str, data: Any, *, key: Any = None, **attributes: Unpack[EventAttributes]) -> Position:
        """Send one event; returns where the broker has put it. `data` None is a tombstone.

        Raises Unencodable where data or key do not fit, TopicMissing, SendRefused, and BrokerUnavailable where no
        acknowledgement came within `timeout`: the event may still arrive then, so give an `id` and send it again.
        """
        self._events.check(topic)
        try:
            record = self._events.seal(topic, data, key, attributes)
            producer, window, size = self._connection.producer(), self._connection.window, record.size
            async with asyncio.timeout(self._timeout):
                await window.enter(size)
                future = producer.send(record)
                future.add_done_callback(lambda done: _leave(done, window, size))
                return await asyncio.shield(future)
        except TimeoutError:
            raise named(unanswered(self._timeout), topic, key) from None
        except PenstockError as error:
            raise named(error, topic, key) from error

    async def send_many(
        self,
        topic: str,
        events: Iterable[Any] | AsyncIterable[Any],
        *,
        key: Selector = None,
        id: Selector = None,
        **attributes: Unpack[Attributes],
    ) -> int:
        """Send the data of many events, in order, many under way at once; returns how many, all acknowledged.

        `key` and `id` are functions of the data, or the name of a field (`customer.id`). Stops at the first failure,
        waits for what is under way, and raises it, naming the event's index and how many were acknowledged.
        """
        batch = self.batch(Target(topic, key, id), attributes)
        try:
            if isinstance(events, AsyncIterable):
                async for data in events:
                    await batch.add(data)
            else:
                for data in events:
                    await batch.add(data)
        except Exception:  # the caller's own iterable may fail too: leave nothing behind
            await batch.settle()
            raise
        return await batch.finish()

    def batch(self, target: Target, attributes: Attributes) -> Batch:
        """A send_many that is fed piece by piece."""
        return Batch(self._events, self._connection, target, attributes, self._timeout)

    async def close(self) -> None:
        """Flush for a few seconds, then end. Idempotent."""
        await self._connection.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()


def _leave(done: asyncio.Future[Position], window: Window, size: int) -> None:
    window.leave(size)
    if not done.cancelled():
        done.exception()  # looked at, since the caller may have stopped waiting
