"""An event that kills its process is found after three deaths and ends as `crashed`; the others are done."""

import asyncio
import random
from collections import Counter

import pytest

from penstock.record import Outgoing

POISON = 13


async def survive(app, deaths, patience=60):
    """Start a worker after each death, until none dies any more; returns how many died."""
    died = 0
    while True:
        worker = app.workers[-1] if app.workers else await app.start("work")
        try:
            async with asyncio.timeout(patience):
                await deaths.wait()
        except TimeoutError:
            return died
        deaths.clear()
        died += 1
        app.crash(worker)


def test_killer_of_its_process_ends_as_crashed(work):
    calls, deaths = Counter(), None

    async def handler(event, ctx):
        calls[event.data] += 1
        if event.data == POISON:
            deaths.set()
            await asyncio.sleep(1000)

    async def scenario(app):
        nonlocal deaths
        deaths = asyncio.Event()
        for n in range(200):
            await app.send("src", n, key=f"k{n}")
        await asyncio.sleep(0.5)
        died = await survive(app, deaths)
        await app.settled()
        (letter,) = app.dead_letters("work")
        assert (letter.value, letter.header("penstock-reason")) == (b"13", b"crashed")
        assert died == 3
        assert calls[POISON] == died
        assert set(calls) == set(range(200))
        assert not any(one.is_suspicious for one in app.workers[0].parts.partitions.values())

    work(handler, scenario, output=None)


def test_an_ordinary_crash_costs_nothing_of_this(work):
    calls = Counter()

    async def handler(event, ctx):
        calls[event.data] += 1
        if event.data >= 4 and calls[event.data] == 1:
            await asyncio.sleep(1000)

    async def scenario(app):
        for _ in range(5):  # idle workers that die leave nobody to blame
            await asyncio.sleep(20)
            app.crash(app.workers[0])
            await app.start("work")
        await asyncio.sleep(20)
        app.crash(app.workers[0])
        producer = app.broker.producer()
        for life in range(5):  # nor do those that did something in each partition
            for n in range(8):
                await producer.send(Outgoing("src", None, b"%d" % (n if n < 4 else n + 4 * life), [], n % 4))
            worker = await app.start("work")
            await asyncio.sleep(20)
            assert not any(one.is_suspicious for one in worker.parts.partitions.values())
            assert len(worker.parts.dispatch.running) == 4
            app.crash(worker)
        await app.start("work")
        await app.settled()
        assert app.dead_letters("work") == []

    work(handler, scenario, output=None)


def test_after_the_suspects_all_run_at_once_again(work):
    running = most = 0
    deaths, poisoned = None, True

    async def handler(event, ctx):
        nonlocal running, most
        if event.data == POISON and poisoned:
            deaths.set()
            await asyncio.sleep(1000)
        running += 1
        most = max(most, running)
        await asyncio.sleep(1)
        running -= 1

    async def scenario(app):
        nonlocal deaths, poisoned, running, most
        deaths = asyncio.Event()
        at = await app.send("src", POISON, key="p")
        await survive_twice(app, deaths)
        poisoned, running, most = False, 0, 0
        for n in range(1000, 1200):
            await app.broker.producer().send(Outgoing("src", None, b"%d" % n, [], at.partition))
        await app.start("work")
        await app.settled()
        assert most == 20

    async def survive_twice(app, deaths):
        for _ in range(2):
            await deaths.wait()
            deaths.clear()
            app.crash(app.workers[0])
            if _ == 0:
                await app.start("work")

    work(handler, scenario, output=None)


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.001, 0.03, 1.5], ids=["fast", "middling", "slow"])
def test_a_killer_in_a_backlog_takes_few_lives(work, seconds):
    """Each life makes progress all around the killer, and that hides nothing."""
    chance, deaths, calls = random.Random(4711), None, Counter()

    async def handler(event, ctx):
        calls[event.data] += 1
        if event.data == killer:
            deaths.set()
            await asyncio.sleep(10_000)
        await asyncio.sleep(chance.uniform(0.5, 1.5) * seconds)

    async def scenario(app):
        nonlocal deaths
        deaths = asyncio.Event()
        app.crash(app.workers[0])
        for number in range(600):
            await app.send("src", number, key=f"k{chance.randrange(100)}")
        await app.start("work")
        died = await survive(app, deaths, patience=1200)
        await app.settled()
        assert [(one.value, one.header("penstock-reason")) for one in app.dead_letters("work")] == [
            (b"%d" % killer, b"crashed")
        ]
        assert set(calls) == set(range(600))
        assert calls[killer] == died <= 4

    killer = chance.randrange(300, 600)
    work(handler, scenario, output=None, timeout=20_000)
