"""Appends records through librdkafka, its delivery reports polled on the loop and resolved as futures.

Polled on the loop, not in a thread: each report would take the interpreter lock from the handlers. The library's own
asyncio producer carries no headers.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Message
from confluent_kafka import Producer as Client

from penstock.broker.kafka.client_log import ClientLog
from penstock.broker.kafka.codes import OF_A_BATCH, REFUSED, UNKNOWN_PARTITION
from penstock.broker.kafka.settings import LOGGER, producer_settings
from penstock.errors import BrokerError, ProducerFatal, SendFailed, SendRefused
from penstock.record import Outgoing, Position

_log: Final = logging.getLogger(LOGGER)
_POLL_EVERY: Final = 0.002  # seconds, only while something is outstanding
_IDLE_EVERY: Final = 1.0  # otherwise: a fatal error, the log
_CLOSE_WITHIN: Final = 5.0
_PARTITION_WITHIN: Final = 5.0
_PARTITION_PAUSE: Final = 0.05


class KafkaProducer:
    """One producer, used on one loop."""

    def __init__(self, settings: Mapping[str, str], client_id: str) -> None:
        self._fatal: ProducerFatal | None = None
        self._settings = {**producer_settings(settings, client_id), "error_cb": self._hear}
        try:
            self._client = Client(self._settings, logger=ClientLog())
        except KafkaException as error:
            raise BrokerError(
                f"the Kafka client refuses its settings: {error.args[0].str()}", "see `kafka:` in the topology"
            ) from error
        self._single: Client | None = None  # sends one record a batch; made when first needed
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._busy = False  # whether the timer is the quick one
        self._waiting: deque[tuple[Outgoing, asyncio.Future[Position]]] = deque()  # the client's queue was full
        self._in_client = 0
        self._absent: dict[tuple[str, int], deque[tuple[Outgoing, asyncio.Future[Position]]]] = {}
        self._refreshing: set[asyncio.Task[None]] = set()
        self._idle: list[asyncio.Future[None]] = []
        self._closing: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def outstanding(self) -> int:
        """Records sent and not yet acknowledged."""
        return self._in_client + len(self._waiting) + sum(map(len, self._absent.values()))

    def send(self, record: Outgoing) -> asyncio.Future[Position]:
        """Append. Ends with the position, SendFailed, SendRefused or ProducerFatal. Never blocks."""
        loop = self._loop
        if loop is None:
            loop = self._loop = asyncio.get_running_loop()
        future: asyncio.Future[Position] = loop.create_future()
        if self._closed:
            future.set_exception(SendFailed("the producer is closed"))
        else:
            self._give(record, future)
        if not self._busy and self.outstanding:
            self._arm(loop)
        return future

    async def flush(self) -> None:
        """Wait until nothing is outstanding."""
        while self.outstanding:
            waiter = asyncio.get_running_loop().create_future()
            self._idle.append(waiter)
            await waiter

    async def close(self) -> None:
        """Flush for a few seconds; what is not acknowledged then ends with SendFailed. Idempotent."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._close())
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        self._closed = True
        try:
            await asyncio.wait_for(self.flush(), _CLOSE_WITHIN)
        except TimeoutError:
            _log.warning("the producer ends with %d records not acknowledged", self.outstanding)
            self._give_up()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for client in self._clients():
            await asyncio.to_thread(client.close)

    def _give_up(self) -> None:
        while self._waiting:
            _, future = self._waiting.popleft()
            _end(future, SendFailed("the producer was closed before the record was acknowledged"))
        for client in self._clients():
            client.purge(blocking=False)
            client.poll(0)

    def _give(self, record: Outgoing, future: asyncio.Future[Position]) -> None:
        """Produce it, behind those that wait for room: the order of a key is the order of calls."""
        if self._waiting or not self._produce(record, future):
            self._waiting.append((record, future))

    def _produce(self, record: Outgoing, future: asyncio.Future[Position]) -> bool:
        """Give it to the client; False where its queue is full. Ends the future where it is refused at once."""
        if self._fatal is not None:
            future.set_exception(self._fatal)
            return True
        partition = -1 if record.partition is None else record.partition
        if self._absent and (absent := self._absent.get((record.topic, partition))):
            absent.append((record, future))
            return True
        try:
            self._client.produce(
                record.topic,
                record.value,
                record.key,
                partition,
                on_delivery=partial(self._delivered, future, record),
                headers=list(record.headers) or None,
            )
        except BufferError:
            return False
        except KafkaException as error:
            if error.args[0].code() == UNKNOWN_PARTITION:
                self._await_partition(record, partition, future)
            else:
                future.set_exception(self._error(error.args[0], record.topic))
        except (TypeError, ValueError) as error:
            future.set_exception(SendRefused(f"a record for {record.topic} cannot be sent: {error}"))
        else:
            self._in_client += 1
        return True

    def _await_partition(self, record: Outgoing, partition: int, future: asyncio.Future[Position]) -> None:
        """Keep the record until the client has heard of a partition that was added a moment ago."""
        self._absent[record.topic, partition] = deque([(record, future)])
        task = asyncio.ensure_future(self._look_for(record.topic, partition))
        self._refreshing.add(task)
        task.add_done_callback(self._refreshing.discard)

    async def _look_for(self, topic: str, partition: int) -> None:
        deadline = time.monotonic() + _PARTITION_WITHIN
        found = False
        while not found and time.monotonic() < deadline and not self._closed:
            try:
                answer = await asyncio.to_thread(self._client.list_topics, topic, 1.0)
                found = partition in answer.topics[topic].partitions
            except KafkaException as error:
                _log.debug("no metadata of %s yet: %s", topic, error)
            await asyncio.sleep(_PARTITION_PAUSE)  # the answer takes a moment to reach the client's own books
        for record, future in self._absent.pop((topic, partition)):
            if not found:
                _end(future, SendFailed(f"topic {topic} has no partition {partition}"))
            elif not future.done():
                self._give(record, future)

    def _clients(self) -> list[Client]:
        return [self._client] if self._single is None else [self._client, self._single]

    def _send_alone(self, record: Outgoing, future: asyncio.Future[Position]) -> None:
        """Once more, in a batch of its own: the broker judges whole batches, and this client does not split them."""
        if self._single is None:
            self._single = Client({**self._settings, "batch.num.messages": 1}, logger=ClientLog())
        partition = -1 if record.partition is None else record.partition
        delivered = partial(self._delivered, future, record, alone=True)
        try:
            self._single.produce(
                record.topic,
                record.value,
                record.key,
                partition,
                on_delivery=delivered,
                headers=list(record.headers) or None,
            )
        except (BufferError, KafkaException) as error:
            future.set_exception(SendFailed(f"a record for {record.topic} was not sent again: {error}"))
        else:
            self._in_client += 1

    def _delivered(
        self,
        future: asyncio.Future[Position],
        record: Outgoing,
        error: KafkaError | None,
        message: Message[Any, Any],
        *,
        alone: bool = False,
    ) -> None:
        """A report. Sent once more is what was refused with its batch, unless it was `alone`, and what has no place.

        The client takes "duplicate sequence" for success, without an offset. But a partition made a moment ago may
        refuse the first batches and take a later one, whose sequence it then goes on from: those before it are said
        to be duplicates, and stand nowhere (docs/decisions/0016).
        """
        self._in_client -= 1
        if future.done():  # its caller gave up
            return
        topic = message.topic() or ""
        if error is None:
            offset = message.offset()
            if offset is not None and offset >= 0:
                future.set_result(Position(topic, message.partition() or 0, offset))
            else:
                _log.warning("a record for %s was acknowledged without an offset; it is sent again", topic)
                self._give(record, future)
        elif not alone and error.code() in OF_A_BATCH:
            self._send_alone(record, future)
        else:
            future.set_exception(self._error(error, topic))

    def _poll(self) -> None:
        self._timer = None
        self._busy = False
        for client in self._clients():
            client.poll(0)
        while self._waiting:
            record, future = self._waiting[0]
            if not future.done() and not self._produce(record, future):
                break
            self._waiting.popleft()
        if not self.outstanding:
            for waiter in self._idle:
                if not waiter.done():
                    waiter.set_result(None)
            self._idle.clear()
        if not self._closed or self.outstanding:
            assert self._loop is not None
            self._arm(self._loop)

    def _arm(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._busy = bool(self.outstanding)
        self._timer = loop.call_later(_POLL_EVERY if self._busy else _IDLE_EVERY, self._poll)

    def _hear(self, error: KafkaError) -> None:
        """The client's `error_cb`, called in a poll."""
        if error.fatal():
            self._error(error, "")
        else:
            _log.debug("producer: %s", error.str())

    def _error(self, error: KafkaError, topic: str) -> SendFailed | SendRefused | ProducerFatal:
        if error.fatal() or self._fatal is not None:
            if self._fatal is None:
                self._fatal = ProducerFatal(f"the producer cannot go on: {error.str()}", "start the process again")
            return self._fatal
        if error.code() in REFUSED:
            return SendRefused(f"topic {topic} refuses the record: {error.str()}")
        return SendFailed(f"a record for {topic} was not acknowledged: {error.str()}")


def _end(future: asyncio.Future[Position], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
