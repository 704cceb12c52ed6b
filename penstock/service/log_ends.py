"""The log ends a worker's lag is counted from: the client's own figures stand still for partitions it has paused."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence

from penstock.broker.contract import Admin
from penstock.engine.worker import Worker
from penstock.errors import BrokerError
from penstock.record import TopicPartition

log = logging.getLogger("penstock.metrics")
_EVERY = 5.0
_PATIENCE = 1.0  # seconds a scrape waits for the broker: beside a busy loop the answer may take longer


class LogEnds:
    """Asks the broker at most every five seconds, and only when somebody looks."""

    def __init__(self, admin: Admin, monotonic: Callable[[], float]) -> None:
        self._admin = admin
        self._monotonic = monotonic
        self._asked = float("-inf")
        self._known: dict[TopicPartition, int] = {}
        self._asking: asyncio.Task[None] | None = None

    async def of(self, worker: Worker) -> Mapping[TopicPartition, int]:
        """The end of each partition the worker owns, by the broker or the client, whichever saw more."""
        now = self._monotonic()
        if self._asking is None or (self._asking.done() and now - self._asked >= _EVERY):
            self._asked = now
            self._asking = asyncio.create_task(self._ask(list(worker.parts.partitions)))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(self._asking), _PATIENCE)
        seen = worker.parts.member.ends() if worker.joined else {}
        return {one: max(self._known.get(one, 0), seen.get(one, 0)) for one in worker.parts.partitions}

    async def _ask(self, partitions: Sequence[TopicPartition]) -> None:
        try:
            found = await self._admin.ends(partitions)
            self._known = {partition: ends.high for partition, ends in found.items()}
        except BrokerError as error:
            log.debug("log ends are as of a moment ago: %s", error)
