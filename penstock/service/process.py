"""What every process of ours has, whatever it runs: a loop, a pulse, a watchdog, health, signals, an HTTP client."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from penstock.errors import HandlerError, HandlerStuck, PenstockError, TopologyError
from penstock.service.ending import at_once, no_thread_left
from penstock.service.health import HealthServer, Pulse
from penstock.service.supervisor import supervisor_gone
from penstock.service.watchdog import Watchdog

if TYPE_CHECKING:
    import httpx
    from prometheus_client import CollectorRegistry

log = logging.getLogger("penstock.worker")


class Living(Protocol):
    """What runs in the process: a worker of a processor, or of a source."""

    joined: bool

    def stop(self) -> None:
        """Drain; called again, stop at once."""
        ...

    def problem(self) -> str:
        """Why it can no longer work; '' while all is well."""
        ...


def run_process(main: Coroutine[Any, Any, None]) -> int:
    """Run until it ends; returns the exit code: 0 after a drain, 1 for an error, 70 when a thread would not end.

    Raises TopologyError and HandlerError, which the same configuration would raise again.
    """
    try:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(main)
    except HandlerStuck as error:
        at_once(str(error))
    except (TopologyError, HandlerError):
        raise
    except PenstockError as error:
        log.critical("%s", error)
        return 1
    no_thread_left()
    return 0


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's, where it is installed; None: asyncio's own."""
    try:
        import uvloop
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


@contextmanager
def watched(living: Living, registry: Callable[[], CollectorRegistry], port: int | None) -> Iterator[int | None]:
    """Serve health and metrics, and end the process when its loop or its poll thread stands still."""
    loop = asyncio.get_running_loop()
    pulse = Pulse(living.problem)
    beat = loop.create_task(_beat(pulse, living))
    dog = Watchdog(pulse)
    dog.start()
    server: HealthServer | None = None
    try:
        if port is not None:
            server = HealthServer("0.0.0.0", port, pulse, registry())  # noqa: S104 - probes come from other hosts
        yield server.port if server else None
    finally:
        dog.stop()
        beat.cancel()
        if server is not None:
            server.close()


async def _beat(pulse: Pulse, living: Living) -> None:
    told = False
    while True:
        pulse.beat()
        pulse.ready = living.joined
        if not told and supervisor_gone():
            log.error("the supervisor is gone; draining")
            told = True
            living.stop()
        await asyncio.sleep(0.5)


@contextmanager
def stopped_by_signals(living: Living) -> Iterator[None]:
    """SIGTERM and SIGINT drain; a second one stops at once."""
    loop = asyncio.get_running_loop()
    caught = (signal.SIGTERM, signal.SIGINT)
    for one in caught:
        loop.add_signal_handler(one, living.stop)
    try:
        yield
    finally:
        for one in caught:
            loop.remove_signal_handler(one)


@asynccontextmanager
async def shared_http() -> AsyncIterator[Callable[[], httpx.AsyncClient]]:
    """One client for all of the process, made when first asked for."""
    made: list[httpx.AsyncClient] = []

    def client() -> httpx.AsyncClient:
        if not made:
            from penstock.agents.http_client import http_client

            made.append(http_client())
        return made[0]

    try:
        yield client
    finally:
        for one in made:
            await one.aclose()
