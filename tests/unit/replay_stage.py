"""A dead letter topic in memory with entries in it, and what tests of replays ask of it."""

from __future__ import annotations

from typing import Any

from penstock import headers as wire
from penstock.broker.contract import NewTopic
from penstock.broker.in_memory import InMemoryBroker
from penstock.broker.in_memory.faults import FINE, Fate, NoFaults, Outcome
from penstock.dead_letter.entries import list_entries
from penstock.dead_letter.replay import plan_replay, replay
from penstock.dead_letter.settling import Result
from penstock.record import Header, Outgoing, Record
from penstock.testing.virtual_time import VirtualClock

GROUP = "desk.triage"


class Scripted(NoFaults):
    """The fate of the n-th record written by a replay."""

    def __init__(self, fates: dict[int, Outcome]) -> None:
        self.fates = fates
        self.count = -1

    def produce(self, client_id: str, record: Outgoing) -> Fate:
        if client_id != "penstock-replay":
            return FINE
        self.count += 1
        return Fate(self.fates.get(self.count, Outcome.DONE))


def ours(number: int, **more: Any) -> list[Header]:
    said: dict[str, Any] = {
        wire.RUN_ID: f"run-{number}",
        wire.ATTEMPT: 5,
        wire.DEFERRALS: 2,
        wire.GROUP: GROUP,
        wire.REASON: "exhausted",
        wire.ERROR_TYPE: "KeyError",
        wire.ERROR_MESSAGE: "'x'",
        wire.ERROR_FINGERPRINT: "00",
        wire.FIRST_FAILURE: 1,
        wire.ORIGIN_TOPIC: "tickets",
        wire.ORIGIN_PARTITION: number % 4,
        wire.ORIGIN_OFFSET: number,
        wire.ORIGIN_TIMESTAMP: 1,
    } | more
    return [wire.line(name, value) for name, value in said.items() if value is not None]


async def make(clock: VirtualClock, count: int, faults: Scripted | None = None, replay_partitions: int = 4) -> Any:
    broker = InMemoryBroker(clock, faults=faults)
    topics = [NewTopic("tickets", 4), NewTopic(f"{GROUP}.dlt", 1), NewTopic(f"{GROUP}.replay", replay_partitions)]
    await broker.admin().create_topics(topics)
    producer = broker.producer()
    for number in range(count):
        await producer.send(Outgoing(f"{GROUP}.dlt", b"k", str(number).encode(), ours(number)))
    return broker


async def run(broker: InMemoryBroker, clock: VirtualClock, replay_id: str = "r1", **kwargs: Any) -> Result:
    return await replay(broker, await plan_replay(broker, GROUP), replay_id=replay_id, clock=clock, **kwargs)


def replays(broker: InMemoryBroker) -> list[Record]:
    return list(broker.records(f"{GROUP}.replay"))


async def waiting(broker: InMemoryBroker) -> list[int]:
    return [letter.position.offset async for letter in list_entries(broker, GROUP)]
