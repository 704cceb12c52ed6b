"""One worker process, from its start to its exit code. The only place that chooses the broker for running."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

from penstock.broker.contract import Broker
from penstock.clock import SystemClock
from penstock.deploy.local_workers import announced
from penstock.engine.assembly import build
from penstock.engine.handler import load
from penstock.engine.worker import Worker
from penstock.errors import HandlerError, HandlerStuck, PenstockError, TopologyError
from penstock.service import logs
from penstock.service.ending import at_once, no_task_left, no_thread_left
from penstock.service.health import HealthServer, Pulse
from penstock.service.log_ends import LogEnds
from penstock.service.metrics import WorkerCollector
from penstock.service.snapshot import Snapshot, snapshot_of
from penstock.service.supervisor import PARENT
from penstock.service.watchdog import Watchdog
from penstock.topology.model import Processor, Topology

if TYPE_CHECKING:
    import httpx
    from prometheus_client import CollectorRegistry

log = logging.getLogger("penstock.worker")


def broker_for(topology: Topology) -> Broker:
    """The real Kafka of the topology's `kafka` section."""
    from penstock.broker.kafka.keeper import KafkaBroker

    return KafkaBroker(topology.kafka)


def run_worker(topology: Topology, processor: str, *, port: int | None = None, log_format: str = "text") -> int:
    """Run one worker in the foreground until SIGTERM or SIGINT; returns the exit code.

    0 after a drain, 1 for an error, 70 when a thread would not end. Raises TopologyError and HandlerError, which the
    same configuration would raise again. `port` serves health and metrics (0: a free one, None: none).
    """
    logs.configure(log_format)
    if processor not in topology.processors:
        known = ", ".join(sorted(topology.processors)) or "none"
        raise PenstockError(f"the topology has no processor {processor!r}", f"it has: {known}")
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_serve(topology, topology.processors[processor], port))
    except HandlerStuck as error:
        at_once(str(error))
    except (TopologyError, HandlerError):
        raise
    except PenstockError as error:
        log.critical("%s", error)
        return 1
    no_thread_left()
    return 0


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


async def _serve(topology: Topology, processor: Processor, port: int | None) -> None:
    handler = load(topology, processor)
    broker = broker_for(topology)
    clock = SystemClock()
    client_id = f"{processor.group_id}-{socket.gethostname()}-{os.getpid()}"
    async with _http() as http:
        try:
            worker = await build(
                topology,
                processor,
                handler,
                broker,
                clock,
                client_id=client_id,
                observe=logs.log_attempt if logs.attempts.isEnabledFor(logging.INFO) else None,
                http=http,
            )
            with (
                _watched(worker, broker, port) as served,
                announced(topology, processor.name, served),
                _signals(worker),
            ):
                log.info(
                    "%s starts: group %s, concurrency %d", processor.name, processor.group_id, processor.concurrency
                )
                await worker.run()
                log.info("%s has drained and left its group", processor.name)
        finally:
            await broker.close()
    await no_task_left()


@contextmanager
def _watched(worker: Worker, broker: Broker, port: int | None) -> Iterator[int | None]:
    """Serve health and metrics, and end the process when its loop or its poll thread stands still."""
    from prometheus_client import CollectorRegistry

    loop = asyncio.get_running_loop()
    pulse = Pulse(lambda: worker.parts.member.problem() if worker.joined else "")
    beat = loop.create_task(_beat(pulse, worker))
    dog = Watchdog(pulse)
    dog.start()
    server: HealthServer | None = None
    try:
        if port is not None:
            registry = CollectorRegistry()
            _collect(registry, worker, LogEnds(broker.admin(), SystemClock.monotonic), loop)
            server = HealthServer("0.0.0.0", port, pulse, registry)  # noqa: S104 - probes come from other hosts
        yield server.port if server else None
    finally:
        dog.stop()
        beat.cancel()
        if server is not None:
            server.close()


def _collect(registry: CollectorRegistry, worker: Worker, ends: LogEnds, loop: asyncio.AbstractEventLoop) -> None:
    async def take() -> Snapshot:
        return snapshot_of(worker, await ends.of(worker))

    def taken() -> Snapshot:
        return asyncio.run_coroutine_threadsafe(take(), loop).result(timeout=5)

    registry.register(WorkerCollector(taken, SystemClock().now))


async def _beat(pulse: Pulse, worker: Worker) -> None:
    supervisor = os.environ.get(PARENT)
    while True:
        pulse.beat()
        pulse.ready = worker.joined
        if supervisor and os.getppid() != int(supervisor):
            log.error("the supervisor is gone; draining")
            supervisor = None
            worker.stop()
        await asyncio.sleep(0.5)


@contextmanager
def _signals(worker: Worker) -> Iterator[None]:
    """SIGTERM and SIGINT drain; a second one stops at once."""
    loop = asyncio.get_running_loop()
    caught = (signal.SIGTERM, signal.SIGINT)
    for one in caught:
        loop.add_signal_handler(one, worker.stop)
    try:
        yield
    finally:
        for one in caught:
            loop.remove_signal_handler(one)


@asynccontextmanager
async def _http() -> AsyncIterator[Callable[[], httpx.AsyncClient]]:
    """One client for all runs, made when the first handler asks for it."""
    made: list[httpx.AsyncClient] = []

    def client() -> httpx.AsyncClient:
        if not made:
            import httpx

            # Few idle connections: httpx looks at all of them for each request (measured: 200 cost 30 ms of CPU each).
            limits = httpx.Limits(max_connections=None, max_keepalive_connections=20)
            made.append(httpx.AsyncClient(limits=limits, timeout=None))  # noqa: S113 - the run has its deadline
        return made[0]

    try:
        yield client
    finally:
        for one in made:
            await one.aclose()
