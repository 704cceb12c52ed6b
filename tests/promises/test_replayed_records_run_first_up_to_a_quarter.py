"""Records of the replay topic go before a backlog, on a quarter of the slots at most; discarded markers are skipped."""

import asyncio

from penstock.record import Outgoing


def test_replayed_records_run_first_up_to_a_quarter(work):
    running_own = most_own = most = 0
    order = []

    async def handler(event, ctx):
        nonlocal running_own, most_own, most
        own = event.position.topic == "t.work.replay"
        order.append(own)
        running_own += own
        most_own = max(most_own, running_own)
        await asyncio.sleep(1)
        running_own -= own

    async def scenario(app):
        producer = app.broker.producer()
        for n in range(400):
            await producer.send(Outgoing("src", None, b"%d" % n, []))
        for n in range(50):
            await producer.send(Outgoing("t.work.replay", None, b"%d" % n, []))
        await app.start("work")
        await app.settled()
        assert most_own == 5
        assert len(order) == 450
        assert max(at for at, own in enumerate(order) if own) < 220, "long before the backlog is done"

    work(handler, scenario, workers=0, output=None)


def test_discarded_markers_are_skipped(work):
    seen = []

    async def handler(event, ctx):
        seen.append((event.data, ctx.attempt, ctx.run_id))

    async def scenario(app):
        producer = app.broker.producer()
        marker = [("penstock-discarded", b"1"), ("penstock-run-id", b"r-1")]
        await producer.send(Outgoing("t.work.replay", b"a", b"1", marker))
        await producer.send(Outgoing("t.work.replay", b"a", b"2", [("penstock-run-id", b"r-2")]))
        await producer.send(Outgoing("src", b"a", b"3", [("penstock-discarded", b"1"), ("penstock-run-id", b"r-3")]))
        await app.settled()
        assert min(seen) == (2, 1, "r-2")
        assert [data for data, *_ in sorted(seen)] == [2, 3], "elsewhere our headers are not believed"
        assert max(seen)[2] != "r-3"

    work(handler, scenario, output=None)
