"""`expires_after` bounds an event's age, `max_age` the time since its first failure; both end as `expired`."""

from datetime import UTC, datetime

from penstock import Defer
from penstock.topology.model import Backoff, Retry


def test_an_old_event_is_not_handled(work):
    calls = []

    async def handler(event, ctx):
        calls.append(event.data)

    async def scenario(app):
        old = datetime.fromtimestamp(app.clock.now() - 61, tz=UTC)
        await app.send("src", "old", key="a", time=old)
        await app.send("src", "young", key="a", time=datetime.fromtimestamp(app.clock.now() - 59, tz=UTC))
        await app.settled()
        assert calls == ["young"]
        (letter,) = app.dead_letters("work")
        assert letter.header("penstock-reason") == b"expired"
        assert letter.header("penstock-attempt") == b"0"

    work(handler, scenario, output=None, expires_after=60.0)


def test_deferrals_end_with_max_age(work):
    calls = []

    async def handler(event, ctx):
        calls.append(1)
        raise Defer(after="30s")

    async def scenario(app):
        await app.send("src", 1, key="a")
        await app.settled()
        (letter,) = app.dead_letters("work")
        assert letter.header("penstock-reason") == b"expired"
        assert len(calls) == 11, "at 0, 30, ... 300 s"

    work(handler, scenario, output=None, retry=Retry(max_age=300))


def test_failures_end_with_max_age(work):
    async def handler(event, ctx):
        raise ValueError("no")

    async def scenario(app):
        await app.send("src", 1, key="a")
        await app.settled()
        (letter,) = app.dead_letters("work")
        assert letter.header("penstock-reason") == b"expired"
        assert int(letter.header("penstock-attempt")) == len(app.attempts) == 3

    retry = Retry(max_attempts=100, max_age=100, backoff=Backoff(initial=60, multiplier=1, max=60))
    work(handler, scenario, output=None, retry=retry)
