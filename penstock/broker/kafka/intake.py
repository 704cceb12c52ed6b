"""The loop's side of a member: what came from the poll thread, and how much of it may be delivered now.

The figure the engine asks for is spent here, on the loop alone, so that nothing overshoots it. The poll thread only
reads `ceiling`: the count of records it may have handed over since the beginning.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Sequence
from typing import TypeAlias

from penstock.broker.contract import GroupListener
from penstock.record import Record, TopicPartition

Notice: TypeAlias = tuple[TopicPartition, Callable[[], None]]
"""Something to be said about a partition in its place between the records of that partition."""


class Intake:
    """Records on their way to the listener. Every method is called on the loop."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._listener: GroupListener | None = None
        self._allowed = 0
        self._arrived = 0
        self._waiting: deque[Record | Notice] = deque()
        self._waiting_records = 0
        self._held: dict[TopicPartition, list[Record | Notice]] = {}
        self._scheduled = False
        self.paused: set[TopicPartition] = set()
        self.paused_now: frozenset[TopicPartition] = frozenset()  # what the poll thread reads
        self.ceiling = 0

    def open(self, listener: GroupListener) -> None:
        """Begin to deliver to `listener`."""
        self._listener = listener

    def demand(self, records: int) -> None:
        """Replace the figure of records that may be delivered from now on."""
        self._allowed = max(0, records)
        self._publish()
        if self._waiting:
            self._schedule()

    def pause(self, partitions: Collection[TopicPartition]) -> None:
        """Hold back what waits of these, and what still comes."""
        self.paused.update(partitions)
        self._publish_pauses()
        if self._waiting:
            self._sort_out(list(self._waiting))

    def resume(self, partitions: Collection[TopicPartition]) -> None:
        """Let go what was held back, before anything newer of the same partitions."""
        self.paused.difference_update(partitions)
        self._publish_pauses()
        for partition in partitions:
            self._enqueue(self._held.pop(partition, []))
        self._publish()
        if self._waiting:
            self._schedule()

    def arrive(self, records: Sequence[Record], partitions: Collection[TopicPartition]) -> None:
        """A batch from the poll thread; `partitions` are those that occur in it."""
        listener = self._listener
        if listener is None:
            return
        self._arrived += len(records)
        if not self._waiting and len(records) <= self._allowed and self.paused.isdisjoint(partitions):
            self._allowed -= len(records)
            self._publish()
            listener.received(records)
            return
        self._enqueue(records)
        self._sort_out(list(self._waiting))
        self._deliver()

    def notice(self, partition: TopicPartition, say: Callable[[], None]) -> None:
        """Call `say` after the records of this partition that came before."""
        self._enqueue([(partition, say)])
        self._sort_out(list(self._waiting))
        self._deliver()

    def forget(self, partitions: Collection[TopicPartition]) -> None:
        """Drop what was not yet delivered of these: they are not ours any more, or read anew."""
        gone = set(partitions)
        self.paused -= gone
        self._publish_pauses()
        for partition in gone:
            self._held.pop(partition, None)
        if self._waiting:
            kept = [entry for entry in self._waiting if _partition_of(entry) not in gone]
            self._sort_out(kept)
        self._publish()

    def close(self) -> None:
        """Deliver nothing any more."""
        self._listener = None
        self._waiting.clear()
        self._held.clear()

    def _schedule(self) -> None:
        # Not at once: the engine is in the middle of a call of its own.
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._deliver)

    def _deliver(self) -> None:
        self._scheduled = False
        while self._waiting and self._listener is not None:
            batch: list[Record] = []
            while self._waiting and self._allowed > 0 and isinstance(head := self._waiting[0], Record):
                batch.append(head)
                self._waiting.popleft()
                self._allowed -= 1
                self._waiting_records -= 1
            if batch:
                self._listener.received(batch)
            elif isinstance(head := self._waiting[0], Record):
                break
            else:
                self._waiting.popleft()
                head[1]()
        self._publish()

    def _sort_out(self, entries: Sequence[Record | Notice]) -> None:
        """Move what is paused from the queue to its partition's own."""
        self._waiting.clear()
        self._waiting_records = 0
        if not self.paused:
            self._enqueue(entries)
        else:
            for entry in entries:
                partition = _partition_of(entry)
                if partition in self.paused:
                    self._held.setdefault(partition, []).append(entry)
                else:
                    self._enqueue([entry])
        self._publish()

    def _enqueue(self, entries: Sequence[Record | Notice]) -> None:
        self._waiting.extend(entries)
        self._waiting_records += sum(1 for entry in entries if isinstance(entry, Record))

    def _publish_pauses(self) -> None:
        if self.paused != self.paused_now:
            self.paused_now = frozenset(self.paused)
            self._wake()

    def _publish(self) -> None:
        ceiling = self._arrived + self._allowed - self._waiting_records
        if ceiling != self.ceiling:
            self.ceiling = ceiling
            self._wake()


def _partition_of(entry: Record | Notice) -> TopicPartition:
    return entry.source if isinstance(entry, Record) else entry[0]
