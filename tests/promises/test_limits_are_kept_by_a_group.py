"""Rate limits: the workers of a group together never exceed them, whoever joins; Retry-After is honoured."""

import asyncio
from bisect import bisect_left

import httpx
import pytest

from penstock.durations import rate
from penstock.topology.model import Limit


def most_within(seconds, times):
    """The most events within any window of so many seconds."""
    times = sorted(times)
    return max(index + 1 - bisect_left(times, at - seconds + 1e-6) for index, at in enumerate(times))


@pytest.mark.parametrize("workers", [1, 3])
def test_requests_of_all_workers_stay_within_the_limit(work, workers):
    starts = []

    async def handler(event, ctx):
        starts.append(asyncio.get_running_loop().time())

    async def scenario(app):
        await app.start("work")  # and one more while the limit is in use
        for n in range(240):
            await app.send("src", n, key=f"k{n}")
        await app.settled()

    work(handler, scenario, workers=workers, output=None, limits=("m",), limit=Limit(name="m", requests=rate("60/m")))
    assert len(starts) == 240
    assert most_within(60, starts) <= 60
    assert max(starts) < 1.3 * 240, "and what is allowed is used"


def test_tokens_are_counted_as_they_are_reported(work):
    spent = []

    async def handler(event, ctx):
        await asyncio.sleep(2)
        ctx.usage.add("m", tokens_in=700, tokens_out=300)
        spent.append(asyncio.get_running_loop().time())

    async def scenario(app):
        for n in range(120):
            await app.send("src", n, key=f"k{n}")
        await app.settled()

    work(handler, scenario, output=None, limits=("m",), limit=Limit(name="m", tokens=rate("60k/m")))
    assert most_within(60, spent) <= 62, "60 of a thousand tokens each; two more may end in the same window"
    assert max(spent) < 1.3 * 120


def test_nothing_starts_before_retry_after_has_passed(work):
    starts = []

    async def handler(event, ctx):
        starts.append(asyncio.get_running_loop().time())
        if len(starts) == 1:
            request = httpx.Request("POST", "http://m/v1")
            httpx.Response(429, headers={"retry-after": "90"}, request=request).raise_for_status()

    async def scenario(app):
        await app.send("src", 0, key="a")
        await asyncio.sleep(1)
        for n in range(20):
            await app.send("src", n, key=f"k{n}")
        await app.settled()

    work(handler, scenario, output=None, limits=("m",), limit=Limit(name="m", requests=rate("1000/s")))
    assert starts[1] - starts[0] >= 90
    assert len(starts) == 22
