"""Finds in the log what is no longer, or not yet, on the board: one scan at a time, for all who wait."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from contextlib import aclosing
from typing import Final

from penstock.broker.contract import Broker
from penstock.connectors.http_source.board import Board, Case
from penstock.connectors.http_source.refusal import Refused
from penstock.connectors.http_source.sealing import time_of
from penstock.connectors.http_source.tail import Clerk
from penstock.errors import BrokerError
from penstock.record import TopicPartition

_PATIENCE: Final = 10.0  # seconds one request waits for the scan; the scan goes on
_MOST_WAITING: Final = 200
_SLACK: Final = 60.0  # seconds: the clock of whoever made the id may differ from the log's
_UNKNOWN_FOR: Final = 10.0  # seconds for which an id that was not found is not looked for again
_MOST_UNKNOWN: Final = 10_000


class Lookup:
    """Scans the entry, reply, dead letter and progress topics, at most `back` seconds back.

    An id made here tells its own time; the scan begins there.
    """

    def __init__(self, broker: Broker, clerk: Clerk, board: Board, back: float, now: Callable[[], float]) -> None:
        self._broker = broker
        self._clerk = clerk
        self._board = board
        self._back = back
        self._now = now
        self._waiting: dict[str, asyncio.Future[None]] = {}
        self._unknown: OrderedDict[str, float] = OrderedDict()
        self._scanning: asyncio.Task[None] | None = None

    async def find(self, id_: str) -> Case | None:
        """The case, from the log; None where it holds nothing of this id. Raises Refused (503)."""
        if self._now() - self._unknown.get(id_, -_UNKNOWN_FOR) < _UNKNOWN_FOR:
            return None
        future = self._waiting.get(id_)
        if future is None:
            if len(self._waiting) >= _MOST_WAITING:
                raise Refused(503, "too many results are looked up already", retry_after=1)
            future = self._waiting[id_] = asyncio.get_running_loop().create_future()
        if self._scanning is None or self._scanning.done():
            self._scanning = asyncio.create_task(self._scan_all())
        await asyncio.wait([future], timeout=_PATIENCE)
        if not future.done():
            raise Refused(503, "the result is still being looked up", retry_after=5)
        error = future.exception()
        if error is not None:
            raise Refused(503, "Kafka is away: the result cannot be looked up", retry_after=5) from error
        return self._board.find(id_)

    async def close(self) -> None:
        """End the scan under way."""
        if self._scanning is not None:
            self._scanning.cancel()
            await asyncio.wait([self._scanning])

    async def _scan_all(self) -> None:
        while self._waiting:
            wanted = dict(self._waiting)
            trouble: BrokerError | None = None
            try:
                await self._scan(wanted)
            except BrokerError as error:
                trouble = error
            for id_, future in wanted.items():
                del self._waiting[id_]
                if trouble is None:
                    self._remember_unknown(id_)
                    future.set_result(None)
                else:
                    future.set_exception(trouble)
                    future.exception()  # its caller may have gone

    async def _scan(self, wanted: dict[str, asyncio.Future[None]]) -> None:
        admin = self._broker.admin()
        topics = await admin.topics({self._clerk.entry, *self._clerk.topics})
        partitions = [TopicPartition(one.name, number) for one in topics.values() for number in range(one.partitions)]
        starts = await admin.offsets_at(partitions, int(self._since(wanted) * 1000))
        ends = await admin.ends(partitions)
        ranges = {at: (starts[at], ends[at].high) for at in partitions if at in starts and at in ends}
        async with aclosing(self._broker.reader().scan(ranges)) as records:
            async for record in records:
                self._clerk.note(record, wanted)

    def _since(self, wanted: dict[str, asyncio.Future[None]]) -> float:
        earliest = self._now() - self._back
        times = [time_of(id_) for id_ in wanted]
        return max(earliest, min(earliest if time is None else time - _SLACK for time in times))

    def _remember_unknown(self, id_: str) -> None:
        if self._board.find(id_) is None:
            self._unknown[id_] = self._now()
            self._unknown.move_to_end(id_)
            if len(self._unknown) > _MOST_UNKNOWN:
                self._unknown.popitem(last=False)
