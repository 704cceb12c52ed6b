"""Small parts of the engine alone: the delay gate, the pool, the dispatch, the pauses of the intake."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.engine import intake
from penstock.engine.counters import Counters
from penstock.engine.delay_gate import DelayGate
from penstock.engine.hand_off import HandOff, StaleEpoch
from penstock.engine.intake import Intake
from penstock.engine.pool import Pool
from penstock.engine.run import Run
from penstock.errors import SendFailed
from penstock.record import Outgoing, Position, Record, TopicPartition


def run_at(timestamp: int) -> Run:
    return Run(Record("t", 0, 0, timestamp, None, b""), None)  # type: ignore[arg-type]


@settings(deadline=None)
@given(times=st.lists(st.integers(0, 100_000)).map(sorted), looks=st.lists(st.floats(0, 200)).map(sorted))
def test_the_gate_is_never_early_and_keeps_the_order(times: list[int], looks: list[float]) -> None:
    gate = DelayGate(5.0)
    runs = [run_at(time) for time in times]
    for run in runs:
        gate.add(run)
    released: list[Run] = []
    for now in [*looks, 1000.0]:
        out = gate.release(now)
        assert all(run.record.timestamp / 1000 + 5.0 <= now for run in out)
        released += out
        due = gate.head_due()
        assert due is None or due > now
    assert released == runs
    assert len(gate) == 0


def test_the_pool_hears_of_what_escapes_and_replaces_cancelled_tasks() -> None:
    async def main() -> None:
        escaped: list[BaseException] = []
        queue: list[Any] = ["boom", "cancel", "fine", "fine"]
        done: list[Any] = []

        class Escapes:
            call = None

            def take(self) -> Any:
                of_a_source = SimpleNamespace(own=False)
                return SimpleNamespace(name=queue.pop(0), task=None, partition=of_a_source) if queue else None

            def book(self) -> bool:
                return False

            def begin(self, run: Any) -> Any:
                return attempt(run)

            def end(self, run: Any, outcome: Any) -> None: ...

            begin_own, returned, raised = begin, end, end

        async def attempt(run: Any) -> None:
            done.append(run.name)
            if run.name == "boom":
                raise ValueError("a bug of ours")
            if run.name == "cancel":
                raise asyncio.CancelledError

        pool = Pool(1, escaped.append)
        pool.bind(Escapes())  # type: ignore[arg-type]
        pool.wake(1)
        await asyncio.sleep(0.01)
        assert [str(error) for error in escaped] == ["a bug of ours"]
        pool.wake(1)
        async with asyncio.timeout(5):
            while len(done) < 4:
                await asyncio.sleep(0.001)
        assert pool.size == 1
        await pool.close()
        assert pool.size == 0

    asyncio.run(main())


def test_nothing_is_produced_for_a_partition_that_went() -> None:
    async def main() -> None:
        sent: list[Outgoing] = []

        class Producer:
            def send(self, record: Outgoing) -> asyncio.Future[Position]:
                sent.append(record)
                raise SendFailed("later")

        run = run_at(0)
        run.partition = SimpleNamespace(active=False)  # type: ignore[assignment]
        hand_off = HandOff(Producer(), Counters())  # type: ignore[arg-type]
        for call in (
            hand_off.outputs(run, [Outgoing("out", None, b"")]),
            hand_off.certainly(run, Outgoing("d", None, b"")),
        ):
            with pytest.raises(StaleEpoch):
                await call
        assert sent == []

    asyncio.run(main())


class Member:
    def __init__(self) -> None:
        self.paused: set[TopicPartition] = set()
        self.demanded = 0

    def demand(self, records: int) -> None:
        self.demanded = records

    def pause(self, partitions: list[TopicPartition]) -> None:
        self.paused |= set(partitions)

    def resume(self, partitions: list[TopicPartition]) -> None:
        self.paused -= set(partitions)


class Gate(list[None]):
    """So many records wait at it for a time so long that nothing is read ahead."""

    delay, bytes = 60.0, 0

    def __init__(self, waiting: int) -> None:
        super().__init__([None] * waiting)


def intake_over(states: dict[TopicPartition, Any]) -> tuple[Intake, Member]:
    member = Member()
    dispatch = SimpleNamespace(waiting=0, ready=[])
    clock = SimpleNamespace(now=lambda: 0.0)
    made = Intake(member, states, dispatch, None, Counters(), clock, 10, lambda: None)  # type: ignore[arg-type]
    return made, member


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 30_000), st.booleans(), st.integers(0, 2)), max_size=30))
def test_the_paused_set_is_what_the_partitions_say(steps: list[tuple[int, int, bool, int]]) -> None:
    at = [TopicPartition("t", number) for number in range(4)]
    states = {one: SimpleNamespace(source=one, in_flight=0, braked=False, gate=[], own=False) for one in at}
    made, member = intake_over(states)
    for number, in_flight, braked, waiting in steps:
        state = states[at[number]]
        state.in_flight, state.braked, state.gate = in_flight, braked, Gate(waiting)
        made.review(state)
        must = braked or waiting or in_flight >= 5000
        may_not = not braked and not waiting and in_flight < 2500
        assert not must or at[number] in member.paused
        assert not may_not or at[number] not in member.paused
        assert made.paused == len(member.paused)
    member.paused.clear()  # an assignment: the client has forgotten
    made.reapply_pauses()
    assert made.paused == len(member.paused)


def test_short_delays_are_read_ahead_until_the_gates_are_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "MOST_AT_GATES", 10)
    at = [TopicPartition("g.retry.5s", number) for number in range(3)]
    gates = [DelayGate(5.0) for _ in at]
    states = {
        one: SimpleNamespace(source=one, in_flight=0, braked=False, gate=gate, own=True)
        for one, gate in zip(at, gates, strict=True)
    }
    made, member = intake_over(states)

    def wait_at(gate: DelayGate, runs: int) -> None:
        for _ in range(runs):
            gate.add(SimpleNamespace(record=SimpleNamespace(timestamp=0, value=b"v")))  # type: ignore[arg-type]
        made._review_gates()

    wait_at(gates[0], 9)
    assert member.paused == set()
    wait_at(gates[1], 1)
    assert member.paused == {at[0], at[1]}  # the third may begin to fill
    for _ in range(6):
        gates[0]._waiting.pop()
    made._review_gates()
    assert member.paused == set()


def test_a_full_intake_asks_for_nothing() -> None:
    states = [SimpleNamespace(in_flight=0, in_flight_bytes=0, held=0) for _ in range(2)]
    made, member = intake_over({TopicPartition("t", number): state for number, state in enumerate(states)})
    made.refill()
    assert member.demanded == 2000
    full_by = (("in_flight_bytes", 32 << 20), ("in_flight", 10_000), ("held", 1001))  # in each of two partitions
    for owners, attribute, full in (*((states, *one) for one in full_by), ([made], "closed", True)):
        for owner in owners:
            setattr(owner, attribute, full)
        made.refill()
        assert member.demanded == 0, attribute
        setattr(owners[0], attribute, 0)
        made.refill()
        assert member.demanded > 0
        setattr(owners[-1], attribute, 0)
        made.refill()
        assert member.demanded == 2000
