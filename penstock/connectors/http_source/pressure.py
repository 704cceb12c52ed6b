"""How much may come in: the bound on what waits for Kafka, the bound on what waits for agents, and Kafka being away.

Nothing that is refused here leaves a trace in memory. What was sent and not acknowledged counts until Kafka has spoken
or the client has given it up, also where its caller has long been answered.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import count
from typing import Any, Final

from penstock.connectors.http_source.refusal import Refused
from penstock.errors import BrokerError

log = logging.getLogger("penstock.gateway")

_STALLED: Final = 3.0  # seconds without an acknowledgement after which nothing more is let in
_PROBE_EVERY: Final = 1.0
_LOOK_EVERY: Final = 2.0  # seconds between two looks at the backlog
_SAID_EVERY: Final = 30.0
_SOON: Final = 1
_LATER: Final = 5


@dataclass(frozen=True, slots=True)
class Bounds:
    """Events and bytes sent and not acknowledged; `backlog` None: as much as may come."""

    events: int = 10_000
    size: int = 64 << 20
    backlog: int | None = None


class Pressure:
    """What stands in the way of one more event."""

    def __init__(self, bounds: Bounds, monotonic: Callable[[], float]) -> None:
        self._bounds = bounds
        self._monotonic = monotonic
        self._size = 0
        self._under_way: dict[int, float] = {}  # ticket -> since when; oldest first
        self._tickets = count()
        self._heard = -_STALLED  # when Kafka last acknowledged anything
        self.backlog = 0
        self.away = ""  # why Kafka counts as away
        self._said: tuple[str, float] = ("", -_SAID_EVERY)  # the last refusal that was logged, and when

    @property
    def events(self) -> int:
        """Events sent and not acknowledged."""
        return len(self._under_way)

    def admit(self, events: int, size: int) -> None:
        """Raises Refused: 503 while Kafka is away, 429 where a bound is reached."""
        if self.away:
            raise Refused(503, "Kafka is away: nothing was accepted", retry_after=_LATER)
        if self.stalled:
            raise Refused(503, "Kafka does not answer: nothing was accepted", retry_after=_LATER)
        if self._bounds.backlog is not None and self.backlog >= self._bounds.backlog:
            detail = f"{self.backlog} events wait for the agents; at most {self._bounds.backlog} may"
            raise Refused(429, detail, retry_after=_LATER)
        if self.events and (self.events + events > self._bounds.events or self._size + size > self._bounds.size):
            raise Refused(429, "too much waits for Kafka already: nothing was accepted", retry_after=_SOON)

    @property
    def stalled(self) -> bool:
        """Whether something has been under way for a while and nothing at all was acknowledged meanwhile."""
        oldest = next(iter(self._under_way.values()), None)
        return oldest is not None and self._monotonic() - max(oldest, self._heard) > _STALLED

    def enter(self, size: int, done: asyncio.Future[Any]) -> None:
        """One event is on its way, until `done`."""
        ticket = next(self._tickets)
        self._under_way[ticket] = self._monotonic()
        self._size += size

        def leave(done: asyncio.Future[Any]) -> None:
            del self._under_way[ticket]
            self._size -= size
            if not done.cancelled() and done.exception() is None:
                self._heard = self._monotonic()

        done.add_done_callback(leave)

    def lost(self, reason: str) -> None:
        """Kafka did not take an event in time. Where it took no other either, nothing is let in until it answers."""
        if not self.stalled:
            return  # one partition without a leader, say
        if not self.away:
            log.warning("Kafka is away: %s; events are refused with 503 until it answers", reason)
        self.away = reason

    def refused(self, why: str) -> None:
        """Kafka refused an event: the log says it, the same not oftener than every half minute."""
        said, at = self._said
        if why != said or self._monotonic() - at >= _SAID_EVERY:
            log.warning("an event was refused with 503: %s", why)
            self._said = why, self._monotonic()

    async def watch(
        self, probe: Callable[[], Awaitable[object]], backlog: Callable[[], Awaitable[int]] | None = None
    ) -> None:
        """Look at the backlog now and then, and for Kafka while it is away; never ends by itself.

        Where the backlog cannot be read the last figure holds.
        """
        looked = -_LOOK_EVERY
        while True:
            try:
                if self.away:
                    await probe()
                    self.away = ""
                    log.warning("Kafka answers again")
                elif backlog is not None and self._monotonic() - looked >= _LOOK_EVERY:
                    self.backlog = await backlog()
                    looked = self._monotonic()
            except BrokerError as error:
                log.debug("%s", error)
            await asyncio.sleep(_PROBE_EVERY)
