"""Holds a connector to its contract: started, killed at any of its awaits, resumed, drained; nothing may be lost.

    case = SourceCase(topology, "inbox", feed=feed, count=50, which=lambda event: event.data["n"])
    verdict = trial(case, seeds=20)
    assert verdict.lost == 0

The engine is the real one, on the in-memory log. A killed process is dropped where it stands; `cut` is what the outside
system notices of it (a connection that breaks).
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

from penstock.broker.in_memory import InMemoryBroker
from penstock.clock import Clock, SystemClock
from penstock.deploy.apply import apply
from penstock.deploy.observe import make_plan
from penstock.engine.connector import make, make_source
from penstock.engine.source_worker import SourceWorker
from penstock.event import AnyEvent
from penstock.schema.codec import Codec
from penstock.schema.envelope import Opener
from penstock.testing.killing import Killable, unheard
from penstock.testing.kit import TestApp
from penstock.testing.virtual_time import run_virtual
from penstock.topology.connector_options import SourceOptions
from penstock.topology.model import Topology


async def _nothing(*_: object) -> None:
    return


@dataclass(frozen=True, kw_only=True)
class SourceCase:
    """A source and an outside that it reads.

    `feed(n)` puts the n-th of `count` things there; `which` says what number an event is. `begin` makes the outside
    anew. `kills` processes are killed in each run, each within its first `steps` awaits.
    """

    topology: Topology
    connector: str
    feed: Callable[[int], Awaitable[None]]
    count: int
    which: Callable[[AnyEvent], Hashable]
    begin: Callable[[], Awaitable[None]] = _nothing
    cut: Callable[[], Awaitable[None]] = _nothing
    kills: int = 3
    steps: int = 60
    replicas: int = 1
    virtual: bool = True  # time that costs nothing; False where other programs take part
    patience: float = 60.0
    look: float = 0.01  # how often to see what has come, in seconds


@dataclass(frozen=True, kw_only=True)
class SinkCase:
    """A sink and the outside it writes to; `held` reads the numbers of the events that stand there, repeats too.

    `marks` reads, in the same order, what the outside tells a repeat by (an id), where it does not write over.
    """

    topology: Topology
    connector: str
    event: Callable[[int], Any]  # the data of the n-th event
    count: int
    held: Callable[[], Awaitable[Sequence[int]]]
    marks: Callable[[], Awaitable[Sequence[Hashable]]] | None = None
    begin: Callable[[], Awaitable[None]] = _nothing
    cut: Callable[[], Awaitable[None]] = _nothing
    kills: int = 3
    steps: int = 60
    virtual: bool = True
    patience: float = 120.0
    look: float = 0.5  # how often to see what is held, in seconds


@dataclass
class Verdict:
    """What came of some runs. `unrecognised`: the same thing under two ids; `places`: where processes were killed."""

    runs: int = 0
    sent: int = 0
    lost: int = 0
    duplicates: int = 0
    unrecognised: int = 0
    places: Counter[str] = field(default_factory=Counter)

    @property
    def kills(self) -> int:
        """Processes killed."""
        return sum(self.places.values())


def trial(case: SourceCase | SinkCase, *, seeds: int = 20, first: int = 0) -> Verdict:
    """Run a case once per seed and add up. Raises TimeoutError where a run does not come to its end."""
    verdict = Verdict()
    with unheard():
        for seed in range(first, first + seeds):
            _one(case, seed, verdict)
    return verdict


def _one(case: SourceCase | SinkCase, seed: int, verdict: Verdict) -> None:
    lives: list[Killable] = []
    run = _source_run if isinstance(case, SourceCase) else _sink_run
    if case.virtual:
        run_virtual(lambda clock: run(case, clock, seed, verdict, lives))  # type: ignore[arg-type]
    else:
        asyncio.run(run(case, SystemClock(), seed, verdict, lives))  # type: ignore[arg-type]
    for life in lives:
        life.bury()
    verdict.runs += 1
    verdict.sent += case.count


async def clean_stop(case: SourceCase, clock: Clock) -> int:
    """Drain a source half-way and go on with another process; returns how many events came twice (0 is asked for)."""
    place = await Stage.made(case, clock, 0)
    for n in range(case.count):
        await case.feed(n)
    worker, task = place.start(None)
    await place.until(lambda: len(place.events()) * 2 >= case.count)
    worker.stop()
    await task
    worker, task = place.start(None)
    await place.until(lambda: len(place.seen()) >= case.count)
    worker.stop()
    await task
    return len(place.events()) - len(place.seen())


class _Driven:
    """A source whose run can be killed."""

    def __init__(self, inner: Any, life: Killable) -> None:
        self._inner = inner
        self._life = life

    async def run(self, outlet: Any) -> None:
        await self._life.drive(self._inner.run(outlet))


class _DrivenSink:
    """A sink whose calls, and what it does beside them, can be killed."""

    def __init__(self, inner: Any, life: Killable) -> None:
        self._inner = inner
        self._life = life

    async def setup(self) -> None:
        await self._life.drive(self._hook("setup"))

    async def close(self) -> None:
        await self._life.drive(self._hook("close"))

    async def __call__(self, event: Any, ctx: Any) -> Any:
        return await self._life.drive(self._inner(event, ctx))

    async def _hook(self, name: str) -> None:
        found = getattr(self._inner, name, None)
        result = found() if found is not None else None
        if asyncio.iscoroutine(result):
            await result


class Stage:
    """One run of a source case: its broker, its processes."""

    def __init__(self, case: SourceCase, clock: Clock, seed: int) -> None:
        self.case = case
        self.broker = InMemoryBroker(clock, seed=seed)
        self._clock = clock
        options = case.topology.connectors[case.connector]
        assert isinstance(options, SourceOptions)
        self._options = options
        self._opener = Opener(case.topology, "", Codec(case.topology))
        self._number = 0

    @staticmethod
    async def made(case: SourceCase, clock: Clock, seed: int) -> Stage:
        """A new one, the outside begun anew and the topics created."""
        await case.begin()
        place = Stage(case, clock, seed)
        admin = place.broker.admin()
        await apply(await make_plan(case.topology, admin), admin, lambda _step: None)
        return place

    def start(self, life: Killable | None) -> tuple[SourceWorker, asyncio.Task[None]]:
        """One more process."""
        source = make_source(self._options, self.case.topology.directory)
        driven = _Driven(source, life) if life is not None else source
        self._number += 1
        name = f"process-{self._number}"
        worker = SourceWorker(self.case.topology, self._options, driven, self.broker, self._clock, client_id=name)
        return worker, asyncio.ensure_future(worker.run())

    async def crash(self, worker: SourceWorker, task: asyncio.Task[None]) -> None:
        """As kill -9: its memory is gone, its connections break."""
        if worker.member is not None:
            self.broker.crash(worker.member)
        self.broker.crash(worker.producer)
        worker.abort()
        task.cancel()
        await asyncio.wait({task})
        await self.case.cut()

    def events(self) -> list[AnyEvent]:
        """Everything that was brought in."""
        topics = [name for name, topic in self.case.topology.topics.items() if topic.partitions]
        return [self._opener.open(record) for topic in topics for record in self.broker.records(topic)]

    def seen(self) -> set[Hashable]:
        """The numbers of what was brought in."""
        return {self.case.which(event) for event in self.events()}

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a condition. Raises TimeoutError after the case's patience."""
        async with asyncio.timeout(self.case.patience):
            while not condition():
                await asyncio.sleep(self.case.look)


async def _source_run(case: SourceCase, clock: Clock, seed: int, verdict: Verdict, lives: list[Killable]) -> None:
    luck = random.Random(seed)  # noqa: S311 - luck, no secret
    place = await Stage.made(case, clock, seed)

    async def feed() -> None:
        for n in range(case.count):
            await case.feed(n)
            await asyncio.sleep(luck.random() * 0.02)

    feeding = asyncio.ensure_future(feed())
    for _ in range(case.kills):
        life = Killable(luck.randint(1, case.steps)).watch()
        lives.append(life)
        processes = [place.start(life if n == 0 else None) for n in range(case.replicas)]
        dead = asyncio.ensure_future(life.killed.wait())
        done = asyncio.ensure_future(place.until(lambda: feeding.done() and len(place.seen()) >= case.count))
        await asyncio.wait({dead, done}, return_when=asyncio.FIRST_COMPLETED)
        for waiting in (dead, done):
            waiting.cancel()
        if life.place:
            verdict.places[life.place] += 1
        for worker, task in processes:
            await place.crash(worker, task)
    await feeding
    worker, task = place.start(None)
    await place.until(lambda: len(place.seen()) >= case.count)
    worker.stop()
    await task
    events = place.events()
    ids = {event.id for event in events}
    verdict.lost += case.count - len(place.seen())
    verdict.duplicates += len(events) - len(ids)
    verdict.unrecognised += len(ids) - len(place.seen())


async def _sink_run(case: SinkCase, clock: Clock, seed: int, verdict: Verdict, lives: list[Killable]) -> None:
    luck = random.Random(seed)  # noqa: S311 - luck, no secret
    await case.begin()
    broker = InMemoryBroker(clock, seed=seed)
    app = TestApp(case.topology, broker, clock, {})  # type: ignore[arg-type]
    await app.create_topics()
    processor = case.topology.processors[case.connector]
    assert processor.sink is not None
    for n in range(case.count):
        await app.send(processor.topics[0], case.event(n), key=f"k{n % 7}")
    for _ in range(case.kills):
        life = Killable(luck.randint(1, case.steps)).watch()
        lives.append(life)
        worker = await app.start(case.connector, _DrivenSink(make(processor.sink, case.topology.directory), life))
        async with asyncio.timeout(case.patience):  # until it is dead, or has done all before its time came
            while not life.killed.is_set() and set(await case.held()) != set(range(case.count)):
                await asyncio.sleep(case.look)
        if life.place:
            verdict.places[life.place] += 1
        app.crash(worker)
        await case.cut()
    worker = await app.start(case.connector)
    async with asyncio.timeout(case.patience):
        while set(await case.held()) != set(range(case.count)):
            await asyncio.sleep(case.look)
    held = await case.held()
    await app.stop(worker)
    if case.marks is not None:
        verdict.unrecognised += len(set(await case.marks())) - case.count
    verdict.lost += case.count - len(set(held))
    verdict.duplicates += len(held) - len(set(held))
