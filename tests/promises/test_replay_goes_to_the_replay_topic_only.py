"""A replay goes to the group's own replay topic only: whoever else reads the source does not run again."""

from __future__ import annotations

from typing import Any

from penstock import headers as wire
from penstock.broker.contract import NewTopic
from penstock.broker.in_memory import InMemoryBroker
from penstock.context import Context
from penstock.dead_letter.discard import discard
from penstock.dead_letter.entries import Filters, list_entries
from penstock.dead_letter.from_log import Stretch, plan_log_replay, replay_log
from penstock.dead_letter.replay import plan_replay, replay
from penstock.dead_letter.selection import select
from penstock.event import Event
from penstock.record import Outgoing
from penstock.testing.kit import TestApp, run_topology
from penstock.testing.virtual_time import VirtualClock, run_virtual
from penstock.topology.model import Backoff, Processor, Retry, Topic, Topology

TRIAGE = Processor(name="triage", group_id="desk.triage", handler="m:f", topics=("tickets",))
AUDIT = Processor(name="audit", group_id="desk.audit", handler="m:f", topics=("tickets",))
TOPOLOGY = Topology(name="desk", processors={"triage": TRIAGE, "audit": AUDIT})
OWN = [f"{group}.{kind}" for group in ("desk.triage", "desk.audit") for kind in ("retry.5s", "dlt", "replay")]


async def lengths(broker: InMemoryBroker) -> dict[str, int]:
    return {topic: len(broker.records(topic)) for topic in ["tickets", *OWN]}


async def desk(clock: VirtualClock) -> InMemoryBroker:
    """A ticket that both groups took, and that both gave up."""
    broker = InMemoryBroker(clock)
    await broker.admin().create_topics([NewTopic(topic, 2) for topic in ["tickets", *OWN]])
    producer = broker.producer()
    at = await producer.send(Outgoing("tickets", b"k", b"{}", partition=1))
    origin = {wire.ORIGIN_TOPIC: at.topic, wire.ORIGIN_PARTITION: at.partition, wire.ORIGIN_OFFSET: at.offset}
    for group in ("desk.triage", "desk.audit"):
        said = origin | {wire.ORIGIN_TIMESTAMP: 1, wire.RUN_ID: f"run of {group}", wire.GROUP: group}
        headers = [wire.line(name, value) for name, value in said.items()]
        await producer.send(Outgoing(f"{group}.dlt", b"k", b"{}", headers, 0))
    return broker


def test_replaying_and_discarding_dead_letters() -> None:
    async def main(clock: VirtualClock) -> None:
        broker = await desk(clock)
        before = await lengths(broker)
        await replay(broker, await plan_replay(broker, "desk.triage"), replay_id="r", clock=clock)
        assert await lengths(broker) == before | {"desk.triage.replay": 1}
        await discard(broker, await select(broker, "desk.audit"), replay_id="d", clock=clock)
        assert await lengths(broker) == before | {"desk.triage.replay": 1, "desk.audit.replay": 1}

    run_virtual(main)


def test_replaying_from_the_log() -> None:
    async def main(clock: VirtualClock) -> None:
        broker = await desk(clock)
        before = await lengths(broker)
        plan = await plan_log_replay(broker, TOPOLOGY, TRIAGE, Stretch("tickets"))
        await replay_log(broker, plan, replay_id="r", clock=clock)
        assert await lengths(broker) == before | {"desk.triage.replay": 1}

    run_virtual(main)


def engine_topology() -> Topology:
    """Two groups on one source; triage gives up after its second attempt, a second later."""
    twice = Retry(max_attempts=2, backoff=Backoff(initial=1.0))
    triage = Processor(name="triage", group_id="desk.triage", handler="m:f", topics=("tickets",), retry=twice)
    topics = {"tickets": Topic(name="tickets", partitions=2, type="opened")}
    return Topology(version=1, name="desk", topics=topics, processors={"triage": triage, "audit": AUDIT})


def test_workers_run_only_what_was_replayed_for_them() -> None:
    """The real engine: a mended handler gets its dead letters again, under their run ids and from attempt 1."""
    broken = True
    triaged: list[tuple[int, str, int]] = []
    audited: list[int] = []

    async def triage(event: Event[Any], ctx: Context) -> None:
        triaged.append((event.data["n"], ctx.run_id, ctx.attempt))
        if broken:
            raise RuntimeError("the model is gone")

    async def audit(event: Event[Any]) -> None:
        audited.append(event.data["n"])

    async def scenario(app: TestApp) -> None:
        nonlocal broken
        for number in range(4):
            await app.send("tickets", {"n": number}, key=f"k{number}")
        await app.settled()
        runs = {number: run_id for number, run_id, _ in triaged}
        assert len(app.dead_letters("triage")) == 4
        given_up = [letter async for letter in list_entries(app.broker, "desk.triage")]
        assert {(one.reason, one.attempts, one.event_type) for one in given_up} == {("exhausted", 2, "opened")}

        broken = False
        triaged.clear()
        await discard(
            app.broker,
            await select(app.broker, "desk.triage", filters=Filters(id=runs[2])),
            replay_id="d",
            clock=app.clock,
        )
        await replay(app.broker, await plan_replay(app.broker, "desk.triage"), replay_id="r", clock=app.clock)
        await app.settled()
        assert sorted(triaged) == [(number, runs[number], 1) for number in (0, 1, 3)]
        assert sorted(audited) == [0, 1, 2, 3]
        assert [letter async for letter in list_entries(app.broker, "desk.triage")] == []

        plan = await plan_log_replay(app.broker, app.topology, app.topology.processors["triage"], Stretch("tickets"))
        triaged.clear()
        await replay_log(app.broker, plan, replay_id="new", clock=app.clock)
        await replay_log(app.broker, plan, replay_id="same", same_run=True, clock=app.clock)
        await app.settled()
        assert len(triaged) == 8
        assert {run for _, run, _ in triaged} > set(runs.values())
        assert len({run for _, run, _ in triaged}) == 8
        assert sorted(audited) == [0, 1, 2, 3]

    run_topology(engine_topology(), scenario, handlers={"triage": triage, "audit": audit})


def test_the_loop_guard_holds_with_real_workers() -> None:
    """A handler that stays broken: its dead letters come back three times, then the replay is refused."""

    async def triage(event: Event[Any]) -> None:
        raise RuntimeError("still broken")

    async def scenario(app: TestApp) -> None:
        await app.send("tickets", {"n": 0})
        await app.settled()
        for rounds in range(3):
            plan = await plan_replay(app.broker, "desk.triage")
            assert plan.count == 1, rounds
            await replay(app.broker, plan, replay_id=f"r{rounds}", clock=app.clock)
            await app.settled()
        plan = await plan_replay(app.broker, "desk.triage")
        assert (plan.count, plan.selection.refused) == (0, {"replayed 3 times already": 1})
        assert len({record.header(wire.RUN_ID) for record in app.dead_letters("triage")}) == 1

    run_topology(engine_topology(), scenario, handlers={"triage": triage}, only=("triage",))
