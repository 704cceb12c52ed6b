"""With `start_from: latest` a partition added later is still read from its beginning; the first start is not."""

import asyncio

from penstock.record import Outgoing


def test_added_partitions_are_read_from_the_beginning(work):
    seen = []

    async def handler(event, ctx):
        seen.append(event.data)

    async def scenario(app):
        producer = app.broker.producer()
        for n in range(4):
            await producer.send(Outgoing("src", None, b"%d" % n, [], n))
        await app.start("work")
        await asyncio.sleep(5)
        assert seen == []
        await app.stop(app.workers.pop())
        await app.broker.admin().add_partitions("src", 6)
        for n in range(4, 10):
            await producer.send(Outgoing("src", None, b"%d" % n, [], n % 6))
        await app.start("work")
        await app.settled()
        assert sorted(seen) == [4, 5, 6, 7, 8, 9]

    work(handler, scenario, workers=0, output=None, start_from="latest")
