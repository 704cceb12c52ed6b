"""Which dead letters were replayed or discarded already: the replay topic is the memory, and the only one.

A record of `<group>.replay` that carries `penstock-dlt-position` settles the entry that stood there. The run id is
compared too: offsets begin anew when somebody deletes the dead letter topic, and an old note must not hide a new
entry.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import NamedTuple

from penstock import headers as wire
from penstock.broker.contract import Broker
from penstock.dead_letter.ranges import whole
from penstock.record import Headers, Position, Record, TopicPartition, parse_position
from penstock.topology.derived import replay_topic


class Follower:
    """Reads one topic to its end as it is now; asked again, only what others wrote since."""

    def __init__(self, broker: Broker, topic: str) -> None:
        self._broker = broker
        self._topic = topic
        self._next: dict[TopicPartition, int] = {}
        self._own: set[Position] = set()
        self.partitions = 0  # of the topic, as of the last look

    async def skip(self) -> None:
        """Begin at the end as it is now. Raises TopicMissing."""
        found = await whole(self._broker.admin(), self._topic)
        self.partitions = len(found)
        self._next = {partition: high for partition, (_, high) in found.items()}

    async def fresh(self) -> AsyncIterator[Record]:
        """What is there and was not yielded yet. Raises TopicMissing."""
        found = await whole(self._broker.admin(), self._topic)
        self.partitions = len(found)
        ranges = {}
        for partition, (low, high) in found.items():
            first = self._past_own(partition, max(self._next.get(partition, low), low))
            if first < high:
                ranges[partition] = (first, high)
            self._next[partition] = max(first, high)
        if not ranges:
            return
        async for record in self._broker.reader().scan(ranges):
            if record.position in self._own:
                self._own.discard(record.position)
            else:
                yield record

    def wrote(self, position: Position) -> None:
        """This record is our own: it need not be read again."""
        self._own.add(position)

    def _past_own(self, partition: TopicPartition, first: int) -> int:
        at = Position(*partition, first)
        while at in self._own:
            self._own.discard(at)
            at = Position(*partition, at.offset + 1)
        return at.offset


class Mark(NamedTuple):
    """One note of the replay topic about one entry."""

    run_id: str | None
    replay_id: str | None
    discarded: bool


class Handled:
    """The entries of one group that need not be offered again. `refresh` before asking.

    `replayable` False: the group is a source's, whose dead letters were never records; it has no replay topic.
    """

    def __init__(self, broker: Broker, group_id: str, *, replayable: bool = True) -> None:
        self._replayable = replayable
        self._replayed = Follower(broker, replay_topic(group_id))
        self._marks: dict[Position, tuple[Mark, ...]] = {}

    @property
    def partitions(self) -> int:
        """How many partitions the replay topic has."""
        return self._replayed.partitions

    async def refresh(self) -> None:
        """Read what came to the replay topic since the last time. Raises TopicMissing."""
        if not self._replayable:
            return
        async for record in self._replayed.fresh():
            self.note(record.headers)

    def of(self, position: Position, run_id: str | None) -> tuple[Mark, ...]:
        """The notes about one entry, oldest first; empty while it waits."""
        return tuple(mark for mark in self._marks.get(position, ()) if mark.run_id == run_id)

    def note(self, headers: Headers) -> None:
        """Remember what a record of the replay topic says."""
        position = parse_position(wire.text(headers, wire.DLT_POSITION) or "")
        if position is None:
            return
        discarded = any(name == wire.DISCARDED for name, _ in headers)
        mark = Mark(wire.text(headers, wire.RUN_ID), wire.text(headers, wire.REPLAY_ID), discarded)
        self._marks[position] = (*self._marks.get(position, ()), mark)

    def wrote(self, at: Position) -> None:
        """The record at `at` is our own, and noted already."""
        self._replayed.wrote(at)

    def contested(self, replay_id: str) -> int:
        """How many entries `replay_id` wrote that another command wrote as well."""
        return sum(
            any(mark.replay_id == replay_id for mark in marks) and any(mark.replay_id != replay_id for mark in marks)
            for marks in self._marks.values()
        )
