"""A replay goes to the group's own replay topic only: whoever else reads the source does not run again."""

from __future__ import annotations

from penstock import headers as wire
from penstock.broker.contract import NewTopic
from penstock.broker.in_memory import InMemoryBroker
from penstock.dead_letter.discard import discard
from penstock.dead_letter.from_log import Stretch, plan_log_replay, replay_log
from penstock.dead_letter.replay import plan_replay, replay
from penstock.dead_letter.selection import select
from penstock.record import Outgoing
from penstock.testing.virtual_time import VirtualClock, run_virtual
from penstock.topology.model import Processor, Topology

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
