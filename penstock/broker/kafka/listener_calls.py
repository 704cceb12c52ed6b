"""The way from the poll thread to the listener on the loop: batches, questions that block, news."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Collection, Coroutine, Sequence
from typing import Any, Final

from penstock.broker.contract import Assigned, GroupListener
from penstock.broker.kafka.intake import Intake
from penstock.errors import BrokerError
from penstock.record import Record, TopicPartition

_log: Final = logging.getLogger("penstock.kafka")
_GLANCE: Final = 0.5  # seconds between two looks at what else there is to do while the listener works


class ListenerCalls:
    """Calls the listener from the poll thread.

    `meanwhile` is run again and again while the listener is at work in a blocking call, and at once after `signal`:
    so the listener can commit inside a rebalance, and the thread can show that it lives.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        listener: GroupListener,
        intake: Intake,
        signal: threading.Event,
        meanwhile: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._listener = listener
        self._intake = intake
        self._signal = signal
        self._meanwhile = meanwhile
        self.handed = 0
        self.failure: Exception | None = None

    def received(self, records: Sequence[Record], partitions: Collection[TopicPartition]) -> None:
        """Hand over one batch."""
        self.handed += len(records)
        self._say(self._intake.arrive, records, partitions)

    def assigned(self, partitions: Sequence[Assigned], timeout: float) -> None:
        """Let the listener take partitions. Raises what it raises, and BrokerError when it takes too long."""
        if not self._ask(self._listener.assigned(partitions), timeout):
            raise BrokerError(f"partitions could not be taken within {timeout:.0f} s", "is the event loop blocked?")

    def revoked(self, partitions: Collection[TopicPartition], timeout: float) -> bool:
        """Let the listener finish with partitions; whether it did within `timeout`. Raises what it raises."""
        return self._ask(self._revoked(partitions), timeout)

    def lost(self, partitions: Collection[TopicPartition], timeout: float) -> None:
        """Tell that partitions are gone, and wait until it is known."""
        self._ask(self._lost(partitions), timeout)

    def truncated(self, partition: TopicPartition, next_offset: int, lost: int) -> None:
        """Tell of a jump, in its place between the records of the partition."""
        listener = self._listener
        self._say(self._intake.notice, partition, lambda: listener.truncated(partition, next_offset, lost))

    def disturbed(self, problem: str) -> None:
        """Tell of something passing."""
        self._say(self._listener.disturbed, problem)

    def failed(self, error: Exception) -> None:
        """Tell that the member cannot go on; only the first reason is told."""
        if self.failure is None:
            self.failure = error
            _log.error("the group member cannot go on: %s", error, exc_info=error)
            self._say(self._listener.failed, error)
        else:
            _log.warning("a further failure of the group member: %s", error)

    async def _revoked(self, partitions: Collection[TopicPartition]) -> None:
        self._intake.forget(partitions)
        await self._listener.revoked(partitions)

    async def _lost(self, partitions: Collection[TopicPartition]) -> None:
        self._intake.forget(partitions)
        self._listener.lost(partitions)

    def _say(self, call: Callable[..., object], *values: object) -> None:
        try:
            self._loop.call_soon_threadsafe(call, *values)
        except RuntimeError:  # the loop is closed: nobody is left to listen
            _log.debug("the event loop is gone; nothing more is told to it")

    def _ask(self, question: Coroutine[Any, Any, None], timeout: float) -> bool:
        deadline = time.monotonic() + timeout
        try:
            answer = asyncio.run_coroutine_threadsafe(question, self._loop)
        except RuntimeError:
            question.close()
            return False
        answer.add_done_callback(lambda _: self._signal.set())
        while not answer.done():
            left = deadline - time.monotonic()
            if left <= 0:
                answer.cancel()
                return False
            self._signal.wait(min(left, _GLANCE))
            self._signal.clear()
            self._meanwhile()
        if (error := answer.exception()) is not None:
            # What is no Exception would pass through the client's C code and end the thread unseen.
            raise error if isinstance(error, Exception) else BrokerError(f"the listener was stopped by {error!r}")
        return True
