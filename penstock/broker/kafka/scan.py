"""Reading ranges of the log to their very ends, over the gaps that compaction and transactions leave.

A range ends when a record at or above its last offset was seen, or when the broker says that the partition ends
there: the record at `last - 1` may no longer exist, so waiting for it would be waiting for ever.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncGenerator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message
from confluent_kafka import TopicPartition as RawPartition

from penstock.broker.kafka.admin_calls import spoken
from penstock.broker.kafka.received import Received
from penstock.broker.kafka.settings import client_settings
from penstock.errors import BrokerUnavailable
from penstock.record import Record, TopicPartition

_BATCH: Final = 1000
_POLL: Final = 0.25  # seconds; bounds how long an abandoned scan still holds its thread
_PATIENCE: Final = 30.0  # seconds without a sign of life, while the client reports errors
_TIMEOUT: Final = 10.0  # seconds for the question where the log ends


async def scan(
    settings: Mapping[str, str], ranges: Mapping[TopicPartition, tuple[int, int]]
) -> AsyncGenerator[Record, None]:
    """Every record with first <= offset < last of each partition, in order within a partition."""
    wanted = {partition: bounds for partition, bounds in ranges.items() if bounds[0] < bounds[1]}
    if not wanted:
        return
    loop = asyncio.get_running_loop()
    # One thread for all calls: closing then waits for the poll under way, also where the scan is given up.
    with ThreadPoolExecutor(1, thread_name_prefix="penstock-scan") as thread:
        reading = _Scan(settings, wanted)
        try:
            await loop.run_in_executor(thread, reading.begin)
            while reading.open:
                for record in await loop.run_in_executor(thread, reading.next_batch):
                    yield record
        finally:
            await loop.run_in_executor(thread, reading.close)


class _Scan:
    """One scan under way. Its methods block and are called on one thread, one after the other."""

    def __init__(self, settings: Mapping[str, str], ranges: Mapping[TopicPartition, tuple[int, int]]) -> None:
        self.open = dict(ranges)
        self._heard = time.monotonic()
        self._trouble: KafkaError | None = None
        ours: dict[str, Any] = {
            "group.id": f"penstock-scan-{uuid.uuid4().hex}",  # demanded by the client; nothing is committed
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",  # what retention took is not there to be read
            "isolation.level": "read_committed",  # what a handler would see
            "queued.max.messages.kbytes": "16384",
            "fetch.queue.backoff.ms": "20",
            "error_cb": self._hear,
        }
        joined = {"log_level": 2, **client_settings(settings), **ours}  # errors are raised, so need no log lines
        self._consumer = Consumer(joined, logger=logging.getLogger("penstock.kafka"))

    def begin(self) -> None:
        """Find out where the log ends, and assign what there is to read."""
        for partition, (first, last) in list(self.open.items()):
            end = min(last, self._end_of(partition))
            if first < end:
                self.open[partition] = (first, end)
            else:
                del self.open[partition]
        self._consumer.assign([RawPartition(topic, number, first) for (topic, number), (first, _) in self.open.items()])
        self._heard = time.monotonic()

    def next_batch(self) -> list[Record]:
        """Records of open ranges that came; empty where none did for a moment. Closes the ranges that ended."""
        first = self._consumer.poll(_POLL)
        messages = [first, *self._consumer.consume(_BATCH - 1, 0)] if first is not None else []
        if messages:
            self._heard, self._trouble = time.monotonic(), None
        elif self._trouble is not None and time.monotonic() - self._heard > _PATIENCE:
            raise BrokerUnavailable(f"nothing more came from Kafka: {self._trouble.str()}", "is it running?")
        records = [self._take(message) for message in messages]
        return [record for record in records if record is not None]

    def close(self) -> None:
        """End. Nothing is committed."""
        self._consumer.close()

    def _take(self, message: Message) -> Record | None:
        """The record, where it belongs to an open range."""
        topic, number, offset = message.topic(), message.partition(), message.offset()
        error = message.error()
        if topic is None or number is None or offset is None:
            raise spoken(error) if error is not None else BrokerUnavailable("a record without a position came")
        partition = TopicPartition(topic, number)
        if error is not None and error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 (its name in librdkafka)
            raise spoken(error, str(partition))
        bounds = self.open.get(partition)
        if bounds is None:
            return None
        first, last = bounds
        if offset >= last - (error is None):  # an end-of-partition names the offset that would come next
            del self.open[partition]
            self._consumer.pause([RawPartition(topic, number)])  # the others go on without its traffic
        if error is not None or not first <= offset < last:
            return None
        return Received(partition, offset, message)

    def _end_of(self, partition: TopicPartition) -> int:
        """The log's end now, uncommitted transactions included: only they can be behind an end below it."""
        try:
            ends = self._consumer.get_watermark_offsets(RawPartition(*partition), timeout=_TIMEOUT)
        except KafkaException as error:
            raise spoken(error.args[0], str(partition)) from error
        if ends is None:
            raise BrokerUnavailable(f"{partition}: Kafka did not say within {_TIMEOUT:g} s where it ends")
        return int(ends[1])

    def _hear(self, error: KafkaError) -> None:
        self._trouble = error
