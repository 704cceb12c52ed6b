"""What the poll thread knows of each assigned partition, and how messages become records. The hot loop is here."""

from __future__ import annotations

from collections.abc import Iterable, MutableSequence
from typing import Any, Final, TypeAlias

from confluent_kafka import Message

from penstock.broker.kafka.received import Received
from penstock.record import Record, TopicPartition

NO_EPOCH: Final = -1  # the client's own word for a leader epoch that is not known


class Slot:
    """One assigned partition: `next` is the offset expected next, `last` the last message taken.

    `broken` is set while reading must begin anew at `next`: nothing may be taken until it has.
    """

    __slots__ = ("_epoch", "_epoch_of", "broken", "end", "last", "next", "source", "topic")

    def __init__(self, source: TopicPartition, start: int, end: int, leader_epoch: int | None) -> None:
        self.source = source
        self.topic = source.topic
        self.next = start
        self.end = end
        self.last: Message[Any, Any] | None = None
        self.broken = False
        self._epoch = NO_EPOCH if leader_epoch is None else leader_epoch
        self._epoch_of = start

    def leader_epoch(self, offset: int) -> int:
        """The leader epoch to commit beside `offset`; NO_EPOCH where none is known."""
        if self.last is not None:
            epoch = self.last.leader_epoch()
            return NO_EPOCH if epoch is None else epoch
        return self._epoch if offset == self._epoch_of else NO_EPOCH

    def restart(self, offset: int) -> None:
        """Reading goes on at `offset`; what was known of the log behind it is void."""
        self.next = offset
        self.last = None
        self._epoch = NO_EPOCH


Slots: TypeAlias = dict[tuple[str, int], Slot]


def convert(
    messages: Iterable[Message[Any, Any]], slots: Slots, errors: MutableSequence[Message[Any, Any]]
) -> tuple[list[Record], set[TopicPartition], int]:
    """Records of assigned partitions, the partitions they are of, and how many messages were stale.

    Stale is what belongs to no slot, or lies below what its slot expects. Messages that are errors go to `errors`.
    """
    records: list[Record] = []
    append = records.append
    partitions: set[TopicPartition] = set()
    slot: Slot | None = None
    topic, partition, stale = "", -1, 0
    for message in messages:
        if message.error() is not None:
            errors.append(message)
            continue
        if message.partition() != partition or message.topic() != topic:
            topic, partition = message.topic(), message.partition()  # type: ignore[assignment]  # no error: both are set
            slot = slots.get((topic, partition))
            if slot is not None and slot.broken:
                slot = None
            if slot is not None:
                partitions.add(slot.source)
        offset: int = message.offset()  # type: ignore[assignment]
        if slot is None or offset < slot.next:
            stale += 1
            continue
        slot.next = offset + 1
        slot.last = message
        append(Received(slot.source, offset, message))
    return records, partitions, stale
