"""A retry or dead letter topic deleted under a running worker is made again, and nothing is lost by it."""

from penstock import Retry


def test_deleted_retry_topic_is_made_again(work):
    async def handler(event, ctx):
        raise ValueError("no")

    async def scenario(app):
        await app.send("src", 1, key="a")
        await app.settled()
        await app.broker.admin().delete_topics(["t.work.retry.5s", "t.work.retry.30s", "t.work.dlt"])
        await app.send("src", 2, key="a")
        await app.settled()
        assert [record.value for record in app.dead_letters("work")] == [b"2"]
        assert (await app.broker.admin().topics())["t.work.retry.5s"].partitions == 4

    work(handler, scenario, output=None)


def test_a_tier_that_only_a_handler_asks_for_is_made_and_read(work):
    async def handler(event, ctx):
        if ctx.attempt == 1:
            raise Retry("soon", after="7s")

    async def scenario(app):
        await app.send("src", 1, key="a")
        await app.settled("5m")
        assert [a.outcome for a in app.attempts] == ["retried", "done"]
        assert len(app.records("t.work.retry.15s")) == 1

    work(handler, scenario, output=None)
