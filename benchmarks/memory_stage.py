"""A broker that is only a stage: its records stand ready in memory, and it does next to nothing itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from benchmarks.load import PARTITIONS, value_of


class Stage:
    """Holds `events` records; `feeding` are the seconds it took itself, to be taken off."""

    def __init__(self, events: int) -> None:
        self.events = events
        self.feeding = 0.0

    def member(self, _: Any) -> Any:
        return _Member(self)

    def producer(self, _: str = "") -> Any:
        return _Producer()

    def admin(self) -> Any:
        return _Admin()


class _Member:
    protocol = "consumer"

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._demand = self._sent = 0
        self._offsets = [0] * PARTITIONS
        self._value = value_of(1)

    async def join(self, topics: Sequence[str], listener: Any) -> None:
        from penstock.broker.contract import Assigned
        from penstock.record import TopicPartition

        self._listener = listener
        await listener.assigned(
            [
                Assigned(TopicPartition("in", one), 0, "", self._stage.events, "id", PARTITIONS)
                for one in range(PARTITIONS)
            ]
        )
        self._task = asyncio.get_running_loop().create_task(self._feed())

    async def _feed(self) -> None:
        while self._sent < self._stage.events:
            before = time.thread_time()
            wanted = min(self._demand, 1000, self._stage.events - self._sent)
            records = [self._record(self._sent + one) for one in range(wanted)]
            self._demand -= wanted
            self._sent += wanted
            self._stage.feeding += time.thread_time() - before
            if records:
                self._listener.received(records)
            await asyncio.sleep(0)

    def _record(self, number: int) -> Any:
        from penstock.record import Record

        partition = (number // 80) % PARTITIONS
        offset = self._offsets[partition]
        self._offsets[partition] += 1
        headers = (("ce_id", b"%d" % number), ("ce_type", b"bench"), ("ce_source", b"/bench"))
        key = b"key-%d" % (number % 1000)
        return Record("in", partition, offset, 1_700_000_000_000, key, self._value, headers)

    def demand(self, records: int) -> None:
        self._demand = records

    def pause(self, _: Any) -> None: ...

    def resume(self, _: Any) -> None: ...

    async def commit(self, _: Any) -> dict[Any, Any]:
        return {}

    def ends(self) -> dict[Any, int]:
        return {}

    def problem(self) -> str:
        return ""

    async def leave(self) -> None: ...


class _Producer:
    outstanding = 0

    def send(self, record: Any) -> asyncio.Future[Any]:
        future = asyncio.get_running_loop().create_future()
        future.set_result(None)
        return future

    async def flush(self) -> None: ...

    async def close(self) -> None: ...


class _Admin:
    async def cluster(self) -> Any:
        return SimpleNamespace(id="cluster", brokers=())

    async def topics(self, names: Any = None) -> Any:
        found = SimpleNamespace(name="in", id="id", partitions=PARTITIONS, replication_factor=1, configs={})
        names = ("in", "g.retry.5s", "g.retry.30s", "g.retry.2m", "g.retry.10m", "g.dlt", "g.replay", "out")
        return dict.fromkeys(names, found)
