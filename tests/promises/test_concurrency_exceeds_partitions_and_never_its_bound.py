"""More runs at once than there are partitions, exactly as many as asked for, and never one more."""

import asyncio

import pytest


@pytest.mark.parametrize("concurrency", [1, 7, 50])
def test_concurrency_exceeds_partitions_and_never_its_bound(work, concurrency):
    running = most = 0

    async def handler(event, ctx):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(1)
        running -= 1

    async def scenario(app):
        for n in range(200):
            await app.send("src", n, key=f"k{n}")
        await app.settled()
        assert most == concurrency
        assert len(app.attempts) == 200

    work(handler, scenario, output=None, concurrency=concurrency)
