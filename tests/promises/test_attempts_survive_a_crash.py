"""Attempts live in headers: neither a crash nor a new worker makes a failing event start over."""

import asyncio


def test_attempts_survive_a_crash(work):
    attempts = []

    async def handler(event, ctx):
        attempts.append(ctx.attempt)
        raise ValueError("no")

    async def scenario(app):
        await app.send("src", 1, key="a")
        for seen in (1, 2):
            while len(attempts) < seen:
                await asyncio.sleep(0.1)
            await asyncio.sleep(1)
            app.crash(app.workers[0])
            await app.start("work")
        await app.settled()
        assert attempts == [1, 2, 3]
        assert len(app.dead_letters("work")) == 1

    work(handler, scenario, output=None)
