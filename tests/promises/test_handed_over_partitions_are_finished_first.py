"""A partition is handed over when its running attempts are finished and committed: no record runs twice for it."""

import asyncio
from collections import Counter

import pytest

from penstock.broker.in_memory.faults import Fate, NoFaults, Outcome
from penstock.topology.model import Retry


def counting(calls, seconds):
    async def handler(event, ctx):
        calls[event.data] += 1
        await asyncio.sleep(seconds)

    return handler


def test_a_clean_stop_repeats_nothing(work):
    calls = Counter()

    async def scenario(app):
        for n in range(200):
            await app.send("src", n, key=f"k{n}")
        await asyncio.sleep(12)
        await app.stop(app.workers.pop())
        assert 0 < len(calls) < 200
        await app.start("work")
        await app.settled()
        assert calls == Counter(range(200))

    work(counting(calls, 5), scenario, output=None)


def test_a_second_worker_joins_under_load_without_duplicates(work):
    calls = Counter()

    async def scenario(app):
        for n in range(400):
            await app.send("src", n, key=f"k{n}")
        await asyncio.sleep(7)
        for _ in range(2):
            await app.start("work")
        await asyncio.sleep(20)
        owned = [at for one in app.workers for at in one.parts.partitions if at.topic == "src"]
        assert len(owned) == len(set(owned)) == 4
        await app.settled()
        assert calls == Counter(range(400))
        assert len([one for one in app.workers if one.parts.counters.done]) > 1

    work(counting(calls, 3), scenario, output=None, retry=Retry(max_attempts=1))


def test_what_outlasts_the_grace_is_cancelled_without_spending_an_attempt(work):
    attempts, told = [], []

    async def handler(event, ctx):
        attempts.append(ctx.attempt)
        ctx.emit("out", "partial")
        if len(attempts) == 1:
            try:
                await asyncio.sleep(100)
            except asyncio.CancelledError:
                told.append(app_clock.now())
                raise

    app_clock = None

    async def scenario(app):
        nonlocal app_clock
        app_clock = app.clock
        await app.send("src", 1, key="a")
        await asyncio.sleep(1)
        began = app.clock.now()
        await app.stop(app.workers.pop())
        assert 10 <= told[0] - began < 11
        await app.start("work")
        await app.settled()
        assert attempts == [1, 1]
        assert [a.outcome for a in app.attempts] == ["abandoned", "done"]
        assert len(app.records("out")) == 1
        assert [n for n in await app.broker.admin().topics() if ".retry." in n and app.records(n)] == []

    work(handler, scenario, stop_grace_period=10.0)


def test_a_second_signal_stops_at_once_and_commits_what_is_finished(work):
    calls = Counter()

    async def handler(event, ctx):
        calls[event.data] += 1
        if event.data == 0 and calls[0] == 1:
            await asyncio.sleep(1000)

    async def scenario(app):
        for n in range(10):
            await app.send("src", n)
        await asyncio.sleep(0.05)
        worker = app.workers.pop()
        worker.stop()
        began = app.clock.now()
        await asyncio.sleep(1)
        await app.stop(worker)
        assert app.clock.now() - began < 5
        await app.start("work")
        await app.settled()
        assert calls == Counter(range(10)) + Counter([0])

    work(handler, scenario, output=None, stop_grace_period=100.0, timeout=2000.0)


class Weather(NoFaults):
    """A broker that refuses the next `commits`, and takes `delay` seconds to take a record."""

    def __init__(self, commits=0, delay=0.0):
        self.commits, self.delay = commits, delay

    def commit(self, client_id, commits):
        self.commits -= 1
        return Fate(Outcome.FAILED if self.commits >= 0 else Outcome.DONE)

    def produce(self, client_id, record):
        return Fate(delay=self.delay)


def test_a_commit_refused_at_a_hand_over_is_tried_again(work):
    calls, weather = Counter(), Weather()

    async def scenario(app):
        for n in range(40):
            await app.send("src", n)
        await asyncio.sleep(1)
        worker = app.workers.pop()
        worker.stop()
        await asyncio.sleep(2.5)
        weather.commits = 2
        await app.stop(worker)
        await app.start("work")
        await app.settled()
        assert calls == Counter(range(40))

    work(counting(calls, 3), scenario, output=None, faults=weather, concurrency=50)


@pytest.mark.parametrize("outcome", ["retried", "emitted"])
def test_what_is_on_its_way_to_the_broker_is_waited_for_also_without_grace(work, outcome):
    """Else it would stand in the log, and its event be done again."""
    attempts, weather = [], Weather()

    async def handler(event, ctx):
        attempts.append(ctx.attempt)
        if outcome == "retried" and ctx.attempt == 1:
            raise ValueError("once")
        return "done"

    async def scenario(app):
        weather.delay = 0.0
        await app.send("src", 1, key="a")
        weather.delay = 0.8
        await asyncio.sleep(0.2)
        await app.stop(app.workers.pop())
        weather.delay = 0.0
        await app.start("work")
        await app.settled()
        assert attempts == ([1, 2] if outcome == "retried" else [1])
        assert len(app.records("out")) == 1

    work(handler, scenario, stop_grace_period=0.0, faults=weather)
