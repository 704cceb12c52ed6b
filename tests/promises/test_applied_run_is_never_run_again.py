"""A run whose memory was applied is not run again after a crash: what it emitted was kept, and that is published."""

from __future__ import annotations

import asyncio
import random

import orjson
import pytest

from penstock.memory.in_memory import InMemoryBackend


class StopsAfterApplying(InMemoryBackend):
    """Applies, and then says nothing for an hour, as a process that dies in between never hears the answer."""

    def __init__(self) -> None:
        super().__init__()
        self.hang = True

    async def apply(self, writes):
        kept = await super().apply(writes)
        if self.hang:
            self.hang = False
            await asyncio.sleep(3600)
        return kept


def answering(calls):
    async def handler(event, ctx):
        calls.append(event.data)
        turns = len(await ctx.memory.history())
        await ctx.memory.append({"role": "user", "content": event.data})
        return {"answer": event.data, "turn": turns, "call": len(calls)}

    return handler


async def told_once(app, calls):
    await app.settled()
    assert app.events("out")[0].data == {"answer": "q1", "turn": 0, "call": 1}
    assert {record.value for record in app.records("out")} == {app.records("out")[0].value}  # the very bytes
    assert calls == ["q1"]
    (scope,) = await app.memories["main"].scopes()
    assert len(await app.memories["main"].turns(scope)) == 1


def test_crash_between_applying_and_publishing(work):
    calls = []

    async def scenario(app):
        await app.send("src", "q1", key="a")
        await asyncio.sleep(5)
        assert (calls, app.records("out")) == (["q1"], [])
        app.crash(app.workers[0])
        await app.start("work")
        await told_once(app, calls)

    work(answering(calls), scenario, memory="main", main=StopsAfterApplying())


def test_crash_between_publishing_and_committing(work):
    calls = []

    async def scenario(app):
        await app.send("src", "q1", key="a")
        while not app.records("out"):
            await asyncio.sleep(0.001)
        app.crash(app.workers[0])
        await app.start("work")
        await told_once(app, calls)
        assert len(app.records("out")) == 2  # the same record, id and all

    work(answering(calls), scenario, memory="main")


def test_a_timeout_that_strikes_while_applying_fails_nothing(work):
    calls = []

    class Slow(InMemoryBackend):
        async def apply(self, writes):
            kept = await super().apply(writes)
            await asyncio.sleep(300)
            return kept

    async def scenario(app):
        await app.send("src", "q1", key="a")
        await app.settled()
        assert [report.outcome for report in app.attempts] == ["done"]
        await told_once(app, calls)

    work(answering(calls), scenario, memory="main", main=Slow(), timeout=120.0)


def test_the_same_event_sent_twice_is_answered_by_one_call(work):
    calls = []

    async def scenario(app):
        for _ in range(2):
            await app.send("src", "q1", key="a", id="order-7")
        await told_once(app, calls)

    work(answering(calls), scenario, memory="main")


def test_of_two_at_once_the_second_says_what_the_first_said(work):
    calls = []

    async def handler(event, ctx):
        calls.append(event.key)
        said = len(calls)
        await asyncio.sleep(1)
        await ctx.memory.append({"said": said})
        return {"said": said}

    async def scenario(app):
        for key in ("a", "b"):  # two lanes, so that both run
            await app.send("src", "q1", key=key, id="order-7")
        await app.settled()
        assert len(calls) == 2
        assert [event.data for event in app.events("out")] == [{"said": 1}, {"said": 1}]

    work(handler, scenario, memory="main")


def test_after_the_fence_has_expired_it_would_run_again(work):
    calls = []

    async def scenario(app):
        await app.send("src", "q1", key="a", id="order-7")
        await app.settled()
        app.clock.skew += 31 * 86400
        await app.send("src", "q1", key="a", id="order-7")
        await app.settled()
        assert calls == ["q1", "q1"]

    work(answering(calls), scenario, memory="main")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_crashes_under_load_leave_every_turn_once_and_in_order(work, seed):
    """40 conversations of 10 turns, two workers, one of them killed every other second."""
    chance = random.Random(seed)

    async def handler(event, ctx):
        await asyncio.sleep(chance.random())
        turns = await ctx.memory.history()
        await ctx.memory.append({"turn": event.data, "before": len(turns)})
        return {"turn": event.data}

    async def scenario(app):
        for turn in range(10):
            for conversation in range(40):
                await app.send("src", turn, key=f"c{conversation}")
        for _ in range(6):
            await asyncio.sleep(2)
            app.crash(chance.choice(app.workers))
            await app.start("work")
        await app.settled()
        backend = app.memories["main"]
        scopes = await backend.scopes()
        assert len(scopes) == 40
        for scope in scopes:
            turns = [orjson.loads(turn.body) for turn in await backend.turns(scope)][::-1]
            assert turns == [{"turn": turn, "before": turn} for turn in range(10)]

    work(handler, scenario, memory="main", workers=2, seed=seed)
