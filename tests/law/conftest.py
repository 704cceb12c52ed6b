"""The stage on which the law is held: one broker, in memory or Kafka, and peers that watch the standing laws."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

import pytest

from penstock.broker.contract import Assigned, Broker, Commit, GroupSettings, NewTopic
from penstock.broker.progress import Progress, encode
from penstock.clock import Clock, SystemClock
from penstock.record import Header, Outgoing, Position, Record, TopicPartition

Law = Callable[["Stage"], Coroutine[Any, Any, None]]
_count = itertools.count()


class Peer:
    """A member and its listener in one. It notes all it is told, and what in it broke a standing law."""

    def __init__(self, stage: Stage, group: str, settings: dict[str, Any]) -> None:
        self.stage = stage
        self.name = f"peer-{next(_count)}"
        self.group = group
        self.member = stage.broker.member(GroupSettings(group, self.name, **settings))
        self.records: list[Record] = []
        self.starts: dict[TopicPartition, Assigned] = {}  # every assignment, the latest of each partition
        self.owned: set[TopicPartition] = set()
        self.told: list[tuple[str, frozenset[TopicPartition]]] = []
        self.truncations: list[tuple[TopicPartition, int, int]] = []
        self.problems: list[str] = []
        self.errors: list[Exception] = []
        self.on_assigned: Callable[[Sequence[Assigned]], Awaitable[None]] | None = None
        self.on_revoked: Callable[[set[TopicPartition]], Awaitable[None]] | None = None
        self._readable: set[TopicPartition] = set()
        self._next: dict[TopicPartition, int] = {}
        self._credit = 0

    # Doing

    async def join(self, *topics: str, demand: int = 100_000) -> Peer:
        self.demand(demand)
        await self.member.join(topics, self)
        return self

    def demand(self, records: int) -> None:
        self._credit = records
        self.member.demand(records)

    async def owns(self, *partitions: TopicPartition) -> None:
        """Wait until just these are owned and readable."""
        await self.stage.until(lambda: self._readable == set(partitions), f"{self.name} owns {partitions}")

    async def has(self, count: int) -> None:
        """Wait until so many records came."""
        await self.stage.until(lambda: len(self.records) >= count, f"{self.name} has {count} records")

    async def commit_born(self, assigned: Sequence[Assigned]) -> None:
        """Commit the starts with what the runtime writes beside them."""
        refused = await self.member.commit(
            [
                Commit(one.partition, one.start, encode(Progress(topic_id=one.topic_id, born=one.partitions)))
                for one in assigned
                if not one.metadata
            ]
        )
        assert not refused

    def offsets(self, partition: TopicPartition) -> list[int]:
        return [record.offset for record in self.records if record.source == partition]

    def values(self) -> list[bytes | None]:
        return [record.value for record in self.records]

    # Being told

    def received(self, records: Sequence[Record]) -> None:
        self._credit -= len(records)
        self.stage.hold(self._credit >= 0, f"{self.name} got {-self._credit} records more than it asked for")
        for record in records:
            at = record.source
            self.stage.hold(at in self._readable, f"{self.name} got {record.position} of a partition not assigned")
            self.stage.hold(record.offset >= self._next.get(at, 0), f"{self.name} got {record.position} out of order")
            self._next[at] = record.offset + 1
        self.records.extend(records)

    async def assigned(self, partitions: Sequence[Assigned]) -> None:
        found = {one.partition for one in partitions}
        self.told.append(("assigned", frozenset(found)))
        for one in partitions:
            owner = self.stage.owners.setdefault((self.group, one.partition), self.name)
            self.stage.hold(owner == self.name, f"{self.name} was assigned {one.partition} while {owner} owns it")
            self.starts[one.partition] = one
            self._next[one.partition] = one.start
        self.owned |= found
        if self.on_assigned:
            await self.on_assigned(partitions)
        self._readable |= found

    async def revoked(self, partitions: Any) -> None:
        found = set(partitions)
        self.stage.hold(found <= self.owned, f"{self.name} was told to hand over {found - self.owned}, not owned")
        self.told.append(("revoked", frozenset(found)))
        self._readable -= found
        if self.on_revoked:
            await self.on_revoked(found)
        self._drop(found)

    def lost(self, partitions: Any) -> None:
        self.told.append(("lost", frozenset(partitions)))
        self._drop(set(partitions))

    def _drop(self, partitions: set[TopicPartition]) -> None:
        self._readable -= partitions
        self.owned -= partitions
        for at in partitions:
            if self.stage.owners.get((self.group, at)) == self.name:
                del self.stage.owners[self.group, at]

    def truncated(self, partition: TopicPartition, next_offset: int, lost: int) -> None:
        self.truncations.append((partition, next_offset, lost))

    def disturbed(self, problem: str) -> None:
        self.problems.append(problem)

    def failed(self, error: Exception) -> None:
        self.errors.append(error)


class Stage:
    """One broker for one test, with names of its own and a deadline for everything that is awaited."""

    def __init__(
        self, broker: Any, clock: Clock, *, keeper: str, bootstrap: str, patience: float, quiet: float
    ) -> None:
        self.broker = broker
        self.clock = clock
        self.keeper = keeper
        self.bootstrap = bootstrap
        self.owners: dict[tuple[str, TopicPartition], str] = {}
        self.broken: list[str] = []
        self._patience = patience
        self._quiet = quiet
        self._producer: Any = None
        self._name = f"law{os.getpid()}x{next(_count)}"

    def name(self, word: str = "topic") -> str:
        """A name nobody used before."""
        return f"{self._name}-{word}-{next(_count)}"

    async def topic(self, partitions: int = 1, *, name: str = "", **configs: str) -> str:
        """A new topic; configs with underscores for dots."""
        name = name or self.name()
        new = NewTopic(name, partitions, configs={key.replace("_", "."): value for key, value in configs.items()})
        assert not await self.broker.admin().create_topics([new])
        await self._until_partitions(name, partitions)
        return name

    async def add_partitions(self, topic: str, total: int) -> None:
        await self.broker.admin().add_partitions(topic, total)
        await self._until_partitions(topic, total)
        self._producer = None  # one that was there before may not know of them yet

    async def _until_partitions(self, topic: str, count: int) -> None:
        everywhere = [TopicPartition(topic, number) for number in range(count)]
        async with asyncio.timeout(self._patience):
            while len(await self.broker.admin().ends(everywhere)) < count:
                await asyncio.sleep(0.05)

    def peer(self, group: str = "", **settings: Any) -> Peer:
        return Peer(self, group or self.name("group"), settings)

    async def send(
        self,
        topic: str,
        value: bytes | None,
        *,
        key: bytes | None = None,
        headers: Sequence[Header] = (),
        partition: int | None = None,
    ) -> Position:
        """Send one record and wait until the broker has it."""
        self._producer = self._producer or self.broker.producer()
        return await self._producer.send(Outgoing(topic, key, value, headers, partition))

    async def fill(self, partition: TopicPartition, count: int, prefix: str = "v") -> list[bytes]:
        """Send `count` records to one partition; returns their values."""
        values = [f"{prefix}{number}".encode() for number in range(count)]
        self._producer = self._producer or self.broker.producer()
        sent = [self._producer.send(Outgoing(partition.topic, None, one, (), partition.partition)) for one in values]
        await asyncio.gather(*sent)
        return values

    async def send_with_gap(self, partition: TopicPartition, value: bytes) -> None:
        """Append one record and leave the offset after it without one; on Kafka by the mark that ends a transaction."""
        if self.keeper == "in_memory":
            await self.send(partition.topic, value, partition=partition.partition)
            self.broker.skip_offsets(partition, 1)
        else:
            await asyncio.to_thread(self._send_in_transaction, partition, value)

    def _send_in_transaction(self, partition: TopicPartition, value: bytes) -> None:
        import confluent_kafka

        producer = confluent_kafka.Producer({"bootstrap.servers": self.bootstrap, "transactional.id": self.name("tx")})
        producer.init_transactions(30)
        producer.begin_transaction()
        producer.produce(partition.topic, value, partition=partition.partition)
        producer.commit_transaction(30)

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for it, and say what was missing when the deadline passes."""
        try:
            async with asyncio.timeout(self._patience):
                while not condition():
                    await asyncio.sleep(0.01)
        except TimeoutError:
            pytest.fail(f"after {self._patience:.0f} s still not so: {what}")

    async def quiet(self) -> None:
        """Give what must not happen the time to happen: free in memory, short on Kafka."""
        await asyncio.sleep(self._quiet)

    def hold(self, lawful: bool, breach: str) -> None:
        """A standing law; a breach fails the test at its end, whatever else it looks at."""
        if not lawful:
            self.broken.append(breach)


class Keeper:
    """One of the two keepers of the contract."""

    def __init__(self, name: str, bootstrap: str = "") -> None:
        self.name = name
        self._bootstrap = bootstrap

    def run(self, law: Law) -> None:
        """Hold one law on a fresh stage; in memory in virtual time."""
        if self.name == "in_memory":
            from penstock.testing.virtual_time import run_virtual

            run_virtual(lambda clock: self._in_memory(law, clock))
        else:
            asyncio.run(self._kafka(law))

    async def _in_memory(self, law: Law, clock: Clock) -> None:
        from penstock.broker.in_memory import InMemoryBroker

        await self._hold(law, self._stage(InMemoryBroker(clock), clock, patience=600, quiet=60))

    async def _kafka(self, law: Law) -> None:
        from penstock.broker.kafka.keeper import KafkaBroker

        broker = KafkaBroker({"bootstrap.servers": self._bootstrap})
        await self._hold(law, self._stage(broker, SystemClock(), patience=120, quiet=1.5))

    def _stage(self, broker: Broker, clock: Clock, *, patience: float, quiet: float) -> Stage:
        return Stage(broker, clock, keeper=self.name, bootstrap=self._bootstrap, patience=patience, quiet=quiet)

    async def _hold(self, law: Law, stage: Stage) -> None:
        try:
            await law(stage)
        finally:
            await stage.broker.close()
        assert not stage.broken, "\n".join(stage.broken)


@pytest.fixture(params=["in_memory", pytest.param("kafka", marks=pytest.mark.kafka)])
def keeper(request: pytest.FixtureRequest) -> Keeper:
    """Every law runs once against each keeper; `kafka` (bootstrap servers) is asked for only where it is needed."""
    if request.param == "kafka":
        return Keeper("kafka", request.getfixturevalue("kafka"))
    return Keeper("in_memory")


@pytest.fixture
def in_memory() -> Keeper:
    """For what only the keeper in memory can be made to do."""
    return Keeper("in_memory")


@pytest.fixture
def on_kafka(kafka: str) -> Keeper:
    """For what only a real broker can show."""
    return Keeper("kafka", kafka)


@pytest.fixture
def keeper_at() -> Callable[[str], Keeper]:
    """Kafka under another address: one that a test may kill, or where nobody is."""
    return lambda bootstrap: Keeper("kafka", bootstrap)
