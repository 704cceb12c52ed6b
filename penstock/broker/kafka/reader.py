"""Reading a Kafka log without a group: ranges from end to end, and live tails."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from penstock.broker.kafka.admin import KafkaAdmin
from penstock.broker.kafka.scan import scan
from penstock.broker.kafka.settings import aiokafka_settings
from penstock.errors import BrokerError, BrokerUnavailable, TopicMissing
from penstock.record import Record, TopicPartition

if TYPE_CHECKING:
    from aiokafka import AIOKafkaConsumer, ConsumerRecord
    from aiokafka import TopicPartition as RawPartition

_NEW_PARTITIONS: Final = 3.0  # seconds between looks for partitions that were added


class KafkaReader:
    """contract.Reader on a Kafka cluster. `settings` are librdkafka's."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self._settings = dict(settings)

    def scan(self, ranges: Mapping[TopicPartition, tuple[int, int]]) -> AsyncGenerator[Record, None]:
        """Every record with first <= offset < last of each partition, then end; see scan.py.

        A `last` beyond the log's end means the end. Raises TopicMissing, BrokerUnavailable.
        """
        return scan(self._settings, ranges)

    async def tail(self, topics: Collection[str], *, from_time_ms: int | None = None) -> AsyncGenerator[Record, None]:
        """Records as they arrive, in partitions added later too; never ends by itself.

        It begins at the end as found when the first record is asked for, or at `from_time_ms`. Raises
        TopicMissing, BrokerUnavailable, and BrokerError for records it cannot open.
        """
        from aiokafka import AIOKafkaConsumer
        from aiokafka.errors import KafkaConnectionError, KafkaError, UnsupportedCodecError

        consumer = AIOKafkaConsumer(
            **aiokafka_settings(self._settings),
            enable_auto_commit=False,
            auto_offset_reset="earliest",  # where retention was faster than we: what is left, not the end
            isolation_level="read_committed",
        )
        admin = KafkaAdmin(self._settings)  # aiokafka itself does not tell which partitions there are now
        try:
            await consumer.start()
            await _begin(consumer, await _partitions(admin, topics), topics, from_time_ms)
            looked = time.monotonic()
            while True:
                for messages in (await consumer.getmany(timeout_ms=500)).values():
                    for message in messages:
                        yield _record(message)
                if time.monotonic() - looked > _NEW_PARTITIONS:
                    await _follow(consumer, await _partitions(admin, topics))
                    looked = time.monotonic()
        except KafkaConnectionError as error:
            servers = self._settings.get("bootstrap.servers", "(no bootstrap.servers)")
            raise BrokerUnavailable(f"no connection to Kafka at {servers}: {error}", "is it running?") from error
        except UnsupportedCodecError as error:
            raise BrokerError(
                f"a record is compressed in a way that cannot be opened here: {error}",
                'pip install "aiokafka[all]" brings the codecs',
            ) from error
        except KafkaError as error:
            raise BrokerError(f"the tail of {', '.join(sorted(topics))} broke off: {error!r}") from error
        finally:
            await consumer.stop()
            await admin.close()


async def _begin(
    consumer: AIOKafkaConsumer, partitions: Sequence[RawPartition], topics: Collection[str], from_time_ms: int | None
) -> None:
    """Assign every partition of these topics and place the reading."""
    missing = set(topics) - {partition.topic for partition in partitions}
    if missing:
        raise TopicMissing(f"there is no topic {min(missing)}", "`penstock topics` lists those there are")
    consumer.assign(partitions)
    offsets = await consumer.end_offsets(partitions)
    if from_time_ms is not None:
        found = await consumer.offsets_for_times(dict.fromkeys(partitions, from_time_ms))
        offsets |= {partition: at.offset for partition, at in found.items() if at is not None}
    for partition, offset in offsets.items():
        consumer.seek(partition, offset)


async def _follow(consumer: AIOKafkaConsumer, partitions: Sequence[RawPartition]) -> None:
    """Take up partitions that were added, from their beginning: all that is in them arrived since."""
    known = consumer.assignment()
    if known.issuperset(partitions):
        return
    positions = {partition: await consumer.position(partition) for partition in known}
    consumer.assign(partitions)
    for partition in partitions:
        consumer.seek(partition, positions.get(partition, 0))


async def _partitions(admin: KafkaAdmin, topics: Collection[str]) -> list[RawPartition]:
    """All partitions of these topics that exist now."""
    from aiokafka import TopicPartition as Raw

    found = (await admin.topics(topics)).values()
    return [Raw(topic.name, number) for topic in found for number in range(topic.partitions)]


def _record(message: ConsumerRecord) -> Record:
    return Record(
        message.topic,
        message.partition,
        message.offset,
        message.timestamp,
        message.key,
        message.value,
        message.headers,
    )
