"""A replay writes each chosen entry once, unchanged but for our own headers, and says what it will not touch."""

from __future__ import annotations

import asyncio

import pytest
from replay_stage import GROUP, make, ours, replays, run, waiting

from penstock import headers as wire
from penstock.dead_letter.discard import discard
from penstock.dead_letter.entries import Filters
from penstock.dead_letter.replay import plan_replay, replay, unknown_schema
from penstock.dead_letter.selection import select
from penstock.dead_letter.sending import Tally
from penstock.dead_letter.settling import Result
from penstock.errors import TopicMissing, Undecodable, UnknownSchema
from penstock.record import Header, Outgoing, Record
from penstock.testing.virtual_time import VirtualClock, run_virtual


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
