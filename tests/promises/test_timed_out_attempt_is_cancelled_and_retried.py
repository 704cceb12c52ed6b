"""An attempt past its timeout is cancelled where it waits, counts as failed, and is tried again."""

import asyncio


def test_timed_out_attempt_is_cancelled_and_retried(work):
    told = []

    async def handler(event, ctx):
        if ctx.attempt == 1:
            began = asyncio.get_running_loop().time()
            try:
                await asyncio.sleep(1000)
            except asyncio.CancelledError:
                told.append(asyncio.get_running_loop().time() - began)
                raise

    async def scenario(app):
        await app.send("src", 1, key="a")
        await app.settled()
        assert [a.outcome for a in app.attempts] == ["retried", "done"]
        assert app.attempts[0].failure.type == "TimeoutError"
        assert len(told) == 1
        assert 10 <= told[0] <= 10.5
        assert app.workers[0].parts.counters.timeouts == 1

    work(handler, scenario, output=None, timeout=10.0)


def test_a_slot_survives_a_thousand_timeouts(work):
    async def handler(event, ctx):
        await asyncio.sleep(1000)

    async def scenario(app):
        for n in range(50):
            await app.send("src", n)
        await app.settled()
        assert len(app.attempts) == 150
        assert len(app.dead_letters("work")) == 50

    work(handler, scenario, output=None, timeout=1.0, concurrency=2, breaker=False)


def test_a_handler_that_shrugs_off_cancelling_is_cancelled_again(work):
    told = 0

    async def handler(event, ctx):
        nonlocal told
        while ctx.attempt == 1 and told < 3:
            try:
                await asyncio.sleep(1000)
            except asyncio.CancelledError:
                told += 1

    async def scenario(app):
        await app.send("src", 1)
        await app.settled("60s")
        assert told == 3

    work(handler, scenario, output=None, timeout=1.0)


def test_the_next_run_hears_nothing_of_a_cancelled_one(work):
    """A pooled task that was cancelled is replaced: task groups of the next run would misread the old request."""
    found = []

    async def handler(event, ctx):
        found.append(asyncio.current_task().cancelling())
        if event.data == 0 and ctx.attempt == 1:
            await asyncio.sleep(1000)

    async def scenario(app):
        for n in range(5):
            await app.send("src", n)
        await app.settled()
        assert found == [0] * 6

    work(handler, scenario, output=None, timeout=1.0, concurrency=1)
