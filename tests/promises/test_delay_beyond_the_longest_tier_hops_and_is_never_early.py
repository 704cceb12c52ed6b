"""A delay that no tier has hops from tier to tier, spends no attempt on the way, and is never early."""

import pytest

from penstock import Retry


@pytest.mark.slow
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
    """What is due an hour later now goes to a tier made for it, not hundreds of times through the longest there is."""

    async def handler(event, ctx):
        pass

    async def scenario(app):
        own = app.workers[0].parts.own_topics
        assert await own.hop(3600) == "t.work.retry.1h"
        assert "t.work.retry.1h" in await app.broker.admin().topics()

    work(handler, scenario, output=None)
