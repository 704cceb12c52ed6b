"""One entry of a dead letter topic as a value, which entries are asked for, and the list of those that still wait."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field

from penstock import headers as wire
from penstock.broker.contract import Broker
from penstock.dead_letter.handled import Handled, Mark
from penstock.dead_letter.ranges import At, Ranges, between, whole
from penstock.errors import Undecodable
from penstock.event import Origin
from penstock.record import Headers, Position, Record
from penstock.schema import structured
from penstock.topology.derived import dead_letter_topic
from penstock.topology.model import Topology

Declared = Mapping[str, str]  # event type of a topic's records that name none themselves


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A run that was given up: why, and where its record first stood. Times are epoch milliseconds.

    `origin` is None for a record that no worker wrote; such a one cannot be replayed. `size` counts bytes of key
    and value. Texts are '' where the record does not say.
    """

    position: Position
    time: int
    key: bytes | None
    reason: str
    error_type: str
    error_message: str
    fingerprint: str
    group: str
    run_id: str | None
    event_id: str
    event_type: str
    origin: Origin | None
    first_failure: int | None
    attempts: int
    replay_count: int
    size: int
    record: Record = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Filters:
    """Which entries are meant; None asks for nothing. `since` and `until` bound the time of giving up, in ms.

    `error` is the type with or without its module; `key` is compared as bytes; `id` is the event id or the run id.
    """

    reason: str | None = None
    error: str | None = None
    fingerprint: str | None = None
    type: str | None = None
    key: bytes | None = None
    since: int | None = None
    until: int | None = None
    id: str | None = None
    position: Position | None = None
    limit: int | None = None

    def match(self, letter: DeadLetter) -> bool:
        """Whether the entry is meant; `limit` is not looked at."""
        return (
            self.reason in {None, letter.reason}
            and (self.error is None or self.error in {letter.error_type, letter.error_type.rpartition(".")[2]})
            and self.fingerprint in {None, letter.fingerprint}
            and self.type in {None, letter.event_type}
            and self.key in {None, letter.key}
            and (self.since is None or letter.time >= self.since)
            and (self.until is None or letter.time < self.until)
            and self.id in {None, letter.event_id, letter.run_id}
            and self.position in {None, letter.position}
        )


EVERYTHING = Filters()
NOTHING_DECLARED: Declared = {}


def declared_types(topology: Topology) -> Declared:
    """The declared type of each topic that has one."""
    return {name: topic.type for name, topic in topology.topics.items() if topic.type}


async def list_entries(
    broker: Broker,
    group_id: str,
    *,
    filters: Filters = EVERYTHING,
    declared: Declared = NOTHING_DECLARED,
    replayable: bool = True,
) -> AsyncGenerator[DeadLetter, None]:
    """The entries that wait in the group's dead letter topic now, oldest first within a partition.

    What was replayed or discarded is left out. `replayable` False: the group is a source's, and all of it waits.
    Raises TopicMissing where the dead letter or replay topic is missing.
    """
    handled = Handled(broker, group_id, replayable=replayable)
    await handled.refresh()
    found = 0
    async with aclosing(read(broker, await stretch(broker, group_id, filters), declared)) as letters:
        async for letter in letters:
            if filters.limit is not None and found >= filters.limit:
                return
            if filters.match(letter) and not handled.of(letter.position, letter.run_id):
                found += 1
                yield letter


async def stretch(broker: Broker, group_id: str, filters: Filters = EVERYTHING) -> Ranges:
    """The part of the dead letter topic that must be read for these filters."""
    admin = broker.admin()
    everything = await whole(admin, dead_letter_topic(group_id))
    at = filters.position
    if at is not None:
        first, last = everything.get(at.source, (0, 0))
        inside = first <= at.offset < last
        return {at.source: (at.offset, at.offset + 1)} if inside else {}
    # `until` cannot cut the end: times in a log are the writers' own and need not grow.
    return everything if filters.since is None else await between(admin, everything, At(filters.since), None)


async def read(
    broker: Broker, ranges: Ranges, declared: Declared = NOTHING_DECLARED
) -> AsyncGenerator[DeadLetter, None]:
    """Every entry of these ranges, handled or not."""
    wanted = {partition: bounds for partition, bounds in ranges.items() if bounds[0] < bounds[1]}
    if wanted:
        async with aclosing(broker.reader().scan(wanted)) as records:
            async for record in records:
                yield dead_letter(record, declared)


async def look(
    broker: Broker,
    group_id: str,
    position: Position,
    declared: Declared = NOTHING_DECLARED,
    *,
    replayable: bool = True,
) -> tuple[DeadLetter, tuple[Mark, ...]] | None:
    """The entry at a position, and what the replay topic says of it (nothing: it waits); None where there is none."""
    handled = Handled(broker, group_id, replayable=replayable)
    await handled.refresh()
    found = None
    async for letter in read(broker, await stretch(broker, group_id, Filters(position=position)), declared):
        found = letter, handled.of(letter.position, letter.run_id)  # one record; to the end, so that the scan is closed
    return found


def dead_letter(record: Record, declared: Declared = NOTHING_DECLARED) -> DeadLetter:
    """A record of a dead letter topic as an entry; whatever it lacks is '' or None, never an error."""
    headers = record.headers
    origin = origin_of(headers)
    stood = Position(origin.topic, origin.partition, origin.offset) if origin else record.position
    attributes = in_binary_mode(record).headers
    return DeadLetter(
        position=record.position,
        time=record.timestamp,
        key=record.key,
        reason=wire.text(headers, wire.REASON) or "",
        error_type=wire.text(headers, wire.ERROR_TYPE) or "",
        error_message=wire.text(headers, wire.ERROR_MESSAGE) or "",
        fingerprint=wire.text(headers, wire.ERROR_FINGERPRINT) or "",
        group=wire.text(headers, wire.GROUP) or "",
        run_id=wire.text(headers, wire.RUN_ID),
        event_id=wire.text(attributes, wire.CE_ID) or str(stood),
        event_type=wire.text(attributes, wire.CE_TYPE) or declared.get(stood.topic, ""),
        origin=origin,
        first_failure=wire.number(headers, wire.FIRST_FAILURE),
        attempts=wire.number(headers, wire.ATTEMPT) or 0,
        replay_count=wire.number(headers, wire.REPLAY_COUNT) or 0,
        size=record.size,
        record=record,
    )


def origin_of(headers: Headers) -> Origin | None:
    """Where the record first stood, by its origin headers; None where one of them is missing."""
    topic = wire.text(headers, wire.ORIGIN_TOPIC)
    partition = wire.number(headers, wire.ORIGIN_PARTITION)
    offset = wire.number(headers, wire.ORIGIN_OFFSET)
    timestamp = wire.number(headers, wire.ORIGIN_TIMESTAMP)
    if topic is None or partition is None or offset is None or timestamp is None:
        return None
    return Origin(topic, partition, offset, timestamp)


def in_binary_mode(record: Record) -> Record:
    """The record with its CloudEvents attributes as headers, also where it was sent in structured mode."""
    content_type = record.header(wire.CONTENT_TYPE)
    if content_type is None or not structured.is_structured(content_type):
        return record
    try:
        return structured.as_binary(record, structured.envelope(record, content_type))
    except Undecodable:  # a broken envelope names no attributes; it is listed and replayed all the same
        return record
