"""A purge says what it would remove, then removes just that: the oldest part of the topic."""

from __future__ import annotations

import asyncio

import pytest

from penstock import headers as wire
from penstock.broker.contract import NewTopic
from penstock.broker.in_memory import InMemoryBroker
from penstock.dead_letter.discard import discard
from penstock.dead_letter.entries import Filters, list_entries
from penstock.dead_letter.purge import PurgePlan, plan_purge, purge
from penstock.dead_letter.ranges import At, Offset
from penstock.dead_letter.replay import plan_replay, replay
from penstock.dead_letter.selection import select
from penstock.record import Outgoing, TopicPartition
from penstock.testing.virtual_time import VirtualClock, run_virtual

GROUP = "desk.triage"
DLT = TopicPartition(f"{GROUP}.dlt", 0)
START_MS = 1_700_000_000_000


async def make(clock: VirtualClock) -> InMemoryBroker:
    """Five entries, a second apart: the first was replayed, the second discarded."""
    broker = InMemoryBroker(clock)
    await broker.admin().create_topics([NewTopic(DLT.topic, 1), NewTopic(f"{GROUP}.replay", 1)])
    for number in range(5):
        headers = [wire.line(wire.RUN_ID, f"run-{number}"), wire.line(wire.ORIGIN_TOPIC, "tickets")]
        headers += [wire.line(name, 0) for name in (wire.ORIGIN_PARTITION, wire.ORIGIN_OFFSET, wire.ORIGIN_TIMESTAMP)]
        await broker.producer().send(Outgoing(DLT.topic, None, b"{}", headers))
        await asyncio.sleep(1)
    await replay(broker, await plan_replay(broker, GROUP, filters=Filters(id="run-0")), replay_id="r", clock=clock)
    await discard(broker, await select(broker, GROUP, filters=Filters(id="run-1")), replay_id="d", clock=clock)
    return broker


@pytest.mark.parametrize("before", [Offset(3), At(START_MS + 3000), At(START_MS + 2001)])
def test_a_prefix_is_counted_and_then_removed(before: At | Offset) -> None:
    async def main(clock: VirtualClock) -> None:
        broker = await make(clock)
        plan = await plan_purge(broker, GROUP, before=before)
        assert plan == PurgePlan({DLT: 3}, removed=3, waiting=1, oldest=START_MS, newest=START_MS + 2000)
        assert len(broker.records(DLT.topic)) == 5  # a plan removes nothing
        await purge(broker, plan)
        assert [record.offset for record in broker.records(DLT.topic)] == [3, 4]
        assert [letter.run_id async for letter in list_entries(broker, GROUP)] == ["run-3", "run-4"]

    run_virtual(main)


def test_what_is_settled_stays_settled_after_a_purge() -> None:
    async def main(clock: VirtualClock) -> None:
        broker = await make(clock)
        await purge(broker, await plan_purge(broker, GROUP, before=Offset(1)))
        assert [letter.run_id async for letter in list_entries(broker, GROUP)] == ["run-2", "run-3", "run-4"]
        again = await plan_purge(broker, GROUP, before=Offset(3))
        assert (again.removed, again.waiting) == (2, 1)

    run_virtual(main)


def test_nothing_to_remove() -> None:
    async def main(clock: VirtualClock) -> None:
        broker = await make(clock)
        plan = await plan_purge(broker, GROUP, before=At(START_MS))
        assert plan == PurgePlan({}, 0, 0, None, None)
        await purge(broker, plan)
        assert len(broker.records(DLT.topic)) == 5

    run_virtual(main)
