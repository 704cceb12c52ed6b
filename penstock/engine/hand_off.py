"""Hand-offs: records produced on behalf of a run, sent until the broker has them. Never dropped.

A passing failure sends the same bytes again. An output refused for good ends in the dead letter topic as
`unsendable`. A retry or dead letter record that cannot be written waits, loudly, and its offset stays unfinished.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from penstock.broker.contract import Producer
from penstock.engine.counters import Counters
from penstock.errors import SendFailed, SendRefused
from penstock.record import Outgoing, Position

log = logging.getLogger("penstock.handoff")
_FIRST_WAIT = 0.1
_LONGEST_WAIT = 15.0


class Ownership(Protocol):
    """What may end at any time: a partition in one epoch, a source in one tenure."""

    active: bool


class Sender(Protocol):
    """On whose behalf records are sent: a run, or a source. Nothing is sent once its ownership has ended."""

    @property
    def partition(self) -> Ownership:
        """What it belongs to."""
        ...


class StaleEpoch(Exception):
    """The partition is no longer this worker's: nothing may be produced for its runs."""


class HandOff:
    """Sends for runs. `waiting` counts the runs whose hand-off the broker does not take at the moment."""

    def __init__(
        self, producer: Producer, counters: Counters, missing: Callable[[str], Awaitable[None]] | None = None
    ) -> None:
        """`missing` is called with the topic after a passing failure; it may make a derived topic anew."""
        self._producer = producer
        self._counters = counters
        self._missing = missing
        self.waiting = 0

    async def outputs(self, run: Sender, records: Sequence[Outgoing]) -> list[Position]:
        """Send all, in order; returns once every one is acknowledged. Raises SendRefused for one that never will be."""
        futures = [self._send(run, record) for record in records]
        positions = []
        refused: SendRefused | None = None
        for record, future in zip(records, futures, strict=True):
            try:
                positions.append(await self.acknowledged(run, record, future))
            except SendRefused as error:
                refused = refused or error
            except BaseException:
                for other in futures:
                    other.add_done_callback(_hear)
                raise
        if refused is not None:
            raise refused
        self._counters.emitted += len(records)
        return positions

    async def acknowledged(
        self, run: Sender, record: Outgoing, sent: asyncio.Future[Position] | None = None
    ) -> Position:
        """Send one, where that is not done yet, and again after a passing failure, until the broker has it.

        Raises SendRefused where it never will.
        """
        wait = _FIRST_WAIT
        future = self._send(run, record) if sent is None else sent
        while True:
            try:
                return await future
            except SendFailed as error:
                await self._wait(run, record.topic, error, wait)
                wait = min(wait * 2, _LONGEST_WAIT)
                future = self._send(run, record)

    async def certainly(self, run: Sender, record: Outgoing, smaller: Outgoing | None = None) -> Position:
        """Send a retry or dead letter record, however long it takes.

        `smaller` is sent instead once the broker refuses the first for good (its size, most likely).
        """
        wait = _FIRST_WAIT
        current = record
        while True:
            try:
                return await self.acknowledged(run, current)
            except SendRefused as error:
                if smaller is not None:
                    log.error("%s refused %s (%s); sending it without error headers", record.topic, run, error)
                    current, smaller = smaller, None
                    continue
                await self._wait(run, current.topic, error, wait)
                wait = min(wait * 2, _LONGEST_WAIT)

    def _send(self, run: Sender, record: Outgoing) -> asyncio.Future[Position]:
        if not run.partition.active:
            raise StaleEpoch
        return self._producer.send(record)

    async def _wait(self, run: Sender, topic: str, error: Exception, seconds: float) -> None:
        self._counters.hand_off_failures += 1
        log.error("cannot write to %s for %s: %s; it stays unfinished and is sent again", topic, run, error)
        self.waiting += 1
        try:
            if self._missing is not None:
                await self._missing(topic)
            await asyncio.sleep(seconds)
        finally:
            self.waiting -= 1


def _hear(future: asyncio.Future[Position]) -> None:
    """Nobody waits for it any more: asyncio would complain of its error later."""
    if not future.cancelled():
        future.exception()
