"""While the valve is closed no source record is taken or started; retries still flow, unless everything is closed."""

import asyncio

from penstock import Retry


def test_source_records_wait_and_retries_flow(work):
    starts = []

    async def handler(event, ctx):
        starts.append(event.data)
        if event.data == "again" and ctx.attempt == 1:
            raise Retry(after="30s")

    async def scenario(app):
        await app.send("src", "again", key="a")
        await asyncio.sleep(1)
        valve = app.workers[0].parts.valve
        valve.close("pause")
        for n in range(50):
            await app.send("src", n, key=f"k{n}")
        await asyncio.sleep(60)
        assert starts == ["again", "again"], "the retry came, nothing else did"
        assert app.workers[0].parts.counters.received == 2, "the backlog stays in its topic"
        assert valve.closed == ("pause",)
        valve.open("pause")
        await app.settled()
        assert sorted(starts[2:]) == list(range(50))

    work(handler, scenario, output=None)


def test_what_was_taken_already_does_not_start(work):
    starts = []

    async def handler(event, ctx):
        starts.append(event.data)
        await asyncio.sleep(10)

    async def scenario(app):
        for n in range(10):
            await app.send("src", n, key=f"k{n}")
        await asyncio.sleep(1)
        valve = app.workers[0].parts.valve
        valve.close("pause")
        valve.close("breaker openai")
        await asyncio.sleep(100)
        assert len(starts) == 2
        valve.open("pause")
        await asyncio.sleep(100)
        assert len(starts) == 2, "one reason is left"
        valve.open("breaker openai")
        await app.settled()
        assert len(starts) == 10

    work(handler, scenario, output=None, concurrency=2)


def test_everything_waits_where_that_is_asked(work):
    starts = []

    async def handler(event, ctx):
        starts.append(event.data)
        if ctx.attempt == 1:
            raise Retry(after="30s")

    async def scenario(app):
        await app.send("src", 1, key="a")
        await asyncio.sleep(1)
        app.workers[0].parts.valve.close("pause", everything=True)
        await asyncio.sleep(120)
        assert starts == [1]
        app.workers[0].parts.valve.open("pause")
        await app.settled()
        assert starts == [1, 1]

    work(handler, scenario, output=None)
