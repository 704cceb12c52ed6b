"""The gateway as a connector: made from its options, run by the connector runner. Needs the extra `http`."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from penstock.broker.contract import Broker
from penstock.clock import Clock, SystemClock
from penstock.contracts import Outlet
from penstock.topology.http_options import HttpSourceOptions
from penstock.topology.model import Topology


class GatewayCounters(Protocol):
    """What is counted."""

    delivered: int
    answers: Counter[int]


class GatewayOutlet(Outlet, Protocol):
    """What the gateway needs beside an outlet: it sends records of its own making, and reads the way back."""

    @property
    def topology(self) -> Topology:
        """The whole topology."""
        ...

    @property
    def broker(self) -> Broker:
        """The log."""
        ...

    @property
    def backlog(self) -> Callable[[], Awaitable[int]] | None:
        """Says how many records of the topology are unfinished."""
        ...

    @property
    def counters(self) -> GatewayCounters:
        """Where it counts."""
        ...


class HttpSource:
    """contracts.Source. Every replica serves: any instance can take any event, and tell of any."""

    Options = HttpSourceOptions

    def __init__(self, options: HttpSourceOptions, clock: Clock | None = None) -> None:
        """Raises ModuleNotFoundError where the extra is not installed."""
        import starlette  # noqa: F401 - missing ones are to be missed at the start
        import uvicorn  # noqa: F401

        self._options = options
        self._clock = clock or SystemClock()

    async def run(self, outlet: GatewayOutlet) -> None:
        """Serve until told to stop. Raises PenstockError for unusable secrets, OSError for an address that is taken."""
        from penstock.connectors.http_source.assembly import assemble
        from penstock.connectors.http_source.server import Server, listen

        counters = outlet.counters

        def counted(status: int, events: int) -> None:
            counters.delivered += events
            counters.answers[status] += 1

        parts = assemble(self._options, outlet.topology, outlet.broker, self._clock, counted)
        parts.access.check_secrets()
        await asyncio.to_thread(parts.codec.prepare, [self._options.topic])
        with listen(self._options.host, self._options.port) as listening:
            server = Server(parts.app, listening, self._options.stop_grace_period)
            outlet.log.info("takes events at http://%s:%d%s", *listening.getsockname()[:2], self._options.path)
            try:
                async with asyncio.TaskGroup() as group:
                    background = [group.create_task(work) for work in parts.background(outlet.backlog)]
                    await server.run(_either(outlet.stopping, parts.failed), parts.drain)
                    for task in background:
                        task.cancel()
            finally:
                await parts.close()
        if parts.fatal is not None:
            raise parts.fatal


async def _either(first: asyncio.Event, second: asyncio.Event) -> None:
    waiting: list[asyncio.Task[Any]] = [asyncio.ensure_future(one.wait()) for one in (first, second)]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in waiting:
            one.cancel()
