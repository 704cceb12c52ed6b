"""However often a replay is interrupted and given again, each dead letter is offered once: no more and no less."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import pytest

from penstock import headers as wire
from penstock.broker.contract import NewTopic
from penstock.broker.in_memory import InMemoryBroker
from penstock.broker.in_memory.faults import FINE, Fate, NoFaults, Outcome
from penstock.dead_letter.discard import discard
from penstock.dead_letter.entries import Filters, list_entries
from penstock.dead_letter.replay import plan_replay, replay
from penstock.dead_letter.selection import select
from penstock.record import Outgoing
from penstock.testing.virtual_time import VirtualClock, run_virtual

GROUP = "desk.triage"
ENTRIES = 700


class BadDay(NoFaults):
    """Some records fail, some are written without an answer, some are slow."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)

    def produce(self, client_id: str, record: Outgoing) -> Fate:
        if client_id != "penstock-replay":
            return FINE
        roll = self.chance.random()
        outcome = Outcome.FAILED if roll < 0.003 else Outcome.UNANSWERED if roll < 0.006 else Outcome.DONE
        return Fate(outcome, self.chance.random() * 0.01)


async def dead_letters(clock: VirtualClock, seed: int) -> InMemoryBroker:
    broker = InMemoryBroker(clock, seed=seed, faults=BadDay(seed))
    await broker.admin().create_topics([NewTopic(f"{GROUP}.dlt", 1), NewTopic(f"{GROUP}.replay", 3)])
    producer = broker.producer()
    for number in range(ENTRIES):
        said = {wire.RUN_ID: f"run-{number}", wire.ORIGIN_TOPIC: "tickets", wire.ORIGIN_PARTITION: number % 3}
        said |= {wire.ORIGIN_OFFSET: number, wire.ORIGIN_TIMESTAMP: 1, wire.REASON: "exhausted"}
        headers = [wire.line(name, value) for name, value in said.items()]
        key = None if number % 5 == 0 else b"k%d" % (number % 7)
        await producer.send(Outgoing(f"{GROUP}.dlt", key, b"%d" % number, headers))
    return broker


async def operator(broker: InMemoryBroker, clock: VirtualClock, chance: random.Random, replay_id: str) -> bool:
    """One command, perhaps ended by Ctrl-C somewhere; whether it came to its end."""
    plan = await plan_replay(broker, GROUP, filters=Filters(limit=chance.choice([None, 150])))
    rate = chance.choice([None, 1000.0])
    task = asyncio.ensure_future(replay(broker, plan, replay_id=replay_id, rate=rate, clock=clock))
    patience = chance.choice([0.01, 0.3, 60.0])
    done, _ = await asyncio.wait([task], timeout=patience)
    task.cancel()
    await asyncio.wait([task])  # Ctrl-C: what is on its way is flushed before the process ends
    return bool(done) and not task.result().tally.interrupted and plan.count == 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
def test_interrupted_replays_add_up_to_exactly_one(seed: int) -> None:
    async def main(clock: VirtualClock) -> None:
        chance = random.Random(seed)
        broker = await dead_letters(clock, seed)
        some = await select(broker, GROUP, filters=Filters(id="run-13"))
        while (await discard(broker, some, replay_id="d", clock=clock)).tally.interrupted:
            pass
        for command in range(500):
            if await operator(broker, clock, chance, f"r{command}"):
                break
        else:
            pytest.fail("the replay never came to its end")
        offered = Counter(int(record.value) for record in broker.records(f"{GROUP}.replay") if record.value is not None)
        assert offered == Counter(number for number in range(ENTRIES) if number != 13)
        assert [letter async for letter in list_entries(broker, GROUP)] == []

    run_virtual(main)


def test_a_replay_that_fails_again_is_a_new_entry_and_counts_on() -> None:
    """What comes back stands at a new place of the dead letter topic; the loop guard ends it after three rounds."""

    async def main(clock: VirtualClock) -> None:
        broker = InMemoryBroker(clock)
        await broker.admin().create_topics([NewTopic(f"{GROUP}.dlt", 1), NewTopic(f"{GROUP}.replay", 1)])
        said = {wire.RUN_ID: "run", wire.ORIGIN_TOPIC: "tickets", wire.ORIGIN_PARTITION: 0}
        said |= {wire.ORIGIN_OFFSET: 5, wire.ORIGIN_TIMESTAMP: 1, wire.REASON: "exhausted"}
        headers = [wire.line(name, value) for name, value in said.items()]
        producer = broker.producer()
        rounds = 0
        while True:
            await producer.send(Outgoing(f"{GROUP}.dlt", b"k", b"v", headers))
            plan = await plan_replay(broker, GROUP)
            if not plan.count:
                break
            await replay(broker, plan, replay_id=f"r{rounds}", clock=clock)
            rounds += 1
            headers = list(broker.records(f"{GROUP}.replay")[-1].headers)  # a worker takes it, and gives it up
        assert rounds == 3
        assert plan.selection.refused == {"replayed 3 times already": 1}

    run_virtual(main)
