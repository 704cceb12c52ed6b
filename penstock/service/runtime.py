"""One worker process of a processor, or of a source. The only place that chooses the broker for running."""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import logging
import os
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from penstock.broker.contract import Broker
from penstock.clock import SystemClock
from penstock.control.follower import following
from penstock.deploy import membership, status
from penstock.deploy.local_workers import announced
from penstock.engine.assembly import build
from penstock.engine.connector import load_options, make_source
from penstock.engine.counters import Counters
from penstock.engine.handler import load
from penstock.engine.levers import Levers
from penstock.engine.source_worker import SourceWorker
from penstock.engine.worker import Worker
from penstock.errors import PenstockError
from penstock.memory.opening import remembering
from penstock.runs.code_version import code_version
from penstock.runs.writer import recording
from penstock.service import logs
from penstock.service.ending import no_task_left
from penstock.service.log_ends import LogEnds
from penstock.service.metrics import SourceCollector, WorkerCollector
from penstock.service.neighbours import name_strangers
from penstock.service.process import run_process, shared_http, stopped_by_signals, watched
from penstock.service.snapshot import Snapshot, SourceSnapshot, snapshot_of, source_snapshot_of
from penstock.telemetry.setup import tracing
from penstock.topology.connector_options import SourceOptions
from penstock.topology.model import Processor, Topology
from penstock.topology.reader import read

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

log = logging.getLogger("penstock.worker")
_LOOK_FOR_GARBAGE = 10_000  # objects made and kept between two looks


def broker_for(topology: Topology) -> Broker:
    """The real Kafka of the topology's `kafka` section."""
    from penstock.broker.kafka.keeper import KafkaBroker

    return KafkaBroker(topology.kafka)


def run_worker(topology: Topology, name: str, *, port: int | None = None, log_format: str = "text") -> int:
    """Run one worker of a processor or connector in the foreground until SIGTERM or SIGINT; returns the exit code.

    0 after a drain, 1 for an error, 70 when a thread would not end. Raises TopologyError and HandlerError, which the
    same configuration would raise again. `port` serves health and metrics (0: a free one, None: none).
    """
    logs.configure(log_format)
    if ":" in getattr(topology.connectors.get(name), "type", ""):
        whole = read(topology.path, os.environ, load_options)  # with the keys of the app's own connectors
        topology = dataclasses.replace(whole, kafka=topology.kafka)
    connector = topology.connectors.get(name)
    if isinstance(connector, SourceOptions):
        return run_process(_serve_source(topology, connector, port))
    if name not in topology.processors:
        known = ", ".join(sorted({*topology.processors, *topology.connectors})) or "none"
        raise PenstockError(f"the topology has no processor or connector {name!r}", f"it has: {known}")
    return run_process(_serve(topology, topology.processors[name], port))


async def _serve(topology: Topology, processor: Processor, port: int | None) -> None:
    handler = load(topology, processor)
    broker = broker_for(topology)
    clock, client_id, counters = SystemClock(), membership.client_id(processor), Counters()
    code = code_version(topology.directory, os.environ)
    async with (
        shared_http() as http,
        remembering(topology, processor, clock) as memory,
        tracing(topology, processor, os.environ) as wrap,
    ):
        try:
            async with recording(topology, processor.name, broker, counters, worker=client_id, code=code) as recorder:
                worker = await build(
                    topology,
                    processor,
                    handler,
                    broker,
                    clock,
                    client_id=client_id,
                    observe=logs.log_attempt if logs.attempts.isEnabledFor(logging.INFO) else None,
                    http=http,
                    counters=counters,
                    recorder=recorder,
                    memory=memory,
                    wrap=wrap,
                )
                levers = Levers(worker.parts, worker.wake)
                collect_seldom()
                await name_strangers(processor, broker.admin())
                async with following(topology, processor.name, broker, levers, SystemClock()):
                    await _run(topology, processor, worker, broker, port)
        finally:
            await broker.close()
    await no_task_left()


def collect_seldom() -> None:
    """What stands now stays, and records in flight are no garbage: Python need not look through them so often.

    By itself it looks each time 700 objects were made and kept; a thousand records in flight are several thousand.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_LOOK_FOR_GARBAGE)


async def _run(topology: Topology, processor: Processor, worker: Worker, broker: Broker, port: int | None) -> None:
    with (
        watched(worker, _metrics_of(worker, broker), port) as served,
        announced(topology, processor.name, served),
        stopped_by_signals(worker),
    ):
        log.info("%s starts: group %s, concurrency %d", processor.name, processor.group_id, processor.concurrency)
        await worker.run()
        log.info("%s has drained and left its group", processor.name)


async def _serve_source(topology: Topology, options: SourceOptions, port: int | None) -> None:
    source = make_source(options, topology.directory)
    broker = broker_for(topology)
    async with shared_http() as http:
        try:
            worker = SourceWorker(
                topology,
                options,
                source,
                broker,
                SystemClock(),
                client_id=membership.process_name(options.group_id),
                http=http,
                backlog=partial(status.backlog, topology, broker),
            )
            with (
                watched(worker, _source_metrics_of(worker), port) as served,
                announced(topology, options.name, served),
                stopped_by_signals(worker),
            ):
                log.info("%s starts: %s into %s", options.name, options.type, options.topic)
                await worker.run()
                log.info("%s has drained", options.name)
        finally:
            await broker.close()
    await no_task_left()


def _metrics_of(worker: Worker, broker: Broker) -> Callable[[], CollectorRegistry]:
    loop = asyncio.get_running_loop()
    ends = LogEnds(broker.admin(), SystemClock.monotonic)

    async def take() -> Snapshot:
        return snapshot_of(worker, await ends.of(worker))

    def taken() -> Snapshot:
        return asyncio.run_coroutine_threadsafe(take(), loop).result(timeout=5)

    return lambda: _registry(WorkerCollector(taken, SystemClock().now))


def _source_metrics_of(worker: SourceWorker) -> Callable[[], CollectorRegistry]:
    loop = asyncio.get_running_loop()

    async def take() -> SourceSnapshot:
        return source_snapshot_of(worker)

    def taken() -> SourceSnapshot:
        return asyncio.run_coroutine_threadsafe(take(), loop).result(timeout=5)

    return lambda: _registry(SourceCollector(taken))


def _registry(collector: WorkerCollector | SourceCollector) -> CollectorRegistry:
    from prometheus_client import CollectorRegistry

    registry = CollectorRegistry()
    registry.register(collector)
    return registry
