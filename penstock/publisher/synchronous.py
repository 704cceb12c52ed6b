"""The publisher for plain code: the same, on an event loop of its own in a background thread."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine, Iterable, Mapping
from datetime import timedelta
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar, Unpack

from penstock.broker.contract import Broker
from penstock.clock import Clock
from penstock.errors import PenstockError
from penstock.publisher.asynchronous import AsyncPublisher
from penstock.publisher.batch import Batch, Target
from penstock.publisher.events import Attributes, EventAttributes, Selector
from penstock.publisher.fork import abandon
from penstock.record import Position
from penstock.topology.model import Topology

T = TypeVar("T")

_CHUNK: Final = 500  # events handed to the loop at once


class Publisher:
    """Publishes events from plain code, each acknowledged by the broker before the call returns.

        with Publisher("topology.yaml") as publisher:
            publisher.send("tickets.new", {"text": "..."}, key="c-42")

    See AsyncPublisher for the parameters. May be shared by threads, kept for the life of a process, and used on both
    sides of a fork. It blocks: inside a running event loop use AsyncPublisher.
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
        self._inner = AsyncPublisher(
            topology,
            bootstrap=bootstrap,
            kafka=kafka,
            source=source,
            max_outstanding=max_outstanding,
            timeout=timeout,
            broker=broker,
            clock=clock,
        )
        self._background: _Background | None = None
        self._lock = threading.Lock()
        self._closed = False

    def send(self, topic: str, data: Any, *, key: Any = None, **attributes: Unpack[EventAttributes]) -> Position:
        """Send one event; see AsyncPublisher.send."""
        return self._run(self._inner.send(topic, data, key=key, **attributes))

    def send_many(
        self,
        topic: str,
        events: Iterable[Any],
        *,
        key: Selector = None,
        id: Selector = None,
        **attributes: Unpack[Attributes],
    ) -> int:
        """Send many events; see AsyncPublisher.send_many. The iterable is walked in the caller's thread."""
        batch = self._inner.batch(Target(topic, key, id), attributes)
        remaining = iter(events)
        try:
            while chunk := list(islice(remaining, _CHUNK)):
                self._run(_add(batch, chunk))
        except Exception:  # the caller's own iterable may fail too: leave nothing behind
            self._run(batch.settle())
            raise
        return self._run(batch.finish())

    def close(self) -> None:
        """Flush for a few seconds, then end. Idempotent."""
        if self._closed:
            return
        self._run(self._inner.close())
        self._closed = True
        background, self._background = self._background, None
        if background is not None:
            background.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        if self._closed:
            work.close()
            raise PenstockError("the publisher is closed", "make a new one")
        background = self._background
        if background is None or background.pid != os.getpid():
            background = self._start()
        return background.run(work)

    def _start(self) -> _Background:
        if self._background is not None and self._background.pid != os.getpid():
            abandon(self._background)
            self._background, self._lock = None, threading.Lock()  # the parent may have held it when it forked
        with self._lock:
            if self._background is None:
                self._background = _Background()
            return self._background


class _Background:
    """An event loop in a daemon thread: nothing unacknowledged is ever left to it when a call has returned."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="penstock-publisher", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run to the end and give its result; given up where the caller is interrupted."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def stop(self) -> None:
        """End the loop and the thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _add(batch: Batch, chunk: list[Any]) -> None:
    for data in chunk:
        await batch.add(data)
