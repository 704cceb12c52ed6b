"""A replay from the log offers the chosen stretch to one group again, as new runs or as the same."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from penstock import headers as wire
from penstock.broker.contract import NewTopic
from penstock.broker.in_memory import InMemoryBroker
from penstock.broker.in_memory.faults import FINE, Fate, NoFaults, Outcome
from penstock.dead_letter.from_log import LogReplayPlan, Stretch, plan_log_replay, replay_log
from penstock.dead_letter.ranges import At, Offset
from penstock.dead_letter.sending import Tally
from penstock.errors import PenstockError, TopicMissing
from penstock.event import Event, Origin
from penstock.record import Header, Outgoing, Record
from penstock.schema.identity import run_id
from penstock.testing.virtual_time import VirtualClock, run_virtual
from penstock.topology.model import Processor, Topic, Topology

GROUP = "desk.triage"
START_MS = 1_700_000_000_000
TRIAGE = Processor(name="triage", group_id=GROUP, handler="m:f", topics=("tickets",))
TOPOLOGY = Topology(
    name="desk", topics={"tickets": Topic(name="tickets", type="opened")}, processors={"triage": TRIAGE}
)


class FailingOnce(NoFaults):
    def __init__(self, at: int) -> None:
        self.left = at

    def produce(self, client_id: str, record: Outgoing) -> Fate:
        if client_id == "penstock-replay":
            self.left -= 1
            if self.left == 0:
                return Fate(Outcome.UNANSWERED)
        return FINE


async def make(clock: VirtualClock, count: int, faults: NoFaults | None = None) -> InMemoryBroker:
    """Tickets a second apart, alternating between two partitions; every third is of type `closed`."""
    broker = InMemoryBroker(clock, faults=faults)
    await broker.admin().create_topics([NewTopic("tickets", 2), NewTopic(f"{GROUP}.replay", 2)])
    producer = broker.producer()
    for number in range(count):
        headers = [wire.line(wire.CE_ID, f"e{number}")]
        if number % 3 == 2:
            headers.append(wire.line(wire.CE_TYPE, "closed"))
        await producer.send(Outgoing("tickets", b"k%d" % number, str(number).encode(), headers, number % 2))
        await asyncio.sleep(1)
    return broker


async def plan_of(broker: InMemoryBroker, processor: Processor = TRIAGE, **asked: Any) -> LogReplayPlan:
    return await plan_log_replay(broker, TOPOLOGY, processor, Stretch(**{"topic": "tickets"} | asked))


def replayed(broker: InMemoryBroker) -> list[int]:
    return sorted(int(record.value or b"") for record in broker.records(f"{GROUP}.replay"))


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, [0, 1, 2, 3, 4, 5]),
        ({"first": At(START_MS + 2000)}, [2, 3, 4, 5]),
        ({"first": At(START_MS + 1000), "last": At(START_MS + 4000)}, [1, 2, 3]),
        ({"partition": 1}, [1, 3, 5]),
        ({"partition": 1, "first": Offset(1)}, [3, 5]),
        ({"partition": 0, "first": Offset(1), "last": Offset(2)}, [2]),
        ({"types": ("closed",)}, [2, 5]),
        ({"types": ("opened",), "key": b"k4"}, [4]),
    ],
)
def test_the_stretch(asked: dict[str, Any], found: list[int]) -> None:
    async def main(clock: VirtualClock) -> None:
        broker = await make(clock, 6)
        plan = await plan_of(broker, **asked)
        assert plan.count == len(found)
        assert replayed(broker) == []
        result = await replay_log(broker, plan, replay_id="r", clock=clock)
        assert result.tally == Tally(written=len(found))
        assert replayed(broker) == found

    run_virtual(main)


@pytest.mark.parametrize("limit", [1, 2, 4, 6, 9])
def test_a_limit_means_the_same_records_in_plan_and_replay(limit: int) -> None:
    async def main(clock: VirtualClock) -> None:
        broker = await make(clock, 6)
        plan = await plan_of(broker, limit=limit)
        result = await replay_log(broker, plan, replay_id="r", clock=clock)
        assert result.tally.written == plan.count == min(limit, 6)

    run_virtual(main)


def test_what_comes_after_the_plan_is_not_part_of_it() -> None:
    async def main(clock: VirtualClock) -> None:
        broker = await make(clock, 2)
        plan = await plan_of(broker)
        await broker.producer().send(Outgoing("tickets", None, b"9"))
        await replay_log(broker, plan, replay_id="r", clock=clock)
        assert replayed(broker) == [0, 1]

    run_virtual(main)


def test_types_the_processor_does_not_take_are_left_out() -> None:
    async def main(clock: VirtualClock) -> None:
        broker = await make(clock, 6)
        only = Processor(name="triage", group_id=GROUP, handler="m:f", topics=("tickets",), types=("closed",))
        plan = await plan_of(broker, only)
        assert (plan.count, plan.left_out, plan.by_type) == (2, 4, {"closed": 2})

    run_virtual(main)


def test_the_record_is_as_it_was_and_our_headers_on_a_source_are_not_believed() -> None:
    foreign: list[Header] = [("ce_id", b"e"), ("x", None), ("x", b"1"), ("x", None)]
    forged = [wire.line(wire.RUN_ID, "forged"), wire.line(wire.REPLAY_COUNT, 7), wire.line(wire.DISCARDED, 1)]

    async def main(clock: VirtualClock) -> None:
        broker = await make(clock, 0)
        await broker.producer().send(Outgoing("tickets", b"\xff", None, [*forged, *foreign], 1))
        await replay_log(broker, await plan_of(broker), replay_id="r", clock=clock)
        (record,) = broker.records(f"{GROUP}.replay")
        assert (record.key, record.value, record.partition) == (b"\xff", None, 1)
        assert list(record.headers[:4]) == foreign
        ours = dict(record.headers[4:])
        assert ours.pop(wire.RUN_ID) != b"forged"
        assert ours == {
            wire.REPLAY_ID: b"r",
            wire.REPLAY_COUNT: b"1",
            wire.ORIGIN_TOPIC: b"tickets",
            wire.ORIGIN_PARTITION: b"1",
            wire.ORIGIN_OFFSET: b"0",
            wire.ORIGIN_TIMESTAMP: str(START_MS).encode(),
        }

    run_virtual(main)


@pytest.mark.parametrize("same_run", [True, False])
@pytest.mark.parametrize("mode", ["binary", "bare", "structured"])
def test_runs_are_new_ones_or_the_same(mode: str, *, same_run: bool) -> None:
    """The same: what a worker that reads the source would call it. A worker reads binary and structured mode alike."""
    value = b'{"specversion":"1.0","id":"e1","source":"crm","type":"opened","data":{}}'
    headers: list[Header] = {
        "binary": [("ce_id", b"e1"), ("ce_source", b"crm")],
        "bare": [],
        "structured": [("content-type", b"application/cloudevents+json; charset=utf-8")],
    }[mode]

    async def main(clock: VirtualClock) -> None:
        broker = await make(clock, 0)
        cluster = (await broker.admin().cluster()).id
        await broker.producer().send(Outgoing("tickets", None, value, headers, 0))
        plan = await plan_of(broker)
        await replay_log(broker, plan, replay_id="r1", same_run=same_run, clock=clock)
        await replay_log(broker, plan, replay_id="r2", same_run=same_run, clock=clock)
        (source,) = broker.records("tickets")
        opened = [("ce_id", b"e1"), ("ce_source", b"crm")] if mode != "bare" else []
        plainly = Record(*source.position, source.timestamp, None, value, opened)
        event = Event(plainly, None, "opened", Origin(*source.position, source.timestamp))
        first_time = run_id(event, plainly, GROUP, cluster)
        ids = [wire.text(record.headers, wire.RUN_ID) for record in broker.records(f"{GROUP}.replay")]
        if same_run:
            assert ids == [first_time, first_time]
        else:
            assert len({first_time, *ids}) == 3
            assert ids[0] == run_id(event, plainly, GROUP, cluster, "r1")

    run_virtual(main)


def test_an_interrupted_replay_goes_on_under_its_id() -> None:
    async def main(clock: VirtualClock) -> None:
        broker = await make(clock, 0, FailingOnce(250))
        producer = broker.producer()
        for number in range(500):
            await producer.send(Outgoing("tickets", None, str(number).encode(), (), number % 2))
        plan = await plan_of(broker)
        first = await replay_log(broker, plan, replay_id="r", clock=clock)
        assert first.tally.interrupted
        assert 0 < len(replayed(broker)) < 500
        second = await replay_log(broker, await plan_of(broker), replay_id="r", resume=True, clock=clock)
        assert not second.tally.interrupted
        assert second.tally.passed_over == 500 - second.tally.written
        assert replayed(broker) == list(range(500))
        assert all(record.header(wire.RUN_ID) for record in broker.records(f"{GROUP}.replay"))
        assert len({record.header(wire.RUN_ID) for record in broker.records(f"{GROUP}.replay")}) == 500

    run_virtual(main)


def test_a_new_id_is_a_new_replay() -> None:
    async def main(clock: VirtualClock) -> None:
        broker = await make(clock, 2)
        for replay_id in ("r1", "r2"):
            await replay_log(broker, await plan_of(broker), replay_id=replay_id, resume=True, clock=clock)
        assert replayed(broker) == [0, 0, 1, 1]

    run_virtual(main)


def test_only_a_source_of_the_processor_is_replayed() -> None:
    async def main(clock: VirtualClock) -> None:
        broker = await make(clock, 0)
        with pytest.raises(PenstockError, match=r"desk\.triage\.dlt is no source of triage"):
            await plan_of(broker, topic=f"{GROUP}.dlt")
        with pytest.raises(PenstockError, match="no partition 7"):
            await plan_of(broker, partition=7)
        await broker.admin().delete_topics([f"{GROUP}.replay"])
        with pytest.raises(TopicMissing, match="replay"):
            await plan_of(broker)

    run_virtual(main)
