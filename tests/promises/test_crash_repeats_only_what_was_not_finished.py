"""After a crash the unfinished records run again; those finished above the frontier do not (the map in the commit)."""

import asyncio
from collections import Counter

from penstock.broker.contract import NewTopic
from penstock.record import Outgoing


def counting(calls, slow):
    async def handler(event, ctx):
        calls[event.data] += 1
        if event.data in slow and calls[event.data] == 1:
            await asyncio.sleep(100)

    return handler


def test_crash_repeats_only_what_was_not_finished(work):
    calls = Counter()

    async def scenario(app):
        for n in range(100):
            await app.send("src", n)
        await asyncio.sleep(10)
        app.crash(app.workers[0])
        await app.start("work")
        await app.settled()
        assert calls == Counter(range(100)) + Counter({3: 1, 40: 1})

    work(counting(calls, {3, 40}), scenario, output=None)


def test_crash_before_the_commit_delivers_again(work):
    calls = Counter()

    async def scenario(app):
        for n in range(10):
            await app.send("src", n, key="a")
        await asyncio.sleep(0.02)
        assert sum(calls.values()) > 0
        app.crash(app.workers[0])
        await app.start("work")
        await app.settled()
        assert set(calls) == set(range(10))

    work(counting(calls, {}), scenario, output=None)


def test_the_map_is_dropped_when_the_topic_was_made_anew(work):
    calls = Counter()

    async def scenario(app):
        for n in range(10):
            await app.send("src", n, key="a" if n else "b")
        admin = app.broker.admin()
        await asyncio.sleep(10)
        app.crash(app.workers[0])
        old = dict(app.broker._coordinator.group("t.work").committed)
        await asyncio.sleep(30)
        await admin.delete_topics(["src"])
        await admin.create_topics([NewTopic("src", 4)])
        app.broker._coordinator.group("t.work").committed.update(old)
        producer = app.broker.producer()
        for n in range(100, 140):
            await producer.send(Outgoing("src", None, b"%d" % n, [], n % 4))
        await app.start("work")
        await app.settled()
        assert {n: calls[n] for n in range(100, 140)} == dict.fromkeys(range(100, 140), 1)

    work(counting(calls, {0, 1}), scenario, output=None, ordering="none")


def test_a_topic_made_anew_under_a_running_worker_is_read_from_its_beginning(work):
    calls = Counter()

    async def scenario(app):
        for n in range(40):
            await app.send("src", n, key=f"k{n}")
        await app.settled()
        log, again = app.broker._log, 100
        for partition in log.topics["src"].partitions:  # as after an unclean election: the log is shorter now
            partition.records.clear()
            partition.high = 0
        for n in range(again, again + 8):
            await app.send("src", n, key=f"k{n}")
        await app.settled()
        assert {n: calls[n] for n in range(100, 108)} == dict.fromkeys(range(100, 108), 1)

    work(counting(calls, {}), scenario, output=None)
