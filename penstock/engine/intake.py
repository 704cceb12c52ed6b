"""The intake: takes in what the broker delivers, asks for more while there is room, and pauses what fills up.

Bounds: records in flight per partition and per worker, and bytes. Full means not asking for a moment; a single
partition is paused when it alone fills its share with waiting keys, so that the others bring the asked concurrency.
Retry topics of short delays are read ahead of time, within bounds of their own: a record that is fetched when it falls
due is late, behind all that was fetched before it. A long delay is waited for with the partition paused.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from operator import attrgetter

from penstock.broker.contract import GroupMember
from penstock.clock import Clock
from penstock.engine.counters import Counters
from penstock.engine.delay_gate import DelayGate
from penstock.engine.dispatch import Dispatch
from penstock.engine.partition import PartitionState
from penstock.engine.run import Run
from penstock.engine.suspects import Suspects
from penstock.engine.valve import Valve
from penstock.engine.wire_records import not_before, read_history
from penstock.record import Record, TopicPartition

MOST_IN_FLIGHT = 20_000
MOST_BYTES = 64 << 20
MOST_AT_GATES = 10_000  # records of retry topics read ahead of their time
MOST_BYTES_AT_GATES = 16 << 20
READ_AHEAD = 30.0  # seconds: the longest delay whose topic is read ahead
_LEAST_SHARE = 64
_SOURCE, _VALUE, _RECORD, _SIZE = map(attrgetter, ("source", "value", "record", "bytes"))
_LONGEST_TIMER = 30.0  # the wall clock may jump: look again


class Intake:
    """Takes records in; `wake` lets what is ready begin."""

    def __init__(
        self,
        member: GroupMember,
        partitions: Mapping[TopicPartition, PartitionState],
        dispatch: Dispatch,
        suspects: Suspects,
        counters: Counters,
        clock: Clock,
        concurrency: int,
        wake: Callable[[], None],
        valve: Valve | None = None,
    ) -> None:
        self._member = member
        self._partitions = partitions
        self._dispatch = dispatch
        self._suspects = suspects
        self._counters = counters
        self._clock = clock
        self._wake = wake
        self._valve = valve or Valve()
        self._valve.on_turn(self._valve_turned)
        self.expect(concurrency)
        self._asked = 0
        self._paused: set[TopicPartition] = set()
        self._gates_full = False
        self.closed = False

    def expect(self, concurrency: int) -> None:
        """So many may run at once: keep enough ready for them."""
        self._ready_wanted = max(2 * concurrency, 1000)
        self._ready_least = self._ready_wanted * 3 // 4  # a wave of runs that end together must find the next one here

    def received(self, records: Sequence[Record]) -> None:
        """Take in one delivery: begin, and queue in lane, gate or among the suspects."""
        self._counters.received += len(records)
        self._asked -= len(records)
        for source, streak in groupby(records, _SOURCE):  # what is the same for a partition is done once a streak
            state = self._partitions.get(source)
            if state is None or not state.active:
                self._counters.stale_results += len(list(streak))
            else:
                self._take(list(streak), state)
                self.review(state)
        if self._asked * 2 <= self._ready_wanted or self.bytes >= MOST_BYTES:
            self.refill()
        self._wake()

    def _take(self, records: Sequence[Record], state: PartitionState) -> None:
        begun = state.tracker.begin_all(records)
        if len(begun) != len(records):
            state.dirty = True
            self._counters.already_finished += len(records) - len(begun)
        runs = [Run(record, state) for record in begun]
        if state.own:  # it carries its history
            for run in runs:
                read_history(run)
        if state.gate is None:
            self._admit(runs, state)
        else:
            self._wait_at_gate(runs, state, state.gate)

    def _wait_at_gate(self, runs: Sequence[Run], state: PartitionState, gate: DelayGate) -> None:
        """Records of a retry topic; those whose time has come already do not wait."""
        others = len(gate)
        for run in runs:
            gate.add(run)
        if not others:  # else a timer runs for the first of them
            self._release(state, gate)
        self._review_gates()

    def _release(self, state: PartitionState, gate: DelayGate) -> None:
        """Let go what is due, and look again when the next one is."""
        released = gate.release(self._clock.now())
        for run in released:
            run.due = max(run.record.timestamp / 1000 + gate.delay, not_before(run.record))
        self._admit(released, state)
        due = gate.head_due()
        if due is not None and state.active:
            wait = min(max(due - self._clock.now(), 0.0), _LONGEST_TIMER)
            asyncio.get_running_loop().call_later(wait, self._open_gate, state)

    def _review_gates(self) -> None:
        """Read on in no retry topic where records wait, while they are too many in all."""
        gates = [state.gate for state in self._partitions.values() if state.gate]
        part = 2 if self._gates_full else 1  # once too many, until half of them are gone
        full = sum(map(len, gates)) * part >= MOST_AT_GATES or sum(map(_SIZE, gates)) * part >= MOST_BYTES_AT_GATES
        if full is not self._gates_full:
            self._gates_full = full
            for state in self._partitions.values():
                if state.gate is not None:
                    self.review(state)

    def _admit(self, runs: Sequence[Run], state: PartitionState) -> None:
        state.in_flight_bytes += _bytes_of(map(_RECORD, runs))
        if state.suspicious_until >= 0:
            for run in runs:
                self._suspects.add(run)
        else:
            state.lanes.add(runs)

    def left(self, runs: Sequence[Run], state: PartitionState) -> None:
        """Runs of a partition are finished: their room is free again."""
        state.in_flight_bytes -= _bytes_of(map(_RECORD, runs))
        if self._asked <= 0 and len(self._dispatch.ready) <= self._ready_least:
            self.refill()
        if self._paused and state.source in self._paused:
            self.review(state)

    def refill(self) -> None:
        """Tell the broker how many more records there is room for."""
        room = MOST_IN_FLIGHT - self.in_flight
        full = (
            self.closed
            or self._dispatch.waiting >= self._ready_wanted
            or self.bytes >= MOST_BYTES
            or self.held * 10 > MOST_IN_FLIGHT
        )
        wanted = 0 if full else min(room, 2 * self._ready_wanted)
        if wanted != self._asked:
            self._asked = max(wanted, 0)
            self._member.demand(self._asked)

    def forget(self, state: PartitionState) -> None:
        """The partition is no longer this worker's, and has left `partitions`, by which the bounds are counted."""
        self._paused.discard(state.source)
        self._dispatch.forget(state)
        self._suspects.forget(state)
        self._review_gates()

    def reopen(self, source: TopicPartition) -> None:
        """A partition begins anew while it stays assigned: whatever paused it is gone."""
        self._member.resume([source])
        self.review(self._partitions[source])

    def _valve_turned(self) -> None:
        for state in self._partitions.values():
            self.review(state)
        self.refill()
        self._wake()

    def reapply_pauses(self) -> None:
        """After every assignment: the client may have forgotten its pauses or kept them; say them again and review."""
        self._paused.intersection_update(self._partitions)
        self._member.pause([source for source in self._partitions if source in self._paused])
        for state in self._partitions.values():
            self.review(state)

    def review(self, state: PartitionState) -> None:
        """Pause or resume one partition by what it holds."""
        source = state.source
        paused = source in self._paused
        wanted = self._should_pause(state, paused=paused)
        if wanted and not paused:
            self._paused.add(source)
            self._member.pause([source])
        elif paused and not wanted:
            self._paused.discard(source)
            self._member.resume([source])

    def _should_pause(self, state: PartitionState, *, paused: bool) -> bool:
        if state.braked or self._valve.stops(own=state.own):
            return True
        if state.gate and (self._gates_full or state.gate.delay > READ_AHEAD):
            return True
        held = state.in_flight
        if held < _LEAST_SHARE // 2:  # the usual case: no share is smaller
            return False
        alike = sum(one.own is state.own for one in self._partitions.values())
        share = max(MOST_IN_FLIGHT // max(alike, 1), _LEAST_SHARE)
        return held >= (share // 2 if paused else share)

    @property
    def paused(self) -> int:
        """Partitions paused now."""
        return len(self._paused)

    @property
    def in_flight(self) -> int:
        """Records taken and not finished, without those that wait for their retry time."""
        return sum(state.in_flight for state in self._partitions.values())

    @property
    def bytes(self) -> int:
        """Of their values."""
        return sum(state.in_flight_bytes for state in self._partitions.values())

    @property
    def held(self) -> int:
        """Runs that wait in their lane for their next attempt."""
        return sum(state.held for state in self._partitions.values())

    def _open_gate(self, state: PartitionState) -> None:
        if not state.active or not state.dispatching or state.gate is None:
            return
        self._release(state, state.gate)
        self._review_gates()
        self.review(state)
        self._wake()


def _bytes_of(records: Iterable[Record]) -> int:
    return sum(map(len, filter(None, map(_VALUE, records))))
