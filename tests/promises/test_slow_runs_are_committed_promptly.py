"""Runs that are dear to repeat are committed within 200 ms, however many end together; fast ones once a second."""

import asyncio


async def _finished(app):
    committed = await app.broker.admin().committed("t.work")
    return sum(one.offset for partition, one in committed.items() if partition.topic == "src")


def test_slow_runs_are_committed_promptly(work):
    async def handler(event, ctx):
        await asyncio.sleep(2 + event.data / 2000)  # in the order of their offsets, 200 in a tenth of a second

    async def scenario(app):
        for n in range(2000):
            await app.send("src", n)
        while not app.attempts:
            await asyncio.sleep(0.001)
        for _ in range(4):
            ended = len(app.attempts)
            await asyncio.sleep(0.2)
            assert await _finished(app) >= ended > 0

    work(handler, scenario, output=None, concurrency=2000)


def test_fast_runs_share_a_commit(work):
    async def handler(event, ctx):
        await asyncio.sleep(0.01)

    async def scenario(app):
        before = app.workers[0].parts.counters.commits
        start = app.clock.monotonic()
        for n in range(4000):
            await app.send("src", n)
        await app.settled()
        seconds = app.clock.monotonic() - start
        assert seconds > 1.5, "long enough to tell"
        assert app.workers[0].parts.counters.commits - before <= seconds + 3

    work(handler, scenario, output=None, concurrency=10)
