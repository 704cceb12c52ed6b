"""Lag is counted from the broker's ends: the client's stand still while partitions are paused."""

import asyncio
from types import SimpleNamespace

from penstock.broker.contract import Ends
from penstock.errors import BrokerUnavailable
from penstock.record import TopicPartition
from penstock.service.log_ends import LogEnds

ONE, TWO = TopicPartition("src", 0), TopicPartition("src", 1)


class Admin:
    def __init__(self):
        self.asked = 0
        self.away = False

    async def ends(self, partitions):
        self.asked += 1
        if self.away:
            raise BrokerUnavailable("away")
        return {one: Ends(0, 100) for one in partitions}


def test_broker_and_client_are_both_heard_and_seldom_asked():
    now = [0.0]
    admin = Admin()
    seen = {ONE: 120, TWO: 10}
    parts = SimpleNamespace(partitions={ONE: None, TWO: None}, member=SimpleNamespace(ends=lambda: seen))
    worker = SimpleNamespace(parts=parts, joined=True)
    ends = LogEnds(admin, lambda: now[0])

    async def story():
        assert await ends.of(worker) == {ONE: 120, TWO: 100}
        now[0] = 4.9
        await ends.of(worker)
        assert admin.asked == 1
        now[0], admin.away = 5.1, True
        assert await ends.of(worker) == {ONE: 120, TWO: 100}, "what was known stays"
        assert admin.asked == 2

    asyncio.run(story())
