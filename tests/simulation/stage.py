"""The stage of one plan: the log, the workers, their supervisor, and the course of things."""

from __future__ import annotations

import asyncio
from typing import Any

from penstock import headers as wire
from penstock.broker.contract import NewTopic
from penstock.broker.in_memory import InMemoryBroker
from penstock.broker.in_memory.partitioner import partition_for
from penstock.engine.assembly import build
from penstock.engine.handler import adapt
from penstock.errors import ProducerFatal
from penstock.record import Outgoing, TopicPartition
from penstock.testing.virtual_time import VirtualClock
from penstock.topology.derived import policy_topics
from tests.simulation.actor import Actor
from tests.simulation.checker import GROUP, SOURCE, Checker, Violation
from tests.simulation.doors import leaks, watch_broker, watch_worker
from tests.simulation.faults import Weather
from tests.simulation.ledger import Ledger, Life, Story
from tests.simulation.setting import topology_of
from tests.simulation.trouble import Trouble
from tests.simulation.world import Fault, Plan, Sending, Step

QUIET = 900.0  # virtual seconds in which all work must be finished once the faults are over


class World(Actor, Trouble):
    """The log, the workers, the world's own hand, and the checker."""

    def __init__(self, plan: Plan, clock: VirtualClock, ledger: Ledger) -> None:
        self.plan = plan
        self.clock = clock
        self.ledger = ledger
        self.checker = Checker(plan, ledger, clock.monotonic, clock.now)
        self.weather = Weather(plan.seed, self._commit_trouble, self._produce_trouble)
        self.broker = InMemoryBroker(clock, seed=plan.seed, faults=self.weather)
        self.topology = topology_of(plan)
        self.wanted = plan.workers
        self._tasks: set[asyncio.Task[None]] = set()
        self._born = 0

    # The course of things

    async def live(self) -> None:
        """From the first event to the end of all work, and beyond it."""
        await self._create_topics()
        watch_broker(self.broker, self.checker)
        supervisor = asyncio.create_task(self._supervise(), name="supervisor")
        for at, happening in self._calendar():
            await asyncio.sleep(max(at - self.clock.monotonic(), 0))
            self._stop_at_violation()
            if isinstance(happening, Sending):
                self.send(happening)
            else:
                self._spawn(self._befall(happening))
        await self._quiet()
        self._judge_events()
        await self._probe()
        supervisor.cancel()
        await self._drain()

    def _calendar(self) -> list[tuple[float, Sending | Fault]]:
        happenings: list[tuple[float, Sending | Fault]] = [(one.at, one) for one in self.plan.sendings]
        happenings += [(one.at, one) for one in self.plan.faults]
        return sorted(happenings, key=lambda one: one[0])

    async def _quiet(self) -> None:
        """No more faults: all work must come to its end."""
        loop = asyncio.get_running_loop()
        last = max((fault.at + fault.lasts for fault in self.plan.faults), default=0.0)
        await asyncio.sleep(max(last - loop.time(), 0) + 0.5)
        self.weather.calm()
        back = sum(-fault.amount for fault in self.plan.faults if fault.kind == "clock" and fault.amount < 0)
        end = loop.time() + QUIET + 2 * back
        await self._until_settled(end)

    async def _until_settled(self, end: float) -> None:
        loop = asyncio.get_running_loop()
        look = 0.05
        calm_looks = 0
        while calm_looks < 3:  # a record may be between two topics
            self._stop_at_violation()
            left = self.unfinished()
            calm_looks = 0 if left else calm_looks + 1
            if left and loop.time() >= end:
                raise self._violation("settles", f"unfinished after all that time: {left}")
            await asyncio.sleep(look)
            look = min(look * 1.3, 5.0)

    async def _probe(self) -> None:
        """A quiet worker that no longer works would not be seen: send once more, to every partition."""
        self._stop_at_violation()
        for life in self._alive():
            if left := leaks(life):
                raise self._violation("leak", f"{life.name}: {', '.join(left)}")
        partitions = len(self.broker._log.topic(SOURCE).partitions)
        for partition in range(partitions):
            self.send(Sending(0, f"probe{partition}", (Step("ok", 0.01),)), partition)
        await self._until_settled(asyncio.get_running_loop().time() + 60)
        self._judge_events()
        self._stop_at_violation()

    async def _drain(self) -> None:
        self.wanted = 0
        for life in self._alive():
            life.stopping = True
            life.worker.stop()
        end = asyncio.get_running_loop().time() + 60
        while self._alive():
            self._stop_at_violation()
            if asyncio.get_running_loop().time() > end:
                raise self._violation("settles", "a worker told to stop does not end")
            await asyncio.sleep(0.1)
        self._stop_at_violation()
        for life in self.ledger.lives:
            if not life.crashed and (left := [one for one in leaks(life) if "ready" not in one]):
                raise self._violation("leak", f"{life.name}, stopped: {', '.join(left)}")

    def _judge_events(self) -> None:
        alarmed = sum(life.worker.parts.counters.records_lost for life in self.ledger.lives)
        missing = 0
        for story in self.ledger.stories.values():
            if not story.is_final:
                if not story.excused:
                    self.checker.fail("lost", f"event {story.number}, written to {story.record.position}")
                missing += story.excused == "truncated"
            if story.finals > 1 and not story.touched:
                self.checker.fail("two-places", f"event {story.number} ended {story.finals} times")
        if missing > alarmed:
            self.checker.fail("loss-alarm", f"{missing} records were removed unread, {alarmed} were counted")

    def unfinished(self) -> dict[str, int]:
        """Records in topics of the group that no commit has passed, by partition."""
        committed = self.broker._coordinator.group(GROUP).committed
        owned = {at for life in self._alive() for at in life.owned}
        found = {}
        for topic in self._read_topics():
            for number, partition in enumerate(topic.partitions):
                at = TopicPartition(topic.name, number)
                done = committed[at].offset if at in committed else -1
                start = self.checker.first_starts.get(at, 0)
                left = sum(record.offset >= max(done, start) for record in partition.records)
                unnoticed = 0 <= done < partition.low and at not in owned  # what retention took
                if left or unnoticed:
                    found[str(at)] = left
        for life in self._alive():  # a record may be in memory though retention took it from the log
            held = sum(state.tracker.unfinished for state in life.worker.parts.partitions.values()) + life.running
            if held:
                found[life.name] = held
        return found

    def _read_topics(self) -> list[Any]:
        return [one for name, one in self.broker._log.topics.items() if name == SOURCE or "retry" in name]

    def _violation(self, invariant: str, what: str) -> Violation:
        self.checker.fail(invariant, what)
        assert self.checker.violation is not None
        return self.checker.violation

    def _stop_at_violation(self) -> None:
        if self.checker.violation is not None:
            raise self.checker.violation

    # The world's own hand

    async def _create_topics(self) -> None:
        processor = self.topology.processors["work"]
        new = [NewTopic(topic.name, topic.partitions or 1) for topic in self.topology.topics.values()]
        for name in policy_topics(processor):
            new += [NewTopic(name, 1 if name.endswith(".dlt") else self.plan.partitions)]
        await self.broker.admin().create_topics(new)

    def send(self, sending: Sending, partition: int | None = None) -> None:
        """Write one event to the source topic."""
        log = self.broker._log
        number = len(self.ledger.stories)
        key = None if sending.key is None else sending.key.encode()
        value = b"{broken" if sending.kind == "undecodable" else b'{"n": %d}' % number
        type_ = b"other" if sending.kind == "filtered" else b"asked"
        headers = ((wire.CE_ID, b"e%d" % number), (wire.CE_TYPE, type_), ("x", None), ("x", b"%d" % number))
        if partition is None:
            partition = partition_for(key, len(log.topic(SOURCE).partitions), self.broker._chance)
        at = log.append(Outgoing(SOURCE, key, value, headers), partition)
        record = log.existing(TopicPartition(SOURCE, partition)).records[-1]
        assert record.offset == at.offset
        story = Story(number, sending, record)
        self.ledger.stories[f"e{number}"] = story
        self.checker.sent(story, record)

    async def _supervise(self) -> None:
        """As many workers as wanted: a dead one is replaced a second later."""
        while True:
            while len(self._alive()) < self.wanted:
                await self.start()
            await asyncio.sleep(1.0)

    def _alive(self) -> list[Life]:
        return [life for life in self.ledger.lives if not life.crashed and not life.ended]

    async def start(self) -> None:
        """One more worker."""
        self._born += 1
        name = f"w{self._born}"
        lives: list[Life] = []

        async def handle(event: Any, ctx: Any) -> Any:
            return await self._handle(lives[0], event, ctx)

        processor = self.topology.processors["work"]
        observe = (lambda _report: None) if self.plan.observed else None
        worker = await build(
            self.topology, processor, adapt(handle, processor), self.broker, self.clock, client_id=name, observe=observe
        )
        if self.plan.bound:
            worker.parts.intake._ready_wanted = 2 * self.plan.concurrency
        member: Any = worker.parts.member
        life = Life(name, worker, member)
        lives.append(life)
        self.ledger.lives.append(life)
        watch_worker(life, self.checker)
        self._spawn(self._run(life))

    async def _run(self, life: Life) -> None:
        life.task = asyncio.current_task()
        error: BaseException | None = None
        try:
            await life.worker.run()
        except Exception as found:  # what ends a worker is judged below
            error = found
        if life.crashed:
            return
        life.ended = True
        self.ledger.note(self.clock.monotonic(), "ended", life.name, repr(error))
        if isinstance(error, ProducerFatal) and life.fenced:
            return
        if error is not None or not life.stopping:
            self.checker.fail("worker-ended", f"{life.name} ended with {error!r}")

    def kill(self, life: Life) -> None:
        """As kill -9."""
        if life.crashed or life.ended:
            return
        self.checker.cut_off(life, "crashed")
        for epoch in life.owned.values():
            epoch.over = "crashed"
        life.crashed = True
        self.broker.crash(life.worker.parts.member)
        self.broker.crash(life.worker.parts.producer)
        life.worker.abort()
        assert life.task is not None
        life.task.cancel()

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._spawned_ended)

    def _spawned_ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.checker.fail("error", f"in the simulation itself: {error!r}")
