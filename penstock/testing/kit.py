"""The test kit: a whole topology on the in-memory log in virtual time, so that hours of retries take milliseconds.

    def test_a_card_ticket_is_triaged(topology_run):
        async def scenario(app):
            await app.send("tickets.new", {"text": "card lost"}, key="c1")
            await app.settled()
            assert [event.data["area"] for event in app.events("tickets.triaged")] == ["card"]

        topology_run("topology.yaml", scenario)

The engine is the real one; only the log and the clock are not. Handlers may be replaced by name.
"""

from __future__ import annotations

import asyncio
import dataclasses
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from penstock.broker.in_memory import InMemoryBroker
from penstock.broker.in_memory.faults import Faults
from penstock.contracts import ProcessorMemory
from penstock.control.follower import following
from penstock.deploy.apply import apply
from penstock.deploy.observe import make_plan
from penstock.durations import seconds
from penstock.engine.assembly import build
from penstock.engine.connector import load_options
from penstock.engine.counters import Counters
from penstock.engine.handler import adapt, load
from penstock.engine.levers import Levers
from penstock.engine.report import AttemptReport
from penstock.engine.worker import Worker
from penstock.event import Event
from penstock.memory.contract import Backend
from penstock.memory.in_memory import InMemoryBackend
from penstock.memory.opening import memory_of
from penstock.publisher import AsyncPublisher
from penstock.record import Position, Record, TopicPartition
from penstock.runs.writer import recording
from penstock.schema.codec import Codec
from penstock.schema.envelope import Opener
from penstock.testing.virtual_time import START, VirtualClock, run_virtual
from penstock.topology.derived import dead_letter_topic
from penstock.topology.model import Processor, Topology
from penstock.topology.reader import read

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")
_LONGEST_LOOK = 30.0


class NotSettled(AssertionError):
    """Work was left when the given time had passed; the message says which."""


def run_topology(
    topology: Topology | Path | str,
    scenario: Callable[[TestApp], Awaitable[T]],
    *,
    handlers: Mapping[str, Any] | None = None,
    only: tuple[str, ...] = (),
    workers: int = 1,
    http: Callable[[], httpx.AsyncClient] | None = None,
    seed: int = 0,
    start: float = START,
    faults: Faults | None = None,
    memories: Mapping[str, Backend] | None = None,
    environ: Mapping[str, str] | None = None,
    record_runs: bool = False,
    follow_control: bool = False,
) -> T:
    """Run `scenario` against the topology, every processor with `workers` workers, then drain.

    `handlers` replaces handlers by processor name; `only` runs these processors alone. `http` is what ctx.http gives
    (an httpx.AsyncClient over a MockTransport, say). `seed` decides assignments and the partition of null keys;
    `start` is the epoch second at which the virtual clock begins; `faults` breaks requests to the broker (see
    penstock.broker.in_memory.faults); `record_runs` writes `<name>.runs` and `follow_control` hears
    `<name>.control`, as real workers do. Memories are kept in this process, or by the `memories` given. Raises what
    the scenario or a worker raises.
    """
    declared = topology if isinstance(topology, Topology) else read(Path(topology), environ or os.environ, load_options)
    declared = dataclasses.replace(declared, schema_registry=None)  # in virtual time no outside server answers

    async def main(clock: VirtualClock) -> T:
        app = TestApp(declared, InMemoryBroker(clock, seed=seed, faults=faults), clock, handlers or {}, http)
        app.record_runs, app.follow_control = record_runs, follow_control
        app.memories |= memories or {}
        await app.create_topics()
        await asyncio.sleep(0.001)  # a run that started at 0 would look as if it had not started
        async with app.running(only or tuple(declared.processors), workers):
            return await scenario(app)

    return run_virtual(main, start=start)


class TestApp:
    """A running topology in a test."""

    __test__ = False  # for pytest: no test case, whatever its name

    def __init__(
        self,
        topology: Topology,
        broker: InMemoryBroker,
        clock: VirtualClock,
        handlers: Mapping[str, Any],
        http: Callable[[], httpx.AsyncClient] | None = None,
    ) -> None:
        self.topology = topology
        self.broker = broker
        self.clock = clock
        self.workers: list[Worker] = []
        self.attempts: list[AttemptReport] = []
        self.record_runs = self.follow_control = False
        self._beside = AsyncExitStack()
        self.memories: dict[str, Backend] = {name: InMemoryBackend() for name in topology.memory}
        self._handlers = handlers
        self._http = http
        self._tasks: dict[Worker, asyncio.Task[None]] = {}

    async def create_topics(self) -> None:
        """What `penstock apply` does."""
        plan = await make_plan(self.topology, self.broker.admin())
        await apply(plan, self.broker.admin(), lambda _step: None)

    async def send(self, topic: str, data: Any, **attributes: Any) -> Position:
        """Publish one event (see AsyncPublisher.send)."""
        async with AsyncPublisher(self.topology, broker=self.broker) as publisher:
            return await publisher.send(topic, data, **attributes)

    async def start(self, processor: str, handler: Any = None) -> Worker:
        """One more worker of a processor, with this handler where one is given."""
        declared = self.topology.processors[processor]
        given = self._handlers.get(processor) if handler is None else handler
        adapted = load(self.topology, declared) if given is None else adapt(given, declared)
        name, counters = f"{processor}-{len(self.workers)}", Counters()
        recorder = None
        if self.record_runs:
            record = recording(self.topology, processor, self.broker, counters, worker=name)
            recorder = await self._beside.enter_async_context(record)
        worker = await build(
            self.topology,
            declared,
            adapted,
            self.broker,
            self.clock,
            client_id=name,
            observe=self.attempts.append,
            http=self._http,
            counters=counters,
            recorder=recorder,
            memory=await self._memory(declared),
        )
        if self.follow_control:
            hearing = following(self.topology, processor, self.broker, Levers(worker.parts, worker.wake), self.clock)
            await self._beside.enter_async_context(hearing)
        self.workers.append(worker)
        self._tasks[worker] = asyncio.ensure_future(worker.run())
        return worker

    async def _memory(self, processor: Processor) -> ProcessorMemory | None:
        if processor.memory is None:
            return None
        options = self.topology.memory[processor.memory]
        backend = self.memories[processor.memory]
        await backend.open()
        return memory_of(options, processor, backend, self.clock, self.topology.directory)

    async def stop(self, worker: Worker) -> None:
        """Drain one worker. Raises what ended it."""
        worker.stop()
        await self._tasks[worker]

    def crash(self, worker: Worker) -> None:
        """As kill -9: all memory gone; only the log and the commits stay. The group notices by its session timeout."""
        self.broker.crash(worker.parts.member)
        self.broker.crash(worker.parts.producer)
        worker.abort()
        self._tasks[worker].cancel()
        self.workers.remove(worker)

    @asynccontextmanager
    async def running(self, processors: tuple[str, ...], workers: int) -> AsyncIterator[None]:
        """All of them, while inside; drained at the end."""
        for processor in processors:
            for _ in range(workers):
                await self.start(processor)
        try:
            yield
        finally:
            for worker in self.workers:
                worker.stop()
            ended = await asyncio.gather(*(self._tasks[worker] for worker in self.workers), return_exceptions=True)
            await self._beside.aclose()
        for outcome in ended:
            if isinstance(outcome, BaseException):
                raise outcome

    def records(self, topic: str) -> list[Record]:
        """Everything a topic holds, in order of arrival within each partition."""
        return list(self.broker.records(topic))

    def events(self, topic: str) -> list[Event[Any]]:
        """The same, opened."""
        opener = Opener(self.topology, "", Codec(self.topology))
        return [opener.open(record) for record in self.records(topic)]

    def dead_letters(self, processor: str) -> list[Record]:
        """What the processor's dead letter topic holds."""
        return self.records(dead_letter_topic(self.topology.processors[processor].group_id))

    async def settled(self, within: float | str = "48h") -> None:
        """Wait (in virtual time) until no record waits anywhere: sources, retry and replay topics all finished.

        Raises NotSettled when that takes longer than `within`.
        """
        end = self.clock.monotonic() + seconds(within)
        look = 0.01
        while left := await self._unfinished():
            for worker, task in self._tasks.items():
                if task.done() and worker in self.workers:
                    task.result()
            if self.clock.monotonic() >= end:
                listed = ", ".join(f"{partition}: {count}" for partition, count in left.items())
                raise NotSettled(f"after {within} records are still unfinished: {listed}")
            await asyncio.sleep(min(look, end - self.clock.monotonic()))
            look = min(look * 1.5, _LONGEST_LOOK)

    async def _unfinished(self) -> dict[TopicPartition, int]:
        """By what is committed, as any other program would see it."""
        admin = self.broker.admin()
        found: dict[TopicPartition, int] = {}
        for group in {worker.parts.processor.group_id for worker in self.workers}:
            committed = await admin.committed(group)
            names = self._read_by(group, set(await admin.topics()))
            topics = await admin.topics(names)
            partitions = [TopicPartition(one.name, n) for one in topics.values() for n in range(one.partitions)]
            for partition, ends in (await admin.ends(partitions)).items():
                done = committed[partition].offset if partition in committed else ends.low
                if ends.high > done:
                    found[partition] = ends.high - done
        return found

    def _read_by(self, group: str, existing: set[str]) -> set[str]:
        own = {name for name in existing if name.startswith((f"{group}.retry.", f"{group}.replay"))}
        sources = {topic for one in self.topology.processors.values() if one.group_id == group for topic in one.topics}
        return own | (sources & existing)
