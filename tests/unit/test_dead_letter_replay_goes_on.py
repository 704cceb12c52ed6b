"""An interrupted replay goes on where it stopped; what others settled meanwhile is passed over."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from replay_stage import GROUP, Scripted, make, ours, replays, run, waiting

from penstock.broker.contract import NewTopic
from penstock.broker.in_memory import InMemoryBroker
from penstock.broker.in_memory.faults import Outcome
from penstock.dead_letter.discard import discard
from penstock.dead_letter.entries import Filters
from penstock.dead_letter.handled import Follower
from penstock.dead_letter.replay import ReplayPlan, plan_replay, replay
from penstock.dead_letter.selection import select
from penstock.dead_letter.sending import Tally
from penstock.dead_letter.settling import Result
from penstock.errors import BrokerUnavailable
from penstock.record import Outgoing
from penstock.testing.virtual_time import VirtualClock, run_virtual


def test_an_entry_that_comes_after_the_plan_is_not_part_of_it() -> None:
    async def main(clock: VirtualClock) -> None:
        broker = await make(clock, 1)
        plan = await plan_replay(broker, GROUP)
        await broker.producer().send(Outgoing(f"{GROUP}.dlt", None, b"late", ours(1)))
        await replay(broker, plan, replay_id="r", clock=clock)
        assert await waiting(broker) == [1]

    run_virtual(main)


def test_an_entry_settled_after_the_plan_is_passed_over() -> None:
    async def main(clock: VirtualClock) -> None:
        broker = await make(clock, 3)
        plan = await plan_replay(broker, GROUP)
        await discard(broker, await select(broker, GROUP, filters=Filters(id="run-1")), replay_id="d", clock=clock)
        result = await replay(broker, plan, replay_id="r", clock=clock)
        assert result.tally == Tally(written=2, passed_over=1)

    run_virtual(main)


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.UNANSWERED, Outcome.FATAL])
def test_a_failure_stops_the_replay_and_the_next_one_goes_on(outcome: Outcome) -> None:
    """UNANSWERED is the treacherous one: the broker has the record and we were told that it failed."""

    async def main(clock: VirtualClock) -> None:
        faults = Scripted({250: outcome})
        broker = await make(clock, 600, faults)
        first = await run(broker, clock)
        assert first.tally.interrupted
        assert 250 <= first.tally.written < 400
        assert len(await waiting(broker)) == 600 - len(replays(broker))
        second = await run(broker, clock, "r2")
        assert not second.tally.interrupted
        assert sorted(int(record.value or b"") for record in replays(broker)) == list(range(600))
        assert await waiting(broker) == []

    run_virtual(main)


@pytest.mark.parametrize(
    ("looks", "expected"),
    [
        (2, Result("r", Tally(written=200, interrupted="no answer"), None)),
        (3, Result("r", Tally(written=400, interrupted="no answer"), None)),
        (4, Result("r", Tally(written=600), None)),
        (5, Result("r", Tally(written=600), 0)),
    ],
)
def test_a_log_that_cannot_be_read_stops_the_replay_before_it_writes(
    monkeypatch: pytest.MonkeyPatch, looks: int, expected: Result
) -> None:
    async def main(clock: VirtualClock) -> None:
        broker = await make(clock, 600)
        plan = await plan_replay(broker, GROUP)
        ends, left = broker.admin().ends, looks

        async def failing(partitions: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                raise BrokerUnavailable("no answer")
            return await ends(partitions)

        monkeypatch.setattr(broker.admin(), "ends", failing)
        result = await replay(broker, plan, replay_id="r", clock=clock)
        monkeypatch.undo()
        assert result == expected
        assert len(replays(broker)) == expected.tally.written

    run_virtual(main)


def test_a_cancelled_replay_goes_on_as_well() -> None:
    async def main(clock: VirtualClock) -> None:
        broker = await make(clock, 600)
        done: list[int] = []
        task = asyncio.ensure_future(run(broker, clock, rate=100, progress=done.append))
        await asyncio.sleep(2.5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert sum(done) == 300
        await run(broker, clock, "r2")
        assert sorted(int(record.value or b"") for record in replays(broker)) == list(range(600))

    run_virtual(main)


def test_a_refused_record_is_named_and_the_others_go_on() -> None:
    async def main(clock: VirtualClock) -> None:
        broker = await make(clock, 3, Scripted({1: Outcome.REFUSED}))
        result = await run(broker, clock)
        assert (result.tally.written, result.tally.refusals, result.tally.interrupted) == (2, 1, "")
        assert result.tally.refused[0].startswith(f"{GROUP}.dlt/0@1: not authorised")
        assert await waiting(broker) == [1]

    run_virtual(main)


def test_two_operators_at_the_same_moment_are_told() -> None:
    async def main(clock: VirtualClock) -> None:
        broker = await make(clock, 10)
        plans: list[ReplayPlan] = [await plan_replay(broker, GROUP) for _ in range(2)]
        one, other = await asyncio.gather(
            *(replay(broker, plan, replay_id=f"r{at}", clock=clock) for at, plan in enumerate(plans))
        )
        twice = len(replays(broker)) - 10
        assert twice == 10  # both looked before either wrote: the race the module describes
        assert (one.contested, other.contested) == (10, 10)

    run_virtual(main)


def test_a_second_operator_a_window_later_passes_over_what_the_first_wrote() -> None:
    async def main(clock: VirtualClock) -> None:
        broker = await make(clock, 100)
        plans = [await plan_replay(broker, GROUP) for _ in range(2)]

        async def operator(at: int) -> Result:
            await asyncio.sleep(at * 0.5)
            return await replay(broker, plans[at], replay_id=f"r{at}", rate=10, clock=clock)

        one, other = await asyncio.gather(operator(0), operator(1))
        assert one.tally.written + other.tally.written == 100
        assert one.tally.passed_over + other.tally.passed_over == 100
        assert (one.contested, other.contested) == (0, 0)
        assert len(replays(broker)) == 100

    run_virtual(main)


def test_a_follower_reads_what_is_new_and_never_its_own() -> None:
    async def main(clock: VirtualClock) -> None:
        broker = InMemoryBroker(clock)
        await broker.admin().create_topics([NewTopic("t", 2)])
        producer = broker.producer()
        follower = Follower(broker, "t")
        read: list[list[bytes | None]] = []

        async def look() -> None:
            read.append([record.value async for record in follower.fresh()])

        await producer.send(Outgoing("t", None, b"theirs 1", partition=0))
        await look()
        follower.wrote(await producer.send(Outgoing("t", None, b"ours 1", partition=0)))
        await producer.send(Outgoing("t", None, b"theirs 2", partition=0))
        follower.wrote(await producer.send(Outgoing("t", None, b"ours 2", partition=0)))
        follower.wrote(await producer.send(Outgoing("t", None, b"ours 3", partition=1)))
        await look()
        await producer.send(Outgoing("t", None, b"theirs 3", partition=0))
        await look()
        assert read == [[b"theirs 1"], [b"theirs 2"], [b"theirs 3"]]

    run_virtual(main)
