"""A null key belongs to no lane: its records run at once, even those of one partition. So does `ordering: none`."""

import asyncio

import pytest


@pytest.mark.parametrize(("key", "ordering"), [(None, "key"), ("same", "none")])
def test_null_keys_are_unordered(work, key, ordering):
    running = most = 0

    async def handler(event, ctx):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(1)
        running -= 1

    async def scenario(app):
        for n in range(20):
            await app.send("src", n, key=key)
        await app.settled()
        assert most == 20

    work(handler, scenario, output=None, ordering=ordering)
