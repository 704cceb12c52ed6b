"""One id walks up and down: an event, a run or a position, and everything before and after it, from the record of runs.

All events of one chain carry the correlation id of the first. So the id is looked for once, and then the chain is read.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final

from penstock import headers as wire
from penstock.broker.contract import Broker
from penstock.errors import PenstockError
from penstock.event import Event
from penstock.record import Position, Record, TopicPartition, parse_position
from penstock.runs import fields
from penstock.runs.decoding import RanAttempt
from penstock.runs.lineage import TracedEvent, lineage
from penstock.runs.reading import Scan, scan_runs
from penstock.schema.codec import Codec
from penstock.schema.envelope import Opener
from penstock.topology.model import Topology

MOST_ATTEMPTS: Final = 20_000
_FARTHEST: Final = 5000  # records of one partition that are read for the names of events that nobody handled


@dataclass(frozen=True, slots=True)
class Trace:
    """The chain an id belongs to. `events` are its roots, `asked` the id as given.

    `complete` is False where the chain has more attempts than are kept in memory, or the record of runs no longer
    reaches back to its first event. `unreadable` are batches of another version.
    """

    asked: str
    events: tuple[TracedEvent, ...]
    complete: bool
    unreadable: int

    @property
    def attempts(self) -> tuple[RanAttempt, ...]:
        """All of the chain."""
        return tuple(one for event in self.events for one in event.attempts())

    @property
    def cost(self) -> float | None:
        """Of the whole chain; None where no attempt named any."""
        known = [cost for one in self.attempts if (cost := one.cost) is not None]
        return sum(known) if known else None


class NoTrace(PenstockError):
    """Nothing is known of an id."""


async def trace(topology: Topology, broker: Broker, asked: str, *, since: int | None = None) -> Trace:
    """The chain of an event id, run id, correlation id or position (`topic/0@12`).

    `since` (epoch ms) bounds how far back the record is read. Raises NoTrace, TopicMissing, BrokerUnavailable.
    """
    scan = Scan()
    position = parse_position(asked)
    chains = await _chains(topology, broker, asked, since, scan)
    record: Record | None = None
    if not chains and position is not None:
        record = (await _records_at(broker, [position])).get(position)
        if record is not None:
            chains = {_glance(topology, record).correlation_id}
    attempts, complete = await _attempts(topology, broker, chains, since)
    events = lineage(attempts)
    if not events and record is not None:
        event = _glance(topology, record)
        events = [TracedEvent(event.id, event.type, str(event.position))]
    if not events:
        raise NoTrace(
            f"nothing is known of {asked}",
            "give an event id, a run id or a position such as tickets.new/0@12; `penstock runs ls` lists what ran, "
            f"for {topology.runs.retention / 86400:g} days back",
        )
    await _look_at(topology, broker, events)
    return Trace(asked, tuple(events), complete and len(events) == 1, scan.unreadable)


async def _chains(topology: Topology, broker: Broker, asked: str, since: int | None, scan: Scan) -> set[str]:
    """The correlation ids of whatever the id names."""
    found = scan_runs(topology, broker, lambda _, one: _names(one, asked), since=since, needles=(asked,), scan=scan)
    async with aclosing(found) as attempts:
        return {attempt.correlation_id async for attempt in attempts}


def _names(found: Mapping[str, Any], asked: str) -> bool:
    get = found.get
    single = (fields.EVENT, fields.RUN, fields.CORRELATION, fields.AT, fields.ORIGIN, fields.REPLAYED_FROM)
    return any(get(name) == asked for name in single) or asked in get(fields.SENT, ())


async def _attempts(
    topology: Topology, broker: Broker, chains: Collection[str], since: int | None
) -> tuple[list[RanAttempt], bool]:
    """Every attempt of these chains, as far as memory is meant to go, and whether that is all."""
    if not chains:
        return [], True

    def belongs(_: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
        return found.get(fields.CORRELATION, found.get(fields.EVENT)) in chains

    kept: list[RanAttempt] = []
    async with aclosing(scan_runs(topology, broker, belongs, since=since, needles=chains)) as attempts:
        async for attempt in attempts:
            if len(kept) >= MOST_ATTEMPTS:
                return kept, False
            kept.append(attempt)
    return kept, True


async def _look_at(topology: Topology, broker: Broker, roots: list[TracedEvent]) -> None:
    """Learn from the records themselves where a chain began, and what is sent and not handled."""
    wanted = {event.position: event for event in roots}
    for root in roots:
        wanted |= {event.position: event for event in root.events() if not event.id}
    for event in wanted.values():
        topic = event.position.rpartition("/")[0]
        event.readers = tuple(one.name for one in topology.processors.values() if topic in one.topics)
    places = [parse_position(place) for place in wanted]
    records = await _records_at(broker, [place for place in places if place is not None])
    for place, record in records.items():
        seen, event = _glance(topology, record), wanted[str(place)]
        event.id, event.type, event.source = seen.id, seen.type, seen.source
        event.written = record.timestamp / 1000


async def _records_at(broker: Broker, positions: Collection[Position]) -> dict[Position, Record]:
    """The records at these positions, as far as they are still there and near enough to each other to be read."""
    admin = broker.admin()
    topics = await admin.topics({one.topic for one in positions})
    there = [one for one in positions if one.topic in topics and one.partition < topics[one.topic].partitions]
    ends = await admin.ends({one.source for one in there})
    ranges: dict[TopicPartition, tuple[int, int]] = {}
    for one in sorted(there):
        at = one.source
        if at not in ends or not ends[at].low <= one.offset < ends[at].high:
            continue
        first, _ = ranges.get(at, (one.offset, 0))
        if one.offset - first < _FARTHEST:
            ranges[at] = (first, one.offset + 1)
    if not ranges:
        return {}
    wanted = set(positions)
    async with aclosing(broker.reader().scan(ranges)) as records:
        return {record.position: record async for record in records if record.position in wanted}


def _glance(topology: Topology, record: Record) -> Event[None]:
    """Who a record is. On a topic of a group's own, its origin is believed."""
    group = next((one.group_id for one in topology.processors.values() if record.topic.startswith(one.group_id)), "")
    own = wire.text(record.headers, wire.ORIGIN_TOPIC) is not None
    return Opener(topology, group if own else "", Codec(topology)).glance(record)
