"""Times, ages, offsets and positions mean what people write."""

from __future__ import annotations

import pytest

from penstock.broker.contract import NewTopic
from penstock.broker.in_memory import InMemoryBroker
from penstock.dead_letter.ranges import At, Offset, between, parse_point, parse_time, whole
from penstock.errors import PenstockError, TopicMissing
from penstock.record import Outgoing, Position, TopicPartition, parse_position
from penstock.testing.virtual_time import VirtualClock, run_virtual

NOW = 1_000_000.0


@pytest.mark.parametrize(
    ("text", "millis"),
    [
        ("2h", 992_800_000),
        ("500ms", 999_999_500),
        ("1970-01-01T00:00:01Z", 1000),
        ("1970-01-01T01:00:01+01:00", 1000),
        ("1970-01-01 00:00:01", 1000),
        ("1970-01-02", 86_400_000),
    ],
)
def test_a_time_is_rfc_3339_or_an_age(text: str, millis: int) -> None:
    assert parse_time(text, NOW) == millis


def test_what_is_no_time_is_refused() -> None:
    with pytest.raises(ValueError, match="not a time: 'yesterday'"):
        parse_time("yesterday", NOW)


def test_a_whole_number_is_an_offset_and_all_else_a_time() -> None:
    assert parse_point("12", NOW) == Offset(12)
    assert parse_point("1h", NOW) == At(996_400_000)


@pytest.mark.parametrize("text", ["", "a", "a/0", "a@0", "/0@1", "a/x@1", "a/0@", "a/@1", "a/0@-1", "a/0@1.5", "a/²@1"])
def test_what_is_no_position_is_none(text: str) -> None:
    assert parse_position(text) is None


def test_a_position_is_read_as_it_is_written() -> None:
    position = Position("desk.triage.dlt", 2, 1200)
    assert parse_position(str(position)) == position


def test_ranges_are_cut_by_time_and_offset_and_never_leave_the_log() -> None:
    async def main(clock: VirtualClock) -> None:
        broker = InMemoryBroker(clock)
        admin = broker.admin()
        await admin.create_topics([NewTopic("one", 1), NewTopic("two", 2)])
        producer = broker.producer()
        for skew in range(4):
            clock.skew = skew
            await producer.send(Outgoing("one", None, b"x"))
        start = 1_700_000_000_000
        at = TopicPartition("one", 0)
        everything = await whole(admin, "one")
        assert everything == {at: (0, 4)}
        assert await between(admin, everything, At(start + 1000), At(start + 3000)) == {at: (1, 3)}
        assert await between(admin, everything, Offset(2), Offset(99)) == {at: (2, 4)}
        assert await between(admin, everything, Offset(99), None) == {at: (4, 4)}
        assert await between(admin, everything, Offset(3), Offset(1)) == {at: (3, 3)}
        with pytest.raises(PenstockError, match="2 partitions"):
            await between(admin, await whole(admin, "two"), Offset(1), None)
        with pytest.raises(TopicMissing):
            await whole(admin, "three")

    run_virtual(main)
