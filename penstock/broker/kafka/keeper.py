"""The Kafka keeper: hands out members, producers, the administrator's door and readers of one cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

from confluent_kafka.admin import AdminClient

from penstock.broker.contract import GroupSettings
from penstock.broker.kafka.client_log import ClientLog
from penstock.broker.kafka.member import KafkaMember
from penstock.broker.kafka.producer import KafkaProducer
from penstock.broker.kafka.questions import Questions
from penstock.broker.kafka.settings import client_settings
from penstock.topology.kafka_secrets import revealed

if TYPE_CHECKING:
    from penstock.broker.kafka.admin import KafkaAdmin
    from penstock.broker.kafka.reader import KafkaReader


class KafkaBroker:
    """contract.Broker on a Kafka cluster. `settings` are librdkafka's, `bootstrap.servers` among them."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self._settings = revealed(settings)
        self._members: list[KafkaMember] = []
        self._producers: list[KafkaProducer] = []
        self._admin: KafkaAdmin | None = None
        self._questions = Questions(self._asked)

    def member(self, group: GroupSettings) -> KafkaMember:
        """A new member, not yet joined."""
        member = KafkaMember(self._settings, group, self._questions)
        self._members.append(member)
        return member

    def producer(self, client_id: str = "penstock") -> KafkaProducer:
        """A new producer."""
        producer = KafkaProducer(self._settings, client_id)
        self._producers.append(producer)
        return producer

    def admin(self) -> KafkaAdmin:
        """The administrator's door, made when first asked for."""
        from penstock.broker.kafka.admin import KafkaAdmin

        if self._admin is None:
            self._admin = KafkaAdmin(self._settings)
        return self._admin

    def reader(self) -> KafkaReader:
        """Reading without a group."""
        from penstock.broker.kafka.reader import KafkaReader

        return KafkaReader(self._settings)

    async def close(self) -> None:
        """Leave, flush and close whatever was handed out. Idempotent."""
        await asyncio.gather(*(member.leave() for member in self._members))
        await asyncio.gather(*(producer.close() for producer in self._producers))
        if self._admin is not None:
            await self._admin.close()
        self._members.clear()
        self._producers.clear()
        self._questions.close()

    def _asked(self) -> AdminClient:
        return AdminClient(client_settings(self._settings, "penstock-starts"), logger=ClientLog())
