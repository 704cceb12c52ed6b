"""Stretches of the log: where a topic begins and ends now, and what a time, an age or an offset means in it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from penstock.broker.contract import Admin
from penstock.durations import seconds
from penstock.errors import PenstockError, TopicMissing
from penstock.record import Position, TopicPartition

Ranges = Mapping[TopicPartition, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class At:
    """A point in time, epoch milliseconds."""

    millis: int


@dataclass(frozen=True, slots=True)
class Offset:
    """A point in one partition."""

    offset: int


Point = At | Offset


async def whole(admin: Admin, topic: str) -> dict[TopicPartition, tuple[int, int]]:
    """First and next offset of every partition of `topic` now. Raises TopicMissing where there is no such topic."""
    described = (await admin.topics([topic])).get(topic)
    if described is None:
        raise TopicMissing(f"there is no topic {topic}", "`penstock apply` creates what the topology needs")
    partitions = [TopicPartition(topic, number) for number in range(described.partitions)]
    ends = await admin.ends(partitions)
    return {partition: (ends[partition].low, ends[partition].high) for partition in partitions if partition in ends}


async def between(admin: Admin, within: Ranges, first: Point | None, last: Point | None) -> Ranges:
    """The part of `within` from `first` on and before `last`; None leaves that side as it is.

    A time means the first record at or after it. An offset needs `within` to be one partition only.
    """
    lows = {} if first is None else await offsets(admin, within, first)
    highs = {} if last is None else await offsets(admin, within, last)
    cut = {}
    for partition, (low, high) in within.items():
        begin = min(max(lows.get(partition, low), low), high)
        cut[partition] = (begin, max(min(highs.get(partition, high), high), begin))
    return cut


async def offsets(admin: Admin, partitions: Collection[TopicPartition], point: Point) -> Mapping[TopicPartition, int]:
    """The offset that `point` means in each partition. Raises PenstockError for an offset among several partitions."""
    if isinstance(point, At):
        return await admin.offsets_at(partitions, point.millis)
    if len(partitions) != 1:
        raise PenstockError(
            f"offset {point.offset} could be in any of {len(partitions)} partitions",
            "name the partition, or give a time",
        )
    return dict.fromkeys(partitions, point.offset)


def spanning(positions: Iterable[Position]) -> dict[TopicPartition, tuple[int, int]]:
    """The least part of each partition in which these records stand."""
    ranges: dict[TopicPartition, tuple[int, int]] = {}
    for one in positions:
        first, last = ranges.get(one.source, (one.offset, one.offset))
        ranges[one.source] = (min(first, one.offset), max(last, one.offset + 1))
    return ranges


def widened(span: tuple[int, int] | None, at: int) -> tuple[int, int]:
    """The earliest and latest of the times so far (None: none yet) and one more."""
    return (at, at) if span is None else (min(span[0], at), max(span[1], at))


def parse_time(text: str, now: float) -> int:
    """Epoch milliseconds of an RFC 3339 time (UTC where it names no zone), or of an age such as "2h" before `now`.

    Raises ValueError for anything else.
    """
    try:
        return round((now - seconds(text)) * 1000)
    except ValueError:
        pass
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(f"not a time: {text!r} (write 2026-01-31T08:00:00Z, or an age such as 2h)") from None
    return round((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * 1000)


def parse_point(text: str, now: float) -> Point:
    """A whole number is an offset, anything else a time as in `parse_time`. Raises ValueError."""
    stripped = text.strip()
    if stripped.isascii() and stripped.isdigit():
        return Offset(int(stripped))
    return At(parse_time(stripped, now))
