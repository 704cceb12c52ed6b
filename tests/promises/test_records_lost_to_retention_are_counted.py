"""Unread records that retention removed are an alarm with their number, not a silent jump; work goes on behind."""

import asyncio

from penstock.record import Outgoing, TopicPartition


def test_lost_before_the_start(work):
    seen = []

    async def handler(event, ctx):
        seen.append(event.data)

    async def scenario(app):
        producer = app.broker.producer()
        await producer.send(Outgoing("src", None, b"0", [], 0))
        await app.start("work")
        await app.settled()
        await app.stop(app.workers.pop())
        for n in range(1, 11):
            await producer.send(Outgoing("src", None, b"%d" % n, [], 0))
        app.broker.truncate(TopicPartition("src", 0), 6)
        worker = await app.start("work")
        await app.settled()
        assert seen == [0, 6, 7, 8, 9, 10]
        assert worker.parts.counters.records_lost == 5

    work(handler, scenario, workers=0, output=None)


def test_lost_while_it_runs(work):
    seen = []

    async def handler(event, ctx):
        seen.append(event.data)
        await asyncio.sleep(1)

    async def scenario(app):
        producer = app.broker.producer()
        member = app.workers[0].parts.member
        await asyncio.sleep(1)
        member.pause([TopicPartition("src", 0)])
        for n in range(10):
            await producer.send(Outgoing("src", b"a", b"%d" % n, [], 0))
        app.broker.truncate(TopicPartition("src", 0), 7)
        member.resume([TopicPartition("src", 0)])
        await app.settled()
        assert seen == [7, 8, 9]
        assert app.workers[0].parts.counters.records_lost == 7

    work(handler, scenario, output=None)


def test_a_partition_that_lost_all_is_finished(work):
    async def scenario(app):
        producer = app.broker.producer()
        member, at = app.workers[0].parts.member, TopicPartition("src", 0)
        await asyncio.sleep(1)
        member.pause([at])
        for _ in range(10):
            await producer.send(Outgoing("src", b"a", b"1", [], 0))
        app.broker.truncate(at, 10)
        member.resume([at])
        await app.settled("1m")
        assert (await app.broker.admin().committed("t.work"))[at].offset == 10

    work(lambda event, ctx: None, scenario, output=None)


def test_gaps_are_not_losses(work):
    seen = []

    async def handler(event, ctx):
        seen.append(event.data)

    async def scenario(app):
        producer = app.broker.producer()
        for n in range(10):
            app.broker.skip_offsets(TopicPartition("src", 0), n)
            await producer.send(Outgoing("src", None, b"%d" % n, [], 0))
        await app.settled()
        assert sorted(seen) == list(range(10))
        assert app.workers[0].parts.counters.records_lost == 0

    work(handler, scenario, output=None)
