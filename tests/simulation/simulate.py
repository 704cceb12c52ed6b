"""One plan lived through: the real engine, the in-memory log, virtual time. Returns the first violation, or none."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock import Defer, Reject, Retry, Skip
from penstock import headers as wire
from penstock.broker.contract import NewTopic
from penstock.broker.in_memory import InMemoryBroker
from penstock.broker.in_memory.partitioner import partition_for
from penstock.engine import committer, intake
from penstock.engine.assembly import build
from penstock.engine.handler import adapt
from penstock.errors import ProducerFatal
from penstock.record import Outgoing, TopicPartition
from penstock.testing.virtual_time import Deadlock, VirtualClock, run_virtual
from penstock.topology.derived import policy_topics
from penstock.topology.model import Backoff, Processor, Topic, Topology
from penstock.topology.model import Retry as RetrySection
from tests.simulation.checker import GROUP, SOURCE, Checker, Violation, story_id
from tests.simulation.doors import leaks, look_inside, watch_broker, watch_worker
from tests.simulation.faults import Weather
from tests.simulation.ledger import Ledger, Life, Story
from tests.simulation.world import Fault, Plan, Sending, Step

PATIENCE = 20.0  # real seconds a plan may take: then it turns in a circle
QUIET = 900.0  # virtual seconds in which all work must be finished once the faults are over


@dataclass(frozen=True)
class Result:
    """How a plan ended. `digest` is equal for equal runs; `starts` counts handler calls."""

    violation: Violation | None
    digest: str
    starts: int
    trace: tuple[tuple[object, ...], ...]


class _TooSlow(BaseException):
    """The real time is up."""


def simulate(plan: Plan) -> Result:
    """Live through a plan."""
    ledger = Ledger()
    worlds: list[World] = []

    async def main(clock: VirtualClock) -> None:
        world = World(plan, clock, ledger)
        worlds.append(world)
        try:
            await world.live()
        finally:
            for life in ledger.lives:
                life.worker.parts.pool._closed = True  # or it would replace the tasks that the loop's end cancels

    violation: Violation | None = None
    try:
        with _surroundings(plan):
            run_virtual(main)
    except Violation as found:
        violation = found
    except _TooSlow:
        violation = Violation("settles", f"no end after {PATIENCE:g} real seconds: it turns in a circle")
    except Deadlock as error:
        violation = Violation("error", str(error))
    except Exception as error:  # whatever escapes is a finding
        violation = Violation("error", repr(error))
    if worlds and worlds[0].checker.violation is not None:
        violation = worlds[0].checker.violation
    starts = sum(len(story.calls) for story in ledger.stories.values())
    digest = hashlib.sha256(repr(ledger.trace).encode()).hexdigest()[:16]
    return Result(violation, digest, starts, tuple(ledger.trace))


@contextmanager
def _surroundings(plan: Plan) -> Iterator[None]:
    """Small bounds where the plan wants them, silence, no garbage collection, and a limit on real time."""

    def stop(_signal: int, _frame: object) -> None:
        raise _TooSlow

    kept = intake.MOST_IN_FLIGHT, intake._LEAST_SHARE, committer.BRAKE
    if plan.bound:
        intake.MOST_IN_FLIGHT, intake._LEAST_SHARE = plan.bound, 2
    if plan.brake:
        committer.BRAKE = plan.brake
    collecting = gc.isenabled()
    gc.disable()
    logging.disable(logging.CRITICAL)
    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE, 1.0)  # again and again: the engine may take it for a failure
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        logging.disable(logging.NOTSET)
        if collecting:
            gc.enable()
        intake.MOST_IN_FLIGHT, intake._LEAST_SHARE, committer.BRAKE = kept


def topology_of(plan: Plan) -> Topology:
    """`src` → `work` → `out`, as the plan wants it."""
    retry = RetrySection(
        max_attempts=plan.max_attempts,
        backoff=Backoff(initial=plan.backoff, multiplier=4, max=1800),
        preserve_order=plan.preserve_order,
    )
    processor = Processor(
        name="work",
        group_id=GROUP,
        handler="x:y",
        topics=(SOURCE,),
        types=("asked",),
        output="out",
        emits=("side",),
        retry=retry,
        concurrency=plan.concurrency,
        ordering=plan.ordering,
        timeout=plan.timeout,
        stop_grace_period=plan.grace,
        failover=plan.failover,
        start_from=plan.start_from,
    )
    topics = {
        SOURCE: Topic(name=SOURCE, partitions=plan.partitions, type="asked"),
        "out": Topic(name="out", partitions=2, type="given"),
        "side": Topic(name="side", partitions=1, type="said"),
    }
    kafka = {"max.poll.interval.ms": str(round(plan.poll_interval * 1000))}
    return Topology(name="t", kafka=kafka, topics=topics, processors={"work": processor}, directory=Path("/nowhere"))


class World:
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
        watch_worker(life, self.checker, forgetful=self.plan.forgetful)
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

    # The handler

    async def _handle(self, life: Life, event: Any, ctx: Any) -> Any:
        call = self.checker.started(life, event.position, event.id, ctx.attempt)
        look_inside(life, self.checker)
        step = call.step
        try:
            await self._work(life, step, call)
        except asyncio.CancelledError:
            call.cancelled = True
            if step.kind != "stubborn":
                self.checker.ended(life, call, "cancelled")
                raise
            await self._shrug()
        story = call.occurrence.event
        for index in range(1, step.emits):
            ctx.emit("side", {"n": story.number, "call": call.number, "i": index})
        kind = "ok" if step.kind == "stubborn" else step.kind
        self.checker.ended(life, call, kind)
        if kind == "ok":
            return {"n": story.number, "call": call.number, "i": 0} if step.emits else None
        return self._verdict(step, call.number)

    @staticmethod
    def _verdict(step: Step, number: int) -> Any:
        said: Any = {
            "fail": RuntimeError("it failed"),
            "reject": Reject("never"),
            "skip": Skip("not mine"),
            "defer": Defer(after=step.after),
            "retry": Retry(after=step.after),
        }[step.kind]
        if step.kind == "fail" or number % 2:
            raise said
        return said

    async def _work(self, life: Life, step: Step, call: Any) -> None:
        if step.kind in {"hang", "stubborn"}:
            await asyncio.sleep(1e6)
        await asyncio.sleep(step.seconds)
        if step.kind == "kill":
            self.ledger.note(self.clock.monotonic(), "kills", life.name)
            self.checker.killed(call)
            self.kill(life)
            await asyncio.sleep(1e6)

    @staticmethod
    async def _shrug() -> None:
        """Go on for a second, whatever anyone says."""
        loop = asyncio.get_running_loop()
        end = loop.time() + 1.0
        while loop.time() < end:
            try:
                await asyncio.sleep(end - loop.time())
            except asyncio.CancelledError:
                continue

    # Trouble

    def _commit_trouble(self, client: str) -> None:
        for life in self.ledger.lives:
            if life.name == client:
                life.trouble_at = self.clock.monotonic()

    def _produce_trouble(self, client: str, record: Outgoing, outcome: Any) -> None:
        self.checker.produce_trouble(record, outcome)
        if outcome.value == "fatal":
            for life in self.ledger.lives:
                life.fenced = life.fenced or life.name == client
        self.ledger.note(self.clock.monotonic(), "produce", outcome.value, story_id(record), record.topic)

    async def _befall(self, fault: Fault) -> None:
        self.ledger.note(self.clock.monotonic(), "fault", fault)
        await getattr(self, f"_befall_{fault.kind}")(fault)

    def _victim(self, fault: Fault) -> Life | None:
        alive = [life for life in self._alive() if not life.stopping]
        return alive[fault.who % len(alive)] if alive else None

    async def _befall_crash(self, fault: Fault) -> None:
        if life := self._victim(fault):
            self.kill(life)

    async def _befall_expire(self, fault: Fault) -> None:
        if (life := self._victim(fault)) and life.worker.joined:
            self.broker.expire(life.member)

    async def _befall_stop(self, fault: Fault) -> None:
        if life := self._victim(fault):
            life.stopping = True
            life.worker.stop()

    async def _befall_stop_hard(self, fault: Fault) -> None:
        if life := self._victim(fault):
            life.stopping = True
            life.hurried = True
            life.worker.stop()
            life.worker.stop()

    async def _befall_scale(self, fault: Fault) -> None:
        self.wanted = int(fault.amount)
        for life in self._alive()[self.wanted :]:
            if not life.stopping:
                life.stopping = True
                life.worker.stop()

    async def _window(self, fault: Fault) -> None:
        self.weather.begin(fault)
        await asyncio.sleep(fault.lasts)
        self.weather.end(fault)

    _befall_commits = _befall_produces = _befall_fetches = _window

    async def _befall_silence(self, fault: Fault) -> None:
        if life := self._victim(fault):
            self.weather.hush(life.name)
            await asyncio.sleep(fault.lasts)
            self.weather.unhush(life.name)

    def _partition(self, fault: Fault) -> TopicPartition:
        topics = [one for one in self._read_topics() if fault.topic in one.name and (fault.topic or one.name == SOURCE)]
        topic = topics[fault.who % len(topics)] if topics else self.broker._log.topic(SOURCE)
        return TopicPartition(topic.name, fault.who % len(topic.partitions))

    async def _befall_gap(self, fault: Fault) -> None:
        self.broker.skip_offsets(self._partition(fault), int(fault.amount))

    async def _befall_truncate(self, fault: Fault) -> None:
        at = self._partition(fault)
        partition = self.broker._log.existing(at)
        before = partition.low + round((partition.high - partition.low) * fault.amount)
        for record in partition.records:
            occurrence = self.ledger.occurrences[record.position]
            if record.offset < before and not occurrence.is_finished:
                first = self.checker.first_starts.get(at)
                unread = first is None or record.offset < first
                occurrence.event.excused = occurrence.event.excused or ("never begun" if unread else "truncated")
        self.ledger.disturbed.add(at)
        self.broker.truncate(at, before)

    async def _befall_reset(self, fault: Fault) -> None:
        """All workers stop, an operator sets an offset, they start again."""
        kept, self.wanted = self.wanted, 0
        for life in self._alive():
            if not life.stopping:
                life.stopping = True
                life.worker.stop()
        group = self.broker._coordinator.group(GROUP)
        while group.has_members or self._alive():
            await asyncio.sleep(0.2)
        at = self._partition(fault)
        partition = self.broker._log.existing(at)
        to = partition.low + round((partition.high - partition.low) * fault.amount)
        for record in partition.records:
            story = self.ledger.occurrences[record.position].event
            story.touched = story.touched or "reset"
            if record.offset < to and not self.ledger.occurrences[record.position].is_finished:
                story.excused = story.excused or "skipped by an operator"
        for occurrence in self.ledger.occurrences.values():
            if occurrence.source == at and occurrence.event.excused == "truncated":
                occurrence.event.excused = "skipped by an operator"  # past what retention took: nobody can count it
        self.ledger.disturbed.add(at)
        await self.broker.admin().alter_committed(GROUP, {at: to})
        self.wanted = max(self.wanted, kept)

    async def _befall_add_partition(self, fault: Fault) -> None:
        added = len(self.broker._log.topic(SOURCE).partitions)
        await self.broker.admin().add_partitions(SOURCE, added + 1)
        self.send(Sending(0, "first", (Step("ok"),)), added)  # before anyone has been given it

    async def _befall_clock(self, fault: Fault) -> None:
        self.clock.skew += fault.amount
