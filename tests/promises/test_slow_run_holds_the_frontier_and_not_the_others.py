"""One run that takes an hour: the others flow past it, while what is in flight stays within its bound."""

import asyncio
import random

import pytest

from penstock.engine import committer, intake
from penstock.record import Outgoing


async def fill(app, count, partition=None, key=None):
    producer = app.broker.producer()
    for n in range(count):
        producer.send(Outgoing("src", key, b"%d" % n, [], n % 4 if partition is None else partition))
    await producer.flush()


@pytest.mark.slow
def test_slow_run_holds_the_frontier_and_not_the_others(work, monkeypatch):
    monkeypatch.setattr(intake, "MOST_IN_FLIGHT", 500)
    most = done = 0

    async def handler(event, ctx):
        nonlocal most, done
        most = max(most, ctx.run.partition.tracker.unfinished, app_intake.in_flight)
        if event.position.offset == 0:
            await asyncio.sleep(3000)
        await asyncio.sleep(0.01)
        done += 1

    app_intake = None

    async def scenario(app):
        nonlocal app_intake
        app_intake = app.workers[0].parts.intake
        await fill(app, 20_000)
        await asyncio.sleep(1000)
        assert done == 20_000 - 4
        committed = await app.broker.admin().committed("t.work")
        assert {found.offset for at, found in committed.items() if at.topic == "src"} == {0}
        await app.settled()
        assert 0 < most <= 500

    work(handler, scenario, output=None, timeout=4000.0, concurrency=50)


def test_a_partition_of_one_key_does_not_starve_the_others(work, monkeypatch):
    monkeypatch.setattr(intake, "MOST_IN_FLIGHT", 400)
    most, running = 0, 0

    async def handler(event, ctx):
        nonlocal most, running
        running += 1
        most = max(most, running)
        await asyncio.sleep(1)
        running -= 1

    async def scenario(app):
        await fill(app, 3000, partition=0, key=b"one")
        for partition in (1, 2, 3):
            await fill(app, 1000, partition=partition)
        await asyncio.sleep(200)
        assert most == 20
        assert app.workers[0].parts.intake.paused == 1

    work(handler, scenario, output=None, stop_grace_period=2.0)


def test_bytes_in_flight_are_bounded(work, monkeypatch):
    monkeypatch.setattr(intake, "MOST_BYTES", 1_000_000)
    most = 0

    async def handler(event, ctx):
        nonlocal most
        most = max(most, app_intake.bytes)
        await asyncio.sleep(0.1)

    app_intake = None

    async def scenario(app):
        nonlocal app_intake
        app_intake = app.workers[0].parts.intake
        producer = app.broker.producer()
        for _ in range(3000):
            producer.send(Outgoing("src", None, b'"' + b"x" * 10_000 + b'"', []))
        await producer.flush()
        await app.settled()
        assert most <= 1_000_000 + 500 * 10_002, "one batch above at most"
        assert app_intake.bytes == app_intake.in_flight == 0

    work(handler, scenario, output=None)


def test_a_partition_braked_for_its_metadata_goes_on(work, monkeypatch):
    monkeypatch.setattr(committer, "BRAKE", 100)
    chance = random.Random(1)
    slow, gate = {n for n in range(500) if chance.random() < 0.3}, None

    async def handler(event, ctx):
        if event.position.offset in slow:
            await gate.wait()

    async def scenario(app):
        nonlocal gate
        gate = asyncio.Event()
        await fill(app, 500, partition=0)
        await asyncio.sleep(1)
        state = next(one for at, one in app.workers[0].parts.partitions.items() if at == ("src", 0))
        assert state.braked
        await fill(app, 100, partition=0)
        await asyncio.sleep(10)
        assert state.tracker.position == 500, "it takes no more"
        gate.set()
        await app.settled("1m")

    work(handler, scenario, output=None, concurrency=500, timeout=4000.0)
