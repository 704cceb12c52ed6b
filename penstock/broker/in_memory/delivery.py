"""What one member reads: a position per partition, handed over in batches as demand and pauses allow."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from penstock.broker.contract import GroupListener
from penstock.broker.in_memory.faults import Faults, Outcome
from penstock.broker.in_memory.log import Log
from penstock.record import Record, TopicPartition

BATCH: Final = 500  # records handed over at once, at most
FETCH_RETRY: Final = 0.1  # seconds until a failed fetch is tried again, at least


@dataclass(slots=True)
class Flow:
    """One partition being read."""

    position: int
    paused: bool = False


class Delivery:
    """The fetching side of one member. Everything happens on the loop; at most one fetch is under way."""

    def __init__(self, client_id: str, log: Log, faults: Faults | None) -> None:
        self._client_id = client_id
        self._log = log
        self._faults = faults
        self._listener: GroupListener | None = None
        self._flows: dict[TopicPartition, Flow] = {}
        self._demand = 0
        self._held = False
        self._fetching = False
        self._broken = False

    def begin(self, listener: GroupListener) -> None:
        """Records go to this listener."""
        self._listener = listener

    def end(self) -> None:
        """Read nothing more and call nobody back."""
        self._listener = None
        self.remove(self.partitions)

    @property
    def partitions(self) -> list[TopicPartition]:
        """What the listener was told to have."""
        return list(self._flows)

    def ends(self) -> Mapping[TopicPartition, int]:
        """The log ends of those partitions."""
        found = {at: self._log.partition(at) for at in self._flows}
        return {at: partition.high for at, partition in found.items() if partition is not None}

    def add(self, at: TopicPartition, position: int) -> None:
        """A partition is being assigned: it may be paused already, and is read once the listener's call is over."""
        self._flows[at] = Flow(position)
        self._log.watch(at, self.look)

    def remove(self, partitions: Iterable[TopicPartition]) -> None:
        """Read these no longer; unknown ones are ignored."""
        for at in list(partitions):
            if self._flows.pop(at, None) is not None:
                self._log.unwatch(at, self.look)

    def hold(self) -> None:
        """Deliver nothing: the listener is in one of its assignment calls."""
        self._held = True

    def go_on(self) -> None:
        """Undo `hold`."""
        self._held = False
        self.look()

    def demand(self, records: int) -> None:
        """How many more records may be delivered."""
        self._demand = max(records, 0)
        self.look()

    def pause(self, partitions: Collection[TopicPartition]) -> None:
        """Deliver nothing of these."""
        for at in partitions:
            if at in self._flows:
                self._flows[at].paused = True

    def resume(self, partitions: Collection[TopicPartition]) -> None:
        """Deliver them again, right after the last record delivered."""
        for at in partitions:
            if at in self._flows:
                self._flows[at].paused = False
        self.look()

    def look(self) -> None:
        """Something changed: fetch soon, if there is anything to deliver."""
        if self._fetching or self._held or self._demand <= 0 or self._listener is None:
            return
        waiting = self._waiting()
        if not waiting:
            return
        fate = self._faults.fetch(self._client_id, waiting) if self._faults else None
        loop = asyncio.get_running_loop()
        self._fetching = True
        if fate is None or (fate.outcome is Outcome.DONE and fate.delay <= 0):
            self._broken = False
            loop.call_soon(self._deliver)
        elif fate.outcome is Outcome.DONE:
            self._broken = False
            loop.call_later(fate.delay, self._deliver)
        else:
            self._disturb()
            loop.call_later(max(fate.delay, FETCH_RETRY), self._try_again)

    def _waiting(self) -> list[TopicPartition]:
        return [at for at, flow in self._flows.items() if not flow.paused and self._has_news(at, flow)]

    def _has_news(self, at: TopicPartition, flow: Flow) -> bool:
        partition = self._log.partition(at)
        return partition is not None and (flow.position != partition.high or flow.position < partition.low)

    def _try_again(self) -> None:
        self._fetching = False
        self.look()

    def _disturb(self) -> None:
        if not self._broken and self._listener is not None:
            self._broken = True
            self._listener.disturbed("fetching failed: the broker is away")

    def _deliver(self) -> None:
        self._fetching = False
        if self._held or self._listener is None:
            return
        batch: list[Record] = []
        for at in self._waiting():
            room = min(BATCH, self._demand) - len(batch)
            if room <= 0:
                break
            batch.extend(self._read(at, room))
        if batch and self._listener is not None:
            self._demand -= len(batch)
            self._listener.received(batch)
        self.look()

    def _read(self, at: TopicPartition, room: int) -> Collection[Record]:
        """The next records of one partition, which then goes to the end of the queue of partitions."""
        if at not in self._flows:  # a listener that was just told of a truncation may have ended it all
            return []
        flow = self._flows.pop(at)
        self._flows[at] = flow
        log = self._log.existing(at)
        if flow.position < log.low:
            lost, flow.position = log.low - flow.position, log.low
            self._tell_truncated(at, flow.position, lost)
        elif flow.position > log.high:  # the topic was made anew: all of it is unread
            flow.position = log.low
            self._tell_truncated(at, flow.position, 0)
        found = log.read(flow.position, room)
        flow.position = found[-1].offset + 1 if found and len(found) == room else log.high
        return found

    def _tell_truncated(self, at: TopicPartition, next_offset: int, lost: int) -> None:
        if self._listener is not None:
            self._listener.truncated(at, next_offset, lost)
