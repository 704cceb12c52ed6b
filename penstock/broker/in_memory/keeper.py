"""The broker in memory: the whole contract on one event loop, the same run for the same seed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

from penstock.broker import contract
from penstock.broker.contract import Cluster, GroupSettings
from penstock.broker.in_memory.admin import InMemoryAdmin
from penstock.broker.in_memory.faults import Faults
from penstock.broker.in_memory.group import Coordinator
from penstock.broker.in_memory.log import Log
from penstock.broker.in_memory.member import InMemoryMember
from penstock.broker.in_memory.producer import InMemoryProducer
from penstock.broker.in_memory.reader import InMemoryReader
from penstock.clock import Clock
from penstock.record import Record, TopicPartition


class InMemoryBroker:
    """See contract.Broker. Nothing is kept on disk and nothing is shared between processes.

    All randomness comes from `seed`; `faults`, where given, is asked at every request (see faults.py). The methods
    below `close` are for tests: what happens to a broker and its clients in a bad week.
    """

    def __init__(self, clock: Clock, *, seed: int = 0, faults: Faults | None = None) -> None:
        self._chance = random.Random(seed)  # noqa: S311 - a simulation, not a secret
        self._faults = faults
        self._log = Log(clock, self._chance)
        self._coordinator = Coordinator(self._log)
        cluster = Cluster(f"in-memory-{self._chance.randbytes(8).hex()}", ("in-memory",))
        self._admin = InMemoryAdmin(cluster, self._log, self._coordinator)
        self._members: list[InMemoryMember] = []
        self._producers: list[InMemoryProducer] = []

    def member(self, group: GroupSettings) -> InMemoryMember:
        """A new member, not yet joined."""
        member = InMemoryMember(group, self._coordinator.group(group.group_id), self._log, self._faults)
        self._members.append(member)
        return member

    def producer(self, client_id: str = "penstock") -> InMemoryProducer:
        """A new producer."""
        producer = InMemoryProducer(client_id, self._log, self._chance, self._faults)
        self._producers.append(producer)
        return producer

    def admin(self) -> InMemoryAdmin:
        """The administrator's door."""
        return self._admin

    def reader(self) -> InMemoryReader:
        """Reading without a group."""
        return InMemoryReader(self._log)

    async def close(self) -> None:
        """Let every member leave and every producer flush."""
        await asyncio.gather(*[member.leave() for member in self._members])
        await asyncio.gather(*[producer.close() for producer in self._producers])

    # For tests

    def crash(self, client: contract.GroupMember | contract.Producer) -> None:
        """A client's process dies: no call back, no farewell; the coordinator finds out after the session timeout.

        A worker that dies takes both its member and its producer with it: crash both.
        """
        if not isinstance(client, InMemoryMember | InMemoryProducer):
            raise TypeError(f"not a client of this broker: {client!r}")
        client.crash()

    def expire(self, member: contract.GroupMember) -> None:
        """Expel a member that lives on, as after a long silence; it hears of it a heartbeat later, through `lost`."""
        if not isinstance(member, InMemoryMember):
            raise TypeError(f"not a member of this broker: {member!r}")
        member.expire()

    def truncate(self, partition: TopicPartition, before: int) -> None:
        """Retention removes every record below the offset."""
        self._log.truncate(partition, before)

    def skip_offsets(self, partition: TopicPartition, count: int) -> None:
        """Leave a gap of `count` offsets, as compaction and transaction markers do."""
        self._log.existing(partition).high += count

    def records(self, topic: str) -> Sequence[Record]:
        """Everything in a topic, partition by partition."""
        return [record for partition in self._log.topic(topic).partitions for record in partition.records]
