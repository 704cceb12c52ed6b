"""From records to the broker's word: everything acknowledged, or a refusal that says what was not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

from penstock.broker.contract import Producer
from penstock.connectors.http_source.pressure import Pressure
from penstock.connectors.http_source.refusal import Refused
from penstock.connectors.http_source.sealing import Sealed
from penstock.errors import PenstockError, ProducerFatal, SendRefused

_AGAIN: Final = 5


class Acceptance:
    """Sends, within the bounds of `pressure`, and waits `timeout` seconds at most for each request."""

    def __init__(
        self, producer: Producer, pressure: Pressure, timeout: float, fatal: Callable[[ProducerFatal], None]
    ) -> None:
        self._producer = producer
        self._pressure = pressure
        self._timeout = timeout
        self._fatal = fatal

    async def accept(self, events: Sequence[Sealed]) -> None:
        """Returns when Kafka has all of them. Raises Refused otherwise: what it does not name may have arrived."""
        sizes = [event.record.size for event in events]
        self._pressure.admit(len(events), sum(sizes))
        futures: list[asyncio.Future[Any]] = []
        for event, size in zip(events, sizes, strict=True):
            future = self._producer.send(event.record)
            self._pressure.enter(size, future)
            futures.append(future)
        if not futures:
            return
        _, waiting = await asyncio.wait(futures, timeout=self._timeout)
        if waiting:
            self._pressure.lost(f"no acknowledgement within {self._timeout:g} s")
            for future in waiting:
                future.add_done_callback(_heard)
        failed = [(index, why) for index, future in enumerate(futures) if (why := self._why(future)) is not None]
        if failed:
            raise self._refusal(events, failed)

    def _why(self, future: asyncio.Future[Any]) -> Refused | None:
        if not future.done():
            return Refused(503, "Kafka did not acknowledge it in time; it may still arrive", retry_after=_AGAIN)
        error = future.exception()
        if error is None:
            return None
        if isinstance(error, ProducerFatal):
            self._fatal(error)
        if not isinstance(error, PenstockError):
            raise error
        if isinstance(error, SendRefused) and "large" in error.message.lower():
            return Refused(413, "the event is larger than its topic takes")
        self._pressure.refused(error.message)
        return Refused(503, "Kafka did not take it", retry_after=_AGAIN)

    def _refusal(self, events: Sequence[Sealed], failed: list[tuple[int, Refused]]) -> Refused:
        if len(events) == 1:
            return failed[0][1]
        errors = [{"index": index, "id": events[index].id, "detail": why.detail} for index, why in failed]
        passing = [why for _, why in failed if why.status == 503]
        detail = f"{len(failed)} of {len(events)} events were not acknowledged; the others were accepted"
        return Refused(503 if passing else 413, detail, retry_after=_AGAIN if passing else None, errors=errors)


def _heard(done: asyncio.Future[Any]) -> None:
    """Its caller has been answered: look at the outcome, so that nobody complains of an exception unheard."""
    if not done.cancelled():
        done.exception()
