"""A retry topic that the policy no longer uses is read until it is empty: a changed topology loses nothing."""

import asyncio

from penstock.broker.contract import NewTopic
from penstock.record import Outgoing


def test_old_retry_tier_is_drained(work):
    seen = []

    async def handler(event, ctx):
        seen.append((event.data, ctx.attempt, event.position.topic))

    async def scenario(app):
        await app.broker.admin().create_topics([NewTopic("t.work.retry.1h", 2), NewTopic("t.work.retry.other", 1)])
        headers = [("penstock-attempt", b"2"), ("penstock-origin-topic", b"src")]
        await app.broker.producer().send(Outgoing("t.work.retry.1h", b"a", b"1", headers))
        await app.start("work")
        await app.settled()
        assert seen == [(1, 3, "t.work.retry.1h")]

    work(handler, scenario, workers=0, output=None)


def test_one_that_appears_later_is_found_within_a_minute_or_so(work):
    seen = []

    async def handler(event, ctx):
        seen.append(event.data)

    async def scenario(app):
        await app.broker.admin().create_topics([NewTopic("t.work.retry.1s", 2)])
        await app.broker.producer().send(Outgoing("t.work.retry.1s", b"a", b"1", []))
        await asyncio.sleep(65)
        assert seen == [1]

    work(handler, scenario, output=None)
