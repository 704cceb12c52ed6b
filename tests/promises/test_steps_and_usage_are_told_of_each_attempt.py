"""What a handler says of its steps and model calls reaches the report of that attempt, and the counters at once."""

from __future__ import annotations

import asyncio

import pytest

from penstock import Defer
from penstock.engine.counters import MOST_LABELS, OTHER, Counters
from penstock.engine.trail import MOST_STEPS


def test_each_attempt_has_its_own_steps_and_usage(work):
    async def handler(event, ctx):
        ctx.usage.add("gpt-5", tokens_in=100, tokens_out=20, cost=0.25, tool_calls=1)
        ctx.usage.add("gpt-5", tokens_in=1)
        ctx.usage.add("local")
        async with ctx.step("classify"):
            await asyncio.sleep(2)
        if ctx.attempt == 1:
            async with ctx.step("reply"):
                raise RuntimeError("model away")
        return {"ok": True}

    async def scenario(app):
        await app.send("src", {"n": 1}, key="k")
        await app.settled()
        first, second = app.attempts
        assert [(step.name, step.at, step.duration, step.error) for step in first.steps] == [
            ("classify", 0.0, pytest.approx(2), ""),
            ("reply", pytest.approx(2), 0.0, "RuntimeError"),
        ]
        assert [step.name for step in second.steps] == ["classify"]
        used, local = second.usage
        assert (used.model, used.calls, used.tokens_in, used.tokens_out) == ("gpt-5", 2, 101, 20)
        assert (used.cost, used.tool_calls, local.cost) == (0.25, 1, None)
        assert [str(position) for position in first.sent] == ["t.work.retry.5s/0@0"]
        assert [position.topic for position in second.sent] == ["out"]
        counters = app.workers[0].parts.counters
        assert counters.tokens["gpt-5", "in"] == 202
        assert counters.cost == {"gpt-5": 0.5, "local": 0.0}
        assert sum(counters.steps["classify"].counts) == 2

    work(handler, scenario)


def test_a_run_put_off_in_its_lane_begins_a_new_trail(work):
    def handler(event, ctx):
        ctx.usage.add("m", tokens_in=1)
        with ctx.step("look"):
            pass
        handler.calls += 1
        if handler.calls == 1:
            raise Defer(after=2)

    handler.calls = 0

    async def scenario(app):
        await app.send("src", {}, key="k")
        await app.settled()
        assert [(one.outcome, one.deferrals, len(one.steps), one.usage[0].tokens_in) for one in app.attempts] == [
            ("deferred", 0, 1, 1),
            ("done", 1, 1, 1),
        ]

    work(handler, scenario)


def test_times_tell_waiting_from_running(work):
    async def handler(event, ctx):
        await asyncio.sleep(10)
        if ctx.attempt == 1:
            raise RuntimeError("again")

    async def scenario(app):
        begun = app.clock.now()
        await app.send("src", {}, key="k")
        await app.send("src", {}, key="k")  # waits for the first in its lane
        await app.settled()
        first, second = app.attempts[:2]
        assert first.started == pytest.approx(begun, abs=0.5)
        assert first.duration == pytest.approx(10, abs=0.01)
        assert second.queued == pytest.approx(10, abs=0.5)
        assert all(one.queued < 11 for one in app.attempts), "a retry waits from its due time, not from the beginning"

    work(handler, scenario)


def test_what_a_handler_makes_up_stays_bounded(work):
    async def handler(event, ctx):
        for number in range(MOST_STEPS + 5):
            async with ctx.step(f"step {number}"):
                pass
        with pytest.raises(ValueError, match="negative"):
            ctx.usage.add("m", tokens_in=-1)

    async def scenario(app):
        await app.send("src", {})
        await app.settled()
        (report,) = app.attempts
        assert (len(report.steps), report.steps_left_out) == (MOST_STEPS, 5)
        assert len(app.workers[0].parts.counters.steps) == MOST_LABELS + 1

    work(handler, scenario)


def test_models_beyond_the_bound_are_counted_together():
    counters = Counters()
    for number in range(MOST_LABELS + 3):
        counters.used(f"m{number}", 1, 0, 0, 0.5)
    assert len(counters.cost) == MOST_LABELS + 1
    assert counters.cost[OTHER] == 1.5
