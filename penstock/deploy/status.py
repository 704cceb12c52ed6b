"""What is going on: groups, their true backlog and oldest event, and topics. One read model for CLI and console."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from penstock import headers as wire
from penstock.broker.contract import Admin, Broker, Ends, GroupDescription, Reader, TopicDescription
from penstock.dead_letter.waiting import LetterCounts
from penstock.deploy.difference import undescribed
from penstock.deploy.frontier import Frontier, Standing, position_of
from penstock.record import Position, Record, TopicPartition
from penstock.topology.connector_options import SourceOptions
from penstock.topology.derived import replay_topic, retry_prefix
from penstock.topology.model import Processor, Topology
from penstock.topology.wanted import wanted_topics

_REACH: Final = 64  # offsets to look past a gap (compaction, transactions) for the record at a frontier
_PATIENCE: Final = 5.0  # seconds to read the oldest records; a status without them is better than none


@dataclass(frozen=True, slots=True)
class MemberStatus:
    """One member of a group, as the cluster knows it."""

    client_id: str
    host: str
    partitions: tuple[TopicPartition, ...]


@dataclass(frozen=True, slots=True)
class Oldest:
    """The oldest unfinished event: where it stands, and when it was first written (epoch milliseconds)."""

    position: Position
    timestamp: int


@dataclass(frozen=True, slots=True)
class GroupStatus:
    """A processor's group now.

    `lag` is end - frontier over sources and replay; `finished_above` of those are finished already; `waiting` are in
    retry topics. `finished` is a sum of offsets that grows by every source record that is done. Of its dead letters
    `dead_letters` still wait; `dead_letters_kept` is all that stands in the topic, replayed and discarded ones too.
    """

    processor: str
    group: str
    state: str
    protocol: str
    members: tuple[MemberStatus, ...]
    started: bool
    lag: int
    finished_above: int
    finished: int
    waiting: int
    dead_letters: int
    dead_letters_kept: int
    oldest: Oldest | None

    @property
    def backlog(self) -> int:
        """Records not finished: lag - finished above the frontier + waiting in retry topics."""
        return self.lag - self.finished_above + self.waiting


@dataclass(frozen=True, slots=True)
class TopicStatus:
    """A topic of the topology; `partitions` and `records` None where it does not exist."""

    topic: str
    owner: str
    derived: bool
    partitions: int | None
    replication_factor: int | None
    records: int | None

    @property
    def missing(self) -> bool:
        """Whether the cluster has no such topic."""
        return self.partitions is None


@dataclass(frozen=True, slots=True)
class GroupMembers:
    """Who is in a processor's group."""

    processor: str
    group: str
    state: str
    protocol: str
    members: tuple[MemberStatus, ...]


async def members(topology: Topology, broker: Broker) -> tuple[GroupMembers, ...]:
    """The members of every group, those of sources too; cheap, no offset is asked for. Raises BrokerUnavailable."""
    groups = {one.name: one.group_id for one in topology.processors.values()}
    groups |= {one.name: one.group_id for one in exclusive_sources(topology)}
    found = await asyncio.gather(*(broker.admin().group(group) for group in groups.values()))
    return tuple(
        GroupMembers(name, one.id, one.state, one.protocol, _members(one))
        for name, one in zip(groups, found, strict=True)
    )


def exclusive_sources(topology: Topology) -> list[SourceOptions]:
    """The sources that have a group of their own: its members are the owner and those that stand by."""
    return [one for one in topology.connectors.values() if isinstance(one, SourceOptions) and one.exclusive]


def _members(group: GroupDescription) -> tuple[MemberStatus, ...]:
    return tuple(MemberStatus(one.client_id, one.host, tuple(one.partitions)) for one in group.members)


async def groups(topology: Topology, broker: Broker, letters: LetterCounts | None = None) -> tuple[GroupStatus, ...]:
    """The group of every processor, in the topology's order, then those of sources. Raises BrokerUnavailable.

    Who looks again and again keeps `letters`: each look then reads only the replays since the last.
    """
    letters = letters or LetterCounts(broker)
    everything = await broker.admin().topics()
    asked = (_group(processor, broker, everything, letters) for processor in topology.processors.values())
    sources = (_source_group(source, broker, letters) for source in exclusive_sources(topology))
    return tuple(await asyncio.gather(*asked, *sources))


async def _source_group(source: SourceOptions, broker: Broker, letters: LetterCounts) -> GroupStatus:
    """A source has no lag that Kafka knows of: what waits, waits outside."""
    described = await broker.admin().group(source.group_id)
    dead = await letters.of(source.group_id, replayable=False)
    return GroupStatus(
        processor=source.name,
        group=source.group_id,
        state=described.state,
        protocol=described.protocol,
        members=_members(described),
        started=True,
        lag=0,
        finished_above=0,
        finished=0,
        waiting=0,
        dead_letters=dead.waiting,
        dead_letters_kept=dead.kept,
        oldest=None,
    )


async def _group(
    processor: Processor, broker: Broker, everything: Mapping[str, TopicDescription], letters: LetterCounts
) -> GroupStatus:
    admin, group_id = broker.admin(), processor.group_id
    described = await admin.group(group_id)
    retries = _retry_topics(group_id, everything)
    standing = await _standing(processor, admin, everything)
    retry = standing.within(retries)
    first = standing.within((*processor.topics, replay_topic(group_id)))
    dead = await letters.of(group_id)
    return GroupStatus(
        processor=processor.name,
        group=group_id,
        state=described.state,
        protocol=described.protocol,
        members=_members(described),
        started=standing.started,
        lag=first.lag,
        finished_above=first.finished,
        finished=sum(one.offset for one in first.frontiers) + first.finished,
        waiting=retry.lag - retry.finished,
        dead_letters=dead.waiting,
        dead_letters_kept=dead.kept,
        oldest=await oldest(broker.reader(), standing.frontiers),
    )


def _retry_topics(group_id: str, everything: Iterable[str]) -> list[str]:
    return [name for name in everything if name.startswith(retry_prefix(group_id))]


async def _standing(processor: Processor, admin: Admin, everything: Iterable[str]) -> Standing:
    """Where a processor stands in all it reads: sources, replay, retry topics."""
    own = (replay_topic(processor.group_id), *_retry_topics(processor.group_id, everything))
    return await position_of(admin, processor.group_id, processor.topics, processor.start_from, always_earliest=own)


async def backlog(topology: Topology, broker: Broker) -> int:
    """Records that the processors of the topology have not finished, retries included. Raises BrokerUnavailable."""
    admin = broker.admin()
    everything = await admin.topics()
    found = await asyncio.gather(
        *(_standing(processor, admin, everything) for processor in topology.processors.values())
    )
    return sum(standing.lag - standing.finished for standing in found)


async def topics(topology: Topology, broker: Broker) -> tuple[TopicStatus, ...]:
    """Every declared and derived topic, then retry topics that no policy names any more. Raises BrokerUnavailable."""
    admin = broker.admin()
    there = await admin.topics()
    described = wanted_topics(topology)
    wanted = {topic.name: (topic.owner, topic.derived) for topic in described}
    wanted = dict.fromkeys(undescribed(topology, described), ("", False)) | wanted
    for processor in topology.processors.values():
        former = sorted(name for name in there if name.startswith(retry_prefix(processor.group_id)))
        wanted |= {name: (processor.name, True) for name in former if name not in wanted}
    records = await _records(admin, [there[name] for name in wanted if name in there])
    return tuple(
        TopicStatus(
            name,
            owner,
            derived,
            there[name].partitions if name in there else None,
            there[name].replication_factor if name in there else None,
            records.get(name),
        )
        for name, (owner, derived) in wanted.items()
    )


async def _records(admin: Admin, there: Sequence[TopicDescription]) -> dict[str, int]:
    """Records of each topic: end - beginning, so gaps count."""
    found = {topic.name: 0 for topic in there}
    partitions = [TopicPartition(topic.name, number) for topic in there for number in range(topic.partitions)]
    ends: Mapping[TopicPartition, Ends] = await admin.ends(partitions) if partitions else {}
    for partition, one in ends.items():
        found[partition.topic] += one.high - one.low
    return found


async def oldest(reader: Reader, frontiers: Iterable[Frontier]) -> Oldest | None:
    """The oldest record at any frontier, by when it was first written; None where nothing is unfinished.

    Read within five seconds or not at all: what could be read until then decides.
    """
    ranges = {
        one.partition: (one.offset, min(one.end, one.offset + _REACH)) for one in frontiers if one.end > one.offset
    }
    first: dict[TopicPartition, Record] = {}
    if not ranges:
        return None
    try:
        async with asyncio.timeout(_PATIENCE), aclosing(reader.scan(ranges)) as records:
            async for record in records:
                first.setdefault(record.source, record)
                if len(first) == len(ranges):
                    break
    except TimeoutError:
        pass  # a slow read costs the age, not the status
    found = [Oldest(record.position, _first_written(record)) for record in first.values()]
    return min(found, key=lambda one: one.timestamp, default=None)


def _first_written(record: Record) -> int:
    """When the event first stood in the log: a retry or replay record carries it."""
    return wire.number(record.headers, wire.ORIGIN_TIMESTAMP) or record.timestamp
