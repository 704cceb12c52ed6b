"""A delay that no tier has hops from tier to tier, spends no attempt on the way, and is never early."""

import asyncio

import pytest

from penstock import Retry


@pytest.mark.parametrize(("after", "late"), [("25h", 60), ("61h", 60), ("24h", 2), ("90s", 32)])
def test_delay_beyond_the_longest_tier_hops_and_is_never_early(work, after, late):
    starts = []

    async def handler(event, ctx):
        starts.append((ctx_clock.now(), ctx.attempt))
        if ctx.attempt == 1:
            raise Retry("tomorrow", after=after)

    ctx_clock = None

    async def scenario(app):
        nonlocal ctx_clock
        ctx_clock = app.clock
        await app.send("src", 1, key="a", id="e-1")
        await app.settled("100h")
        (first, _), (second, attempt) = starts
        wanted = {"25h": 90_000, "61h": 219_600, "24h": 86_400, "90s": 90}[after]
        assert wanted - 0.002 <= second - first <= wanted + late * 16
        assert attempt == 2
        assert [a.outcome for a in app.attempts] == ["retried", "done"]
        due = {
            r.header("penstock-not-before")
            for n in await app.broker.admin().topics()
            if ".retry." in n
            for r in app.records(n)
        }
        assert len(due) == 1
        assert (app.workers[0].parts.counters.hops > 0) == (after in ("25h", "61h")), "it does not wait in a slot"

    work(handler, scenario, output=None)


def test_a_clock_set_back_by_an_hour_is_no_storm_of_hops(work):
    """The record is due an hour later now; it waits in a long tier, and not 720 times in the shortest."""
    starts = []

    async def handler(event, ctx):
        starts.append(ctx.attempt)
        if ctx.attempt == 1:
            raise ValueError("once")

    async def scenario(app):
        await app.send("src", 1, key="a")
        await asyncio.sleep(1)
        app.clock.skew -= 3600
        await app.settled("3h")
        assert starts == [1, 2]
        assert 0 < app.workers[0].parts.counters.hops <= 12

    work(handler, scenario, output=None)
