"""What another program committed is accepted as an offset; metadata that is not ours is ignored, and counted."""

import pytest

from penstock.broker.contract import Committed
from penstock.record import TopicPartition


@pytest.mark.parametrize("text", ["kafka streams' own", "cHMB", "cHMBAAAAAAAA", "\xff", "=" * 4000])
def test_foreign_commit_metadata_is_tolerated(work, text):
    seen = []

    async def handler(event, ctx):
        seen.append(event.data)

    async def scenario(app):
        places = {n: await app.send("src", n, key="a") for n in range(5)}
        at = TopicPartition(*places[0][:2])
        app.broker._coordinator.group("t.work").committed[at] = Committed(places[2].offset, text, 0)
        await app.start("work")
        await app.settled()
        assert seen == [2, 3, 4]
        assert app.workers[0].parts.counters.foreign_metadata == 1

    work(handler, scenario, workers=0, output=None)
