"""Dead letters are listed as what they are, found by every filter, and left out once they are settled."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from penstock import headers as wire
from penstock.broker.contract import NewTopic
from penstock.broker.in_memory import InMemoryBroker
from penstock.dead_letter.discard import discard
from penstock.dead_letter.entries import DeadLetter, Filters, list_entries, look
from penstock.dead_letter.replay import plan_replay, replay
from penstock.dead_letter.selection import select
from penstock.errors import TopicMissing
from penstock.event import Origin
from penstock.record import Outgoing, Position
from penstock.testing.virtual_time import VirtualClock, run_virtual

GROUP = "desk.triage"
START_MS = 1_700_000_000_000


def letter_headers(number: int, **ours: Any) -> list[tuple[str, bytes | None]]:
    said: dict[str, Any] = {
        wire.RUN_ID: f"run-{number}",
        wire.ATTEMPT: 5,
        wire.GROUP: GROUP,
        wire.REASON: "exhausted",
        wire.ERROR_TYPE: "model.Overloaded",
        wire.ERROR_MESSAGE: "too busy",
        wire.ERROR_FINGERPRINT: "00ff00ff00ff00ff",
        wire.FIRST_FAILURE: 1_699_999_000_000,
        wire.ORIGIN_TOPIC: "tickets",
        wire.ORIGIN_PARTITION: number % 3,
        wire.ORIGIN_OFFSET: 100 + number,
        wire.ORIGIN_TIMESTAMP: 1_699_998_000_000,
    } | {f"penstock-{name.replace('_', '-')}": value for name, value in ours.items()}
    foreign = [wire.line(wire.CE_ID, f"e{number}"), wire.line(wire.CE_TYPE, "ticket.created")]
    return [*foreign, *(wire.line(name, value) for name, value in said.items() if value is not None)]


async def broker_with(clock: VirtualClock, letters: list[list[tuple[str, bytes | None]]]) -> InMemoryBroker:
    broker = InMemoryBroker(clock)
    await broker.admin().create_topics([NewTopic(f"{GROUP}.dlt", 1), NewTopic(f"{GROUP}.replay", 3)])
    producer = broker.producer()
    for number, headers in enumerate(letters):
        await producer.send(Outgoing(f"{GROUP}.dlt", f"k{number}".encode(), b'{"a":1}', headers))
        await asyncio.sleep(1)
    return broker


async def listed(broker: InMemoryBroker, filters: Filters | None = None, **kwargs: Any) -> list[DeadLetter]:
    return [letter async for letter in list_entries(broker, GROUP, filters=filters or Filters(), **kwargs)]


def test_an_entry_says_everything_its_headers_say() -> None:
    async def main(clock: VirtualClock) -> None:
        broker = await broker_with(clock, [letter_headers(0, replay_count=2)])
        (letter,) = await listed(broker)
        assert letter == DeadLetter(
            position=Position(f"{GROUP}.dlt", 0, 0),
            time=START_MS,
            key=b"k0",
            reason="exhausted",
            error_type="model.Overloaded",
            error_message="too busy",
            fingerprint="00ff00ff00ff00ff",
            group=GROUP,
            run_id="run-0",
            event_id="e0",
            event_type="ticket.created",
            origin=Origin("tickets", 0, 100, 1_699_998_000_000),
            first_failure=1_699_999_000_000,
            attempts=5,
            replay_count=2,
            size=9,
            record=letter.record,
        )

    run_virtual(main)


def test_a_record_nobody_described_is_listed_too() -> None:
    async def main(clock: VirtualClock) -> None:
        broker = await broker_with(clock, [[]])
        (letter,) = await listed(broker)
        assert (letter.reason, letter.run_id, letter.origin, letter.attempts) == ("", None, None, 0)
        assert letter.event_id == f"{GROUP}.dlt/0@0"

    run_virtual(main)


def test_the_type_is_the_declared_one_or_the_structured_envelopes() -> None:
    async def main(clock: VirtualClock) -> None:
        bare = [pair for pair in letter_headers(0) if not pair[0].startswith("ce_")]
        broker = await broker_with(clock, [bare])
        structured = [*bare, ("content-type", b"application/cloudevents+json")]
        value = b'{"specversion":"1.0","id":"s1","type":"ticket.closed","source":"crm","data":{}}'
        await broker.producer().send(Outgoing(f"{GROUP}.dlt", None, value, structured))
        first, second = await listed(broker, declared={"tickets": "ticket.created"})
        assert (first.event_type, first.event_id) == ("ticket.created", "tickets/0@100")
        assert (second.event_type, second.event_id) == ("ticket.closed", "s1")

    run_virtual(main)


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        (Filters(), [0, 1, 2]),
        (Filters(reason="rejected"), [1]),
        (Filters(error="Overloaded"), [0, 1]),
        (Filters(error="model.Overloaded"), [0, 1]),
        (Filters(error="loaded"), []),
        (Filters(fingerprint="abc"), [2]),
        (Filters(type="ticket.created"), [0, 1, 2]),
        (Filters(type="ticket.closed"), []),
        (Filters(key=b"k1"), [1]),
        (Filters(since=START_MS + 1000), [1, 2]),
        (Filters(until=START_MS + 1000), [0]),
        (Filters(since=START_MS + 1000, until=START_MS + 2000), [1]),
        (Filters(id="e2"), [2]),
        (Filters(id="run-1"), [1]),
        (Filters(position=Position(f"{GROUP}.dlt", 0, 1)), [1]),
        (Filters(position=Position(f"{GROUP}.dlt", 0, 9)), []),
        (Filters(position=Position(f"{GROUP}.dlt", 7, 1)), []),
        (Filters(limit=2), [0, 1]),
        (Filters(reason="exhausted", limit=1), [0]),
    ],
)
def test_filters(filters: Filters, found: list[int]) -> None:
    async def main(clock: VirtualClock) -> None:
        letters = [
            letter_headers(0),
            letter_headers(1, reason="rejected"),
            letter_headers(2, error_type="builtins.KeyError", error_fingerprint="abc"),
        ]
        broker = await broker_with(clock, letters)
        assert [letter.position.offset for letter in await listed(broker, filters)] == found

    run_virtual(main)


def test_what_was_replayed_or_discarded_is_not_listed() -> None:
    async def main(clock: VirtualClock) -> None:
        broker = await broker_with(clock, [letter_headers(number) for number in range(3)])
        await replay(broker, await plan_replay(broker, GROUP, filters=Filters(id="e0")), replay_id="r", clock=clock)
        await discard(broker, await select(broker, GROUP, filters=Filters(id="e2")), replay_id="d", clock=clock)
        assert [letter.event_id for letter in await listed(broker)] == ["e1"]
        states = []
        for offset in range(3):
            found = await look(broker, GROUP, Position(f"{GROUP}.dlt", 0, offset))
            assert found is not None
            states.append([(mark.replay_id, mark.discarded) for mark in found[1]])
        assert states == [[("r", False)], [], [("d", True)]]

    run_virtual(main)


def test_a_note_about_another_run_at_the_same_offset_hides_nothing() -> None:
    """Somebody deleted the dead letter topic and it was made anew: its offsets begin at 0 again."""

    async def main(clock: VirtualClock) -> None:
        broker = await broker_with(clock, [letter_headers(0)])
        await replay(broker, await plan_replay(broker, GROUP), replay_id="r", clock=clock)
        await broker.admin().delete_topics([f"{GROUP}.dlt"])
        await broker.admin().create_topics([NewTopic(f"{GROUP}.dlt", 1)])
        await broker.producer().send(Outgoing(f"{GROUP}.dlt", b"k", b"{}", letter_headers(7)))
        assert [letter.event_id for letter in await listed(broker)] == ["e7"]

    run_virtual(main)


def test_look_finds_nothing_where_nothing_stands() -> None:
    async def main(clock: VirtualClock) -> None:
        broker = await broker_with(clock, [])
        assert await look(broker, GROUP, Position(f"{GROUP}.dlt", 0, 0)) is None

    run_virtual(main)


def test_a_missing_topic_is_named() -> None:
    async def main(clock: VirtualClock) -> None:
        with pytest.raises(TopicMissing, match=r"desk\.triage\.replay"):
            await listed(InMemoryBroker(clock))

    run_virtual(main)
