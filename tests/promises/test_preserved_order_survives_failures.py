"""With `preserve_order` a failed record stays at the head of its lane; other keys flow past it."""

import asyncio
from collections import defaultdict

from penstock.topology.model import Backoff, Retry


def test_preserved_order_survives_failures(work):
    seen, done = defaultdict(list), []

    async def handler(event, ctx):
        if event.key == "bad" and event.data % 3 == 0 and ctx.attempt < 4:
            raise ValueError("not yet")
        seen[event.key].append(event.data)
        done.append((event.key, app_clock.now()))

    app_clock = None

    async def scenario(app):
        nonlocal app_clock
        app_clock, began = app.clock, app.clock.now()
        for n in range(12):
            for key in ("bad", "good", "fine"):
                await app.send("src", n, key=key)
        await app.settled()
        assert seen == {key: list(range(12)) for key in ("bad", "good", "fine")}
        assert all(at - began < 1 for key, at in done if key != "bad")
        assert max(at for _, at in done) - began >= 4 * 3 * 10
        assert [n for n in await app.broker.admin().topics() if ".retry." in n and app.records(n)] == []

    retry = Retry(max_attempts=5, preserve_order=True, backoff=Backoff(initial=10, multiplier=1, max=10))
    work(handler, scenario, output=None, retry=retry)


def test_held_runs_are_not_dropped_by_a_stop(work):
    seen = []

    async def handler(event, ctx):
        if len(seen) < 1 and not ready.is_set():
            raise ValueError("not yet")
        seen.append(event.data)

    ready = None

    async def scenario(app):
        nonlocal ready
        ready = asyncio.Event()
        for n in range(5):
            await app.send("src", n, key="a")
        await asyncio.sleep(5)
        await app.stop(app.workers.pop())
        ready.set()
        await app.start("work")
        await app.settled()
        assert seen == [0, 1, 2, 3, 4]

    retry = Retry(max_attempts=5, preserve_order=True, backoff=Backoff(initial=60, multiplier=1, max=60))
    work(handler, scenario, output=None, retry=retry)
