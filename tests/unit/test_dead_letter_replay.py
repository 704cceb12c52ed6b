"""A replay writes each chosen entry once, unchanged but for our own headers, and says what it will not touch."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from penstock import headers as wire
from penstock.broker.contract import NewTopic
from penstock.broker.in_memory import InMemoryBroker
from penstock.broker.in_memory.faults import FINE, Fate, NoFaults, Outcome
from penstock.dead_letter.discard import discard
from penstock.dead_letter.entries import Filters, list_entries
from penstock.dead_letter.handled import Follower
from penstock.dead_letter.replay import ReplayPlan, plan_replay, replay, unknown_schema
from penstock.dead_letter.selection import select
from penstock.dead_letter.sending import Tally
from penstock.dead_letter.settling import Result
from penstock.errors import BrokerUnavailable, TopicMissing, Undecodable, UnknownSchema
from penstock.record import Header, Outgoing, Record
from penstock.testing.virtual_time import VirtualClock, run_virtual

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


def test_key_value_and_foreign_headers_stay_as_they_are() -> None:
    foreign: list[Header] = [
        ("x", b"1"),
        ("x", None),
        ("ce_id", b"e"),
        ("x", b"1"),
        ("traceparent", b"\xff\x00"),
        ("", b""),
    ]

    async def main(clock: VirtualClock) -> None:
        broker = await make(clock, 0)
        mixed = [*foreign[:2], *ours(3, **{wire.REPLAY_COUNT: 1, wire.REPLAY_ID: "old"}), *foreign[2:]]
        await broker.producer().send(Outgoing(f"{GROUP}.dlt", b"\x00\xff", b"\x01bytes", mixed))
        result = await run(broker, clock)
        assert result == Result("r1", Tally(written=1))
        (record,) = replays(broker)
        assert (record.key, record.value, record.partition) == (b"\x00\xff", b"\x01bytes", 3)
        assert list(record.headers[: len(foreign)]) == foreign
        assert dict(record.headers[len(foreign) :]) == {
            wire.RUN_ID: b"run-3",
            wire.REPLAY_ID: b"r1",
            wire.REPLAY_COUNT: b"2",
            wire.DLT_POSITION: b"desk.triage.dlt/0@0",
            wire.ORIGIN_TOPIC: b"tickets",
            wire.ORIGIN_PARTITION: b"3",
            wire.ORIGIN_OFFSET: b"3",
            wire.ORIGIN_TIMESTAMP: b"1",
        }
        assert len(record.headers) == len(foreign) + 8

    run_virtual(main)


def test_null_keys_and_values_stay_null() -> None:
    async def main(clock: VirtualClock) -> None:
        broker = await make(clock, 0)
        await broker.producer().send(Outgoing(f"{GROUP}.dlt", None, None, ours(0)))
        await run(broker, clock)
        (record,) = replays(broker)
        assert (record.key, record.value, record.header(wire.DISCARDED)) == (None, None, None)

    run_virtual(main)


def test_the_key_decides_where_the_replay_topic_lacks_the_origin_partition() -> None:
    async def main(clock: VirtualClock) -> None:
        broker = await make(clock, 4, replay_partitions=2)
        await run(broker, clock)
        placed = {record.value: record.partition for record in replays(broker)}
        assert (placed[b"0"], placed[b"1"]) == (0, 1)
        assert placed[b"2"] == placed[b"3"]  # one key

    run_virtual(main)


def test_the_plan_says_what_will_be_done_and_writes_nothing() -> None:
    async def main(clock: VirtualClock) -> None:
        broker = await make(clock, 2)
        await asyncio.sleep(10)
        headers = [*ours(9, **{wire.REASON: "rejected", wire.ERROR_TYPE: "Reject"}), wire.line(wire.CE_TYPE, "t")]
        await broker.producer().send(Outgoing(f"{GROUP}.dlt", None, None, headers))
        plan = await plan_replay(broker, GROUP)
        assert plan.count == 3
        assert (plan.topic, plan.workers) == (f"{GROUP}.replay", 0)
        chosen = plan.selection
        assert chosen.by_reason == {"exhausted": 2, "rejected": 1}
        assert chosen.by_error == {"KeyError": 2, "Reject": 1}
        assert chosen.by_type == {"": 2, "t": 1}
        assert (chosen.newest or 0) - (chosen.oldest or 0) == 10_000
        assert replays(broker) == []

    run_virtual(main)


def test_the_loop_guard_and_foreign_records_are_refused_and_counted() -> None:
    async def main(clock: VirtualClock) -> None:
        broker = await make(clock, 1)
        producer = broker.producer()
        await producer.send(Outgoing(f"{GROUP}.dlt", None, b"loop", ours(1, **{wire.REPLAY_COUNT: 3})))
        await producer.send(Outgoing(f"{GROUP}.dlt", None, b"foreign", []))
        plan = await plan_replay(broker, GROUP)
        assert plan.selection.refused == {
            "replayed 3 times already": 1,
            "no worker wrote it: it does not say where it first stood": 1,
        }
        await replay(broker, plan, replay_id="r", clock=clock)
        assert [record.value for record in replays(broker)] == [b"0"]
        assert (await plan_replay(broker, GROUP, max_replays=4)).count == 1

    run_virtual(main)


def test_an_unknown_schema_is_refused_and_damaged_bytes_are_not() -> None:
    class Opener:
        def open(self, record: Record) -> None:
            if record.value != b"1":
                raise UnknownSchema("?") if record.value == b"0" else Undecodable("?")

    async def main(clock: VirtualClock) -> None:
        broker = await make(clock, 3)
        plan = await plan_replay(broker, GROUP, objection=unknown_schema(Opener()))  # type: ignore[arg-type]
        assert plan.count == 2
        assert plan.selection.refused == {"its schema is not known here": 1}

    run_virtual(main)


def test_what_stands_between_the_chosen_entries_is_left_alone() -> None:
    async def main(clock: VirtualClock) -> None:
        broker = await make(clock, 1)
        producer = broker.producer()
        await producer.send(Outgoing(f"{GROUP}.dlt", None, b"other", ours(1, **{wire.REASON: "rejected"})))
        await producer.send(Outgoing(f"{GROUP}.dlt", None, b"2", ours(2)))
        plan = await plan_replay(broker, GROUP, filters=Filters(reason="exhausted"))
        await replay(broker, plan, replay_id="r", clock=clock)
        assert await waiting(broker) == [1]

    run_virtual(main)


def test_an_entry_that_comes_after_the_plan_is_not_part_of_it() -> None:
    async def main(clock: VirtualClock) -> None:
        broker = await make(clock, 1)
        plan = await plan_replay(broker, GROUP)
        await broker.producer().send(Outgoing(f"{GROUP}.dlt", None, b"late", ours(1)))
        await replay(broker, plan, replay_id="r", clock=clock)
        assert await waiting(broker) == [1]

    run_virtual(main)


def test_an_entry_settled_after_the_plan_is_passed_over() -> None:
    async def main(clock: VirtualClock) -> None:
        broker = await make(clock, 3)
        plan = await plan_replay(broker, GROUP)
        await discard(broker, await select(broker, GROUP, filters=Filters(id="run-1")), replay_id="d", clock=clock)
        result = await replay(broker, plan, replay_id="r", clock=clock)
        assert result.tally == Tally(written=2, passed_over=1)

    run_virtual(main)


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.UNANSWERED, Outcome.FATAL])
def test_a_failure_stops_the_replay_and_the_next_one_goes_on(outcome: Outcome) -> None:
    """UNANSWERED is the treacherous one: the broker has the record and we were told that it failed."""

    async def main(clock: VirtualClock) -> None:
        faults = Scripted({250: outcome})
        broker = await make(clock, 600, faults)
        first = await run(broker, clock)
        assert first.tally.interrupted
        assert 250 <= first.tally.written < 400
        assert len(await waiting(broker)) == 600 - len(replays(broker))
        second = await run(broker, clock, "r2")
        assert not second.tally.interrupted
        assert sorted(int(record.value or b"") for record in replays(broker)) == list(range(600))
        assert await waiting(broker) == []

    run_virtual(main)


@pytest.mark.parametrize(
    ("looks", "expected"),
    [
        (2, Result("r", Tally(written=200, interrupted="no answer"), None)),
        (3, Result("r", Tally(written=400, interrupted="no answer"), None)),
        (4, Result("r", Tally(written=600), None)),
        (5, Result("r", Tally(written=600), 0)),
    ],
)
def test_a_log_that_cannot_be_read_stops_the_replay_before_it_writes(
    monkeypatch: pytest.MonkeyPatch, looks: int, expected: Result
) -> None:
    async def main(clock: VirtualClock) -> None:
        broker = await make(clock, 600)
        plan = await plan_replay(broker, GROUP)
        ends, left = broker.admin().ends, looks

        async def failing(partitions: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                raise BrokerUnavailable("no answer")
            return await ends(partitions)

        monkeypatch.setattr(broker.admin(), "ends", failing)
        result = await replay(broker, plan, replay_id="r", clock=clock)
        monkeypatch.undo()
        assert result == expected
        assert len(replays(broker)) == expected.tally.written

    run_virtual(main)


def test_a_cancelled_replay_goes_on_as_well() -> None:
    async def main(clock: VirtualClock) -> None:
        broker = await make(clock, 600)
        done: list[int] = []
        task = asyncio.ensure_future(run(broker, clock, rate=100, progress=done.append))
        await asyncio.sleep(2.5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert sum(done) == 300
        await run(broker, clock, "r2")
        assert sorted(int(record.value or b"") for record in replays(broker)) == list(range(600))

    run_virtual(main)


def test_a_refused_record_is_named_and_the_others_go_on() -> None:
    async def main(clock: VirtualClock) -> None:
        broker = await make(clock, 3, Scripted({1: Outcome.REFUSED}))
        result = await run(broker, clock)
        assert (result.tally.written, result.tally.refusals, result.tally.interrupted) == (2, 1, "")
        assert result.tally.refused[0].startswith(f"{GROUP}.dlt/0@1: not authorised")
        assert await waiting(broker) == [1]

    run_virtual(main)


@pytest.mark.parametrize(("rate", "seconds"), [(10, 9.9), (0.5, 198), (1000, 0), (None, 0)])
def test_the_rate_is_held(rate: float | None, seconds: float) -> None:
    async def main(clock: VirtualClock) -> None:
        broker = await make(clock, 100)
        began = clock.monotonic()
        await run(broker, clock, rate=rate)
        took = clock.monotonic() - began
        assert seconds * 0.9 <= took <= seconds * 1.01 + 0.01
        if rate:
            stamps = sorted(record.timestamp for record in replays(broker))
            busiest = max(sum(at <= other < at + 1000 for other in stamps) for at in stamps)
            assert busiest <= max(1, rate)

    run_virtual(main)


def test_progress_counts_every_entry() -> None:
    async def main(clock: VirtualClock) -> None:
        broker = await make(clock, 450)
        done: list[int] = []
        await run(broker, clock, progress=done.append)
        assert done == [200, 200, 50]

    run_virtual(main)


def test_two_operators_at_the_same_moment_are_told() -> None:
    async def main(clock: VirtualClock) -> None:
        broker = await make(clock, 10)
        plans: list[ReplayPlan] = [await plan_replay(broker, GROUP) for _ in range(2)]
        one, other = await asyncio.gather(
            *(replay(broker, plan, replay_id=f"r{at}", clock=clock) for at, plan in enumerate(plans))
        )
        twice = len(replays(broker)) - 10
        assert twice == 10  # both looked before either wrote: the race the module describes
        assert (one.contested, other.contested) == (10, 10)

    run_virtual(main)


def test_a_second_operator_a_window_later_passes_over_what_the_first_wrote() -> None:
    async def main(clock: VirtualClock) -> None:
        broker = await make(clock, 100)
        plans = [await plan_replay(broker, GROUP) for _ in range(2)]

        async def operator(at: int) -> Result:
            await asyncio.sleep(at * 0.5)
            return await replay(broker, plans[at], replay_id=f"r{at}", rate=10, clock=clock)

        one, other = await asyncio.gather(operator(0), operator(1))
        assert one.tally.written + other.tally.written == 100
        assert one.tally.passed_over + other.tally.passed_over == 100
        assert (one.contested, other.contested) == (0, 0)
        assert len(replays(broker)) == 100

    run_virtual(main)


def test_a_follower_reads_what_is_new_and_never_its_own() -> None:
    async def main(clock: VirtualClock) -> None:
        broker = InMemoryBroker(clock)
        await broker.admin().create_topics([NewTopic("t", 2)])
        producer = broker.producer()
        follower = Follower(broker, "t")
        read: list[list[bytes | None]] = []

        async def look() -> None:
            read.append([record.value async for record in follower.fresh()])

        await producer.send(Outgoing("t", None, b"theirs 1", partition=0))
        await look()
        follower.wrote(await producer.send(Outgoing("t", None, b"ours 1", partition=0)))
        await producer.send(Outgoing("t", None, b"theirs 2", partition=0))
        follower.wrote(await producer.send(Outgoing("t", None, b"ours 2", partition=0)))
        follower.wrote(await producer.send(Outgoing("t", None, b"ours 3", partition=1)))
        await look()
        await producer.send(Outgoing("t", None, b"theirs 3", partition=0))
        await look()
        assert read == [[b"theirs 1"], [b"theirs 2"], [b"theirs 3"]]

    run_virtual(main)


def test_a_discard_marker_has_no_value_and_says_so() -> None:
    async def main(clock: VirtualClock) -> None:
        broker = await make(clock, 2)
        result = await discard(
            broker, await select(broker, GROUP, filters=Filters(id="run-1")), replay_id="d", clock=clock
        )
        assert result.tally == Tally(written=1)
        (marker,) = replays(broker)
        assert (marker.key, marker.value, marker.partition) == (b"k", None, 1)
        assert dict(marker.headers) == {
            wire.RUN_ID: b"run-1",
            wire.REPLAY_ID: b"d",
            wire.DLT_POSITION: b"desk.triage.dlt/0@1",
            wire.DISCARDED: b"1",
        }
        assert (await plan_replay(broker, GROUP)).count == 1
        assert await waiting(broker) == [0]

    run_virtual(main)


def test_without_the_replay_topic_nothing_is_planned() -> None:
    async def main(clock: VirtualClock) -> None:
        broker = await make(clock, 1)
        await broker.admin().delete_topics([f"{GROUP}.replay"])
        with pytest.raises(TopicMissing, match=r"desk\.triage\.replay"):
            await plan_replay(broker, GROUP)

    run_virtual(main)
