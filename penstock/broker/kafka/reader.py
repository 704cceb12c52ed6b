"""Reading a Kafka log without a group: ranges from end to end, and live tails."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping
from typing import TYPE_CHECKING

from penstock.broker.kafka.scan import scan
from penstock.broker.kafka.settings import aiokafka_settings
from penstock.errors import BrokerError, BrokerUnavailable, TopicMissing
from penstock.record import Record, TopicPartition

if TYPE_CHECKING:
    from aiokafka import AIOKafkaConsumer, ConsumerRecord
    from aiokafka import TopicPartition as RawPartition


class KafkaReader:
    """contract.Reader on a Kafka cluster. `settings` are librdkafka's."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self._settings = dict(settings)

    def scan(self, ranges: Mapping[TopicPartition, tuple[int, int]]) -> AsyncIterator[Record]:
        """Every record with first <= offset < last of each partition, then end; see scan.py.

        A `last` beyond the log's end means the end. Raises TopicMissing, BrokerUnavailable.
        """
        return scan(self._settings, ranges)

    async def tail(self, topics: Collection[str], *, from_time_ms: int | None = None) -> AsyncIterator[Record]:
        """Records as they arrive in the partitions that exist now; never ends by itself.

        It begins at the end as found when the first record is asked for, or at `from_time_ms`. Raises
        TopicMissing, BrokerUnavailable, and BrokerError for records it cannot open.
        """
        from aiokafka import AIOKafkaConsumer
        from aiokafka.errors import KafkaConnectionError, KafkaError, UnsupportedCodecError

        consumer = AIOKafkaConsumer(
            **aiokafka_settings(self._settings), enable_auto_commit=False, isolation_level="read_committed"
        )
        try:
            await consumer.start()
            await _begin(consumer, topics, from_time_ms)
            async for message in consumer:
                yield _record(message)
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


async def _begin(consumer: AIOKafkaConsumer, topics: Collection[str], from_time_ms: int | None) -> None:
    """Assign every partition of these topics and place the reading."""
    from aiokafka import TopicPartition as Raw

    existing = await consumer.topics()  # also makes the partitions of all topics known to the client
    partitions: list[RawPartition] = []
    for topic in sorted(set(topics)):
        if topic not in existing:
            raise TopicMissing(f"there is no topic {topic}", "`penstock topics` lists those there are")
        partitions += [Raw(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]
    consumer.assign(partitions)
    offsets = await consumer.end_offsets(partitions)
    if from_time_ms is not None:
        found = await consumer.offsets_for_times(dict.fromkeys(partitions, from_time_ms))
        offsets |= {partition: at.offset for partition, at in found.items() if at is not None}
    for partition, offset in offsets.items():
        consumer.seek(partition, offset)


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
