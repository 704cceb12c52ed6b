"""A provider that answers 429, then nothing, then 500, for ten minutes: nothing is lost, spent or dead-lettered."""

import asyncio

import httpx
import pytest

from penstock import Reject
from penstock.topology.model import Backoff, Breaker, Limit, Retry

OUTAGE = (60.0, 660.0)  # seconds of virtual time


class Provider:
    """Fine, but for ten minutes; `calls` are (time, event) as they come in."""

    def __init__(self, how):
        self.how = how
        self.calls = []

    async def ask(self, event):
        now = asyncio.get_running_loop().time()
        self.calls.append((now, event.data))
        await asyncio.sleep(0.5)
        if not OUTAGE[0] <= now < OUTAGE[1]:
            return
        how = self.how
        if how == "all":
            third = (OUTAGE[1] - OUTAGE[0]) / 3
            how = ("429", "nothing", "500")[int((now - OUTAGE[0]) / third)]
        if how == "nothing":
            await asyncio.sleep(1e6)
        status = int(how)
        request = httpx.Request("POST", "http://model/v1/chat")
        headers = {"retry-after": "7"} if status == 429 else {}
        response = httpx.Response(status, headers=headers, request=request)
        response.raise_for_status()

    def during(self):
        return [event for at, event in self.calls if OUTAGE[0] <= at < OUTAGE[1]]


@pytest.mark.slow
@pytest.mark.parametrize("how", ["429", "nothing", "500", "401", "all"])
def test_nothing_is_spent_and_everything_is_done_afterwards(work, how):
    provider = Provider(how)
    done = []

    async def handler(event, ctx):
        assert ctx.attempt == 1, "an attempt was spent"
        await provider.ask(event)
        done.append(event.data)

    async def scenario(app):
        for n in range(1500):  # one every half second, through the outage and after it
            await app.send("src", n, key=f"k{n}")
            await asyncio.sleep(0.5)
            if asyncio.get_running_loop().time() > OUTAGE[0] + 20 and not taken:
                sources = [one for one in app.workers[0].parts.partitions.values() if one.gate is None]
                taken.append(sum(one.tracker.position for one in sources))
                assert app.workers[0].parts.valve.closed
        await app.settled()
        assert sorted(set(done)) == list(range(1500))
        assert app.dead_letters("work") == []
        assert {one.outcome for one in app.attempts} == {"done", "deferred"}
        assert app.workers[0].parts.valve.closed == ()

    taken = []
    work(handler, scenario, output=None, timeout=5.0, limits=("model",), limit=Limit(name="model"))
    assert taken[0] <= 145, "the intake stopped within twelve seconds: two records a second came until then"
    assert len(provider.during()) < 100, "but for the first ones and a probe each half minute nobody is asked"


def test_what_is_rejected_outright_is_dead_lettered_meanwhile(work):
    async def handler(event, ctx):
        if event.data == "nonsense":
            raise Reject("no ticket at all")
        response = httpx.Response(500, request=httpx.Request("POST", "http://model/v1/chat"))
        response.raise_for_status()

    async def scenario(app):
        for n in range(10):
            await app.send("src", "nonsense" if n % 2 else "fine", key=f"k{n}")
        await asyncio.sleep(300)
        assert {letter.header("penstock-reason") for letter in app.dead_letters("work")} == {b"rejected"}

    work(handler, scenario, output=None, limits=("model",), limit=Limit(name="model"))


@pytest.mark.slow
def test_an_event_that_fails_where_others_are_answered_is_exhausted(work):
    """A prompt that its provider always answers with 500 ends in the dead letter topic: it is the event's own."""

    async def handler(event, ctx):
        if event.data == "poison":
            httpx.Response(500, request=httpx.Request("POST", "http://m/v1")).raise_for_status()

    async def scenario(app):
        await app.send("src", "poison", key="p")
        for n in range(2000):
            await app.send("src", n, key=f"k{n}")
            await asyncio.sleep(1)
        await app.settled()
        (letter,) = app.dead_letters("work")
        assert letter.header("penstock-reason") == b"exhausted"
        assert letter.header("penstock-attempt") == b"3"

    work(handler, scenario, output=None, limits=("model",), limit=Limit(name="model"))


@pytest.mark.slow
def test_a_failing_handler_stops_the_intake_of_any_processor(work):
    """Without any setting: at least half of the last 100 first attempts failed."""
    broken = True
    starts = []

    async def handler(event, ctx):
        starts.append(ctx.attempt)
        await asyncio.sleep(0.1)
        if broken:
            raise KeyError("a deploy that cannot work")

    async def scenario(app):
        nonlocal broken
        for n in range(2000):
            await app.send("src", n, key=f"k{n}")
        await asyncio.sleep(600)
        assert len(starts) < 250, "50 failed, what ran beside them, and a probe each half minute"
        assert app.dead_letters("work") == []
        broken = False
        await app.settled()
        assert app.dead_letters("work") == []
        assert sum(one.outcome == "done" for one in app.attempts) == 2000

    retry = Retry(max_attempts=2, backoff=Backoff(initial=1, multiplier=1, max=1))
    work(handler, scenario, output=None, retry=retry)


def test_a_breaker_can_be_declined(work):
    async def handler(event, ctx):
        raise KeyError("always")

    async def scenario(app):
        for n in range(300):
            await app.send("src", n, key=f"k{n}")
        await app.settled()
        assert len(app.dead_letters("work")) == 300

    work(handler, scenario, output=None, breaker=False)


def test_one_probe_at_a_time(work):
    running = most = 0

    async def handler(event, ctx):
        nonlocal running, most
        running += 1
        if asyncio.get_running_loop().time() > 40:
            most = max(most, running)
        try:
            await asyncio.sleep(5)
            raise ConnectionError("nobody there")
        finally:
            running -= 1

    async def scenario(app):
        for n in range(200):
            await app.send("src", n, key=f"k{n}")
        await asyncio.sleep(600)

    limit = Limit(name="model", breaker=Breaker(open_for=10))
    work(handler, scenario, output=None, limits=("model",), limit=limit)
    assert most == 1
