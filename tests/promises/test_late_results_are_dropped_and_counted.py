"""A run whose partition was lost changes nothing any more: nothing committed, nothing handed off, and it is counted."""

import asyncio

import pytest


@pytest.mark.parametrize("end", ["return", "raise", "stubborn"])
def test_late_results_are_dropped_and_counted(work, end):
    release, calls = None, []

    async def handler(event, ctx):
        calls.append(event.data)
        if len(calls) > 1:
            return {"n": 2}
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                if end != "stubborn":
                    raise
        if end == "raise":
            raise ValueError("late")
        return {"n": 1}

    async def scenario(app):
        nonlocal release
        release = asyncio.Event()
        at = await app.send("src", 1, key="a")
        await asyncio.sleep(1)
        first = app.workers[0]
        app.broker.expire(first.parts.member)
        for _ in range(400):
            await asyncio.sleep(0.1)
            if calls[1:]:
                break
        await asyncio.sleep(1)
        assert (await app.broker.admin().committed("t.work"))[at[:2]].offset == at.offset + 1
        release.set()
        await app.settled()
        await asyncio.sleep(5)
        assert calls == [1, 1]
        assert [event.data for event in app.events("out")] == [{"n": 2}]
        assert first.parts.counters.stale_results == 1
        assert first.parts.counters.partitions_lost > 0
        assert not first.parts.dispatch.running
        assert (await app.broker.admin().committed("t.work"))[at[:2]].offset == at.offset + 1

    work(handler, scenario)


def test_a_hop_that_is_cut_off_gives_its_slot_back(work):
    """A record that is all but due sleeps out its last moment; losing the partition then must not cost the slot."""

    async def handler(event, ctx):
        if ctx.attempt == 1:
            from penstock import Retry

            raise Retry("soon", after=86_400.5)

    async def scenario(app):
        await app.send("src", 1, key="a")
        worker = app.workers[0]
        running = worker.parts.dispatch.running
        await asyncio.sleep(10)
        (waiting,) = app.records("t.work.retry.24h")
        released = waiting.timestamp / 1000 + 86_400
        await asyncio.sleep(released - 1.8 - app.clock.now())
        app.broker.expire(worker.parts.member)  # it hears of it 2 s later
        await asyncio.sleep(1.9)
        assert running, "asleep until its due time"
        await app.settled()
        assert worker.parts.dispatch.running_own == 0
        assert not running

    work(handler, scenario, output=None, concurrency=1)
