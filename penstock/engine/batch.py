"""Batches: runs that are handled by one call. A batch fails as a whole; it is halved until the bad record stands alone.

Each record stays a run of its own, with its slot, its attempt and its outcome; only the call is shared. Records of one
key are never in two calls at once, and stand in a call in their order. A processor without `batch` meets none of this.
"""

from __future__ import annotations

import asyncio
import contextvars
import dataclasses
import math
from collections.abc import Callable, Hashable, Sequence
from typing import Any

from penstock.engine.attempt import Attempt
from penstock.engine.handler import Call, Handler, StillRunning
from penstock.event import AnyEvent
from penstock.signals import Defer, Signal, Skip
from penstock.topology.model import Batch, Processor

_OF_ALL = (Defer, Skip, StillRunning)  # said of the whole batch: there is no bad record to look for


class _Entry:
    """One run that waits for its batch, or is in one."""

    __slots__ = ("answer", "attempt", "call", "event", "joined", "lane")

    def __init__(self, event: AnyEvent, attempt: Attempt, joined: float, lane: Hashable) -> None:
        self.event = event
        self.attempt = attempt
        self.joined = joined
        self.lane = lane
        self.answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.call: _Shared | None = None


@dataclasses.dataclass
class _Shared:
    """One batch that is being handled."""

    entries: Sequence[_Entry]
    task: asyncio.Task[None] | None = None


def in_batches(handler: Handler, processor: Processor, time: Callable[[], float]) -> Handler:
    """The same handler, called with lists. Its deadline is the batch's, so that of the single runs never comes."""
    assert processor.batch is not None
    batches = Batches(handler.call, processor, processor.batch, time)
    return dataclasses.replace(handler, call=batches.join, timeout=math.inf)


class Batches:
    """Gathers runs into calls of up to `max_records`, none of which waits longer than `max_wait`."""

    def __init__(self, call: Call, processor: Processor, batch: Batch, time: Callable[[], float]) -> None:
        self._call = call
        self._timeout = processor.timeout
        self._by_key = processor.ordering == "key"
        self._batch = batch
        self._time = time
        self._waiting: list[_Entry] = []
        self._busy: set[Hashable] = set()  # the lanes that are in a call now
        self._timer: asyncio.TimerHandle | None = None
        self._context = contextvars.copy_context()

    async def join(self, event: AnyEvent, attempt: Attempt) -> Any:
        """What the handler says of this event, in whichever call it stands. Raises what the handler raises."""
        key = event.record.key if self._by_key else None
        entry = _Entry(event, attempt, self._time(), None if key is None else (attempt.partition, key))
        self._waiting.append(entry)
        self._fill()
        try:
            return await entry.answer
        except asyncio.CancelledError:
            self._leave(entry)
            raise

    def _fill(self) -> None:
        """Begin every call that is full or has waited long enough; else wake up when the next one has."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while (free := self._free()) and self._is_due(free):
            self._begin(free[: self._batch.max_records])
        if free:
            wait = max(free[0].joined + self._batch.max_wait - self._time(), 0.001)
            self._timer = asyncio.get_running_loop().call_later(wait, self._fill)

    def _free(self) -> list[_Entry]:
        return [entry for entry in self._waiting if entry.lane not in self._busy]

    def _is_due(self, free: Sequence[_Entry]) -> bool:
        return len(free) >= self._batch.max_records or self._time() >= free[0].joined + self._batch.max_wait

    def _begin(self, entries: Sequence[_Entry]) -> None:
        shared = _Shared(entries)
        for entry in entries:
            self._waiting.remove(entry)
            entry.call = shared
            if entry.lane is not None:
                self._busy.add(entry.lane)
        loop = asyncio.get_running_loop()
        shared.task = loop.create_task(self._handle(entries), context=self._context.copy())
        shared.task.add_done_callback(lambda task: self._ended(shared, task))

    def _ended(self, shared: _Shared, task: asyncio.Task[None]) -> None:
        self._busy.difference_update(entry.lane for entry in shared.entries)
        error = None if task.cancelled() else task.exception()
        for entry in shared.entries:
            _answer(entry, error or RuntimeError("the batch was cancelled"))  # those answered already keep their answer
        self._fill()

    def _leave(self, entry: _Entry) -> None:
        """Its partition goes, or the worker stops: out of the queue; a call that nobody waits for any more ends."""
        if entry.call is None:
            self._waiting.remove(entry)
        elif entry.call.task is not None and all(one.answer.done() for one in entry.call.entries):
            entry.call.task.cancel()

    async def _handle(self, entries: Sequence[_Entry]) -> None:
        """One call; where it fails, one for each half, in order."""
        entries = [entry for entry in entries if not entry.answer.done()]
        if not entries:
            return
        try:
            results = await self._called(entries)
        except BaseException as error:  # whatever a handler raises is an outcome, of each run
            if isinstance(error, asyncio.CancelledError):
                raise
            if len(entries) == 1 or isinstance(error, _OF_ALL):
                for entry in entries:
                    _answer(entry, error)
                return
            middle = len(entries) // 2
            await self._handle(entries[:middle])
            await self._handle(entries[middle:])
        else:
            for entry, result in zip(entries, results, strict=True):
                _answer(entry, result)

    async def _called(self, entries: Sequence[_Entry]) -> Sequence[Any]:
        for entry in entries:
            entry.attempt.begin_again()
        me = asyncio.current_task()
        try:
            async with asyncio.timeout(self._timeout) as limit:
                result = await self._call([entry.event for entry in entries], [entry.attempt for entry in entries])
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise TimeoutError(f"the batch of {len(entries)} took longer than {self._timeout:g} s") from error
        except asyncio.CancelledError as error:
            if me is not None and me.cancelling():
                raise
            raise RuntimeError("the handler was cancelled from within") from error
        if result is None:
            return [None] * len(entries)
        if isinstance(result, Defer | Skip):
            raise result
        if not isinstance(result, list | tuple) or len(result) != len(entries):
            raise TypeError("a handler of batches returns None, or a list with one value per event")
        return result


def _answer(entry: _Entry, said: Any) -> None:
    """Give a run its value, its signal (as if returned: one object cannot be raised in many places) or its error."""
    if entry.answer.done():
        return
    if isinstance(said, BaseException) and not isinstance(said, Signal):
        entry.answer.set_exception(said)
    else:
        entry.answer.set_result(said)
