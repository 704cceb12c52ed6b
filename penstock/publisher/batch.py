"""Many events to one topic, many under way at once; the first failure ends it, and what is under way is waited for."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Final, NoReturn, cast

from penstock.errors import BrokerUnavailable, PenstockError
from penstock.publisher.connection import Connection
from penstock.publisher.events import Attributes, EventAttributes, Events, Selector, named, select, unanswered
from penstock.record import Position

_TURN: Final = 64  # events between two looks at the rest of the loop


@dataclass(frozen=True, slots=True)
class Target:
    """Where a batch goes, and how each event's key and id are found in its data."""

    topic: str
    key: Selector
    id: Selector


@dataclass(frozen=True, slots=True)
class _Failure:
    error: PenstockError
    key: Any
    index: int


class Batch:
    """One send_many: `add` every event, then `finish`. Indices count from 0."""

    def __init__(
        self, events: Events, connection: Connection, target: Target, said: Attributes, timeout: float
    ) -> None:
        events.check(target.topic)
        self._events = events
        self._connection = connection
        self._target = target
        self._said = said
        self._timeout = timeout
        self._sent = 0
        self._acknowledged = 0
        self._outstanding = 0
        self._failure: _Failure | None = None
        self._moved = asyncio.Event()

    async def add(self, data: Any) -> None:
        """Send one more event, waiting while too many are outstanding.

        Raises what went wrong with it or with an earlier one, when nothing is under way any more.
        """
        key = None
        if self._failure is None:
            try:
                key = select(data, self._target.key, "key")
                await self._send(data, key)
            except PenstockError as error:
                self._failure = self._failure or _Failure(error, key, self._sent)
        if self._failure is not None:
            await self.settle()
            self._raise(self._failure)

    async def finish(self) -> int:
        """How many events were acknowledged: all. Raises the first failure, or BrokerUnavailable."""
        settled = await self.settle()
        if self._failure is not None:
            self._raise(self._failure)
        if not settled:
            error = unanswered(self._timeout)
            raise BrokerUnavailable(
                f"{self._outstanding} events for topic {self._target.topic}: {error.message}", error.hint
            )
        return self._acknowledged

    async def settle(self) -> bool:
        """Wait until nothing is under way; False where no answer came for the length of the timeout."""
        while self._outstanding:
            self._moved.clear()
            try:
                async with asyncio.timeout(self._timeout):
                    await self._moved.wait()
            except TimeoutError:
                return False
        return True

    async def _send(self, data: Any, key: Any) -> None:
        target, index = self._target, self._sent
        said = cast("EventAttributes", {**self._said, "id": select(data, target.id, "id")})
        record = self._events.seal(target.topic, data, key, said)
        producer, size = self._connection.producer(), record.size
        window = self._connection.window
        if not window.try_enter(size):
            try:
                async with asyncio.timeout(self._timeout):
                    await window.enter(size)
            except TimeoutError:
                raise unanswered(self._timeout) from None
        future = producer.send(record)
        self._sent += 1
        self._outstanding += 1

        def settled(done: asyncio.Future[Position]) -> None:
            window.leave(size)
            self._note(done, key, index)

        future.add_done_callback(settled)
        if self._sent % _TURN == 0:
            await asyncio.sleep(0)

    def _note(self, done: asyncio.Future[Position], key: Any, index: int) -> None:
        self._outstanding -= 1
        error = BrokerUnavailable("the client was closed") if done.cancelled() else done.exception()
        if error is None:
            self._acknowledged += 1
        elif self._failure is None:
            known = error if isinstance(error, PenstockError) else PenstockError(str(error))
            self._failure = _Failure(known, key, index)
        self._moved.set()

    def _raise(self, failure: _Failure) -> NoReturn:
        note = f"; {self._acknowledged} other events were acknowledged"
        raise named(failure.error, self._target.topic, failure.key, failure.index, note)
