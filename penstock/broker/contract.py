"""The broker contract: what the runtime needs of a log, and the law its keepers hold.

Two keepers stand behind it, `kafka/` and `in_memory/`; `tests/law/` runs one suite against both. Everything
here is called from one event loop, and a keeper calls back on that loop only: threads stay inside the keeper.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from penstock.broker.admin_contract import (
    Admin,
    Cluster,
    Committed,
    ConfigValue,
    Ends,
    GroupDescription,
    Member,
    NewTopic,
    TopicDescription,
)
from penstock.record import Outgoing, Position, Record, TopicPartition

__all__ = [
    "Admin",
    "Assigned",
    "Broker",
    "Cluster",
    "Commit",
    "Committed",
    "ConfigValue",
    "Ends",
    "GroupDescription",
    "GroupListener",
    "GroupMember",
    "GroupSettings",
    "Member",
    "NewTopic",
    "Producer",
    "Reader",
    "TopicDescription",
]


@dataclass(frozen=True, slots=True)
class GroupSettings:
    """How one member joins its consumer group.

    `start_from` (earliest, latest or epoch milliseconds) holds for topics the group never had; `always_earliest`
    names the derived topics (retry, replay) that are read from the beginning whatever it says. Times in seconds.
    """

    group_id: str
    client_id: str
    start_from: str | int = "earliest"
    always_earliest: Collection[str] = ()
    failover: float = 10.0
    max_poll_interval: float = 300.0
    settings: Mapping[str, str] = field(default_factory=dict)

    def is_own(self, topic: str) -> bool:
        """Whether the topic is the group's own: a retry topic or the replay topic."""
        return topic.startswith(f"{self.group_id}.retry.") or topic == f"{self.group_id}.replay"


@dataclass(frozen=True, slots=True)
class Commit:
    """An offset to commit, with its metadata (at most 4,096 characters)."""

    partition: TopicPartition
    offset: int
    metadata: str = ""


@dataclass(frozen=True, slots=True)
class Assigned:
    """A partition that is now this member's to read.

    `start` is resolved (see starts.py) and reading begins there; `metadata` is what was committed beside it, ''
    where there was none or where the keeper found that it no longer fits the log. `end` is the log's end at that
    time, `partitions` how many the topic has. `lost` counts records that retention removed before they were read.
    """

    partition: TopicPartition
    start: int
    metadata: str
    end: int
    topic_id: str
    partitions: int
    lost: int = 0


class GroupListener(Protocol):
    """What the engine gives to a member. All calls come on the loop."""

    def received(self, records: Sequence[Record]) -> None:
        """Records of partitions assigned now, in order within each partition. Must not block or raise."""
        ...

    async def assigned(self, partitions: Sequence[Assigned]) -> None:
        """Partitions gained. Nothing of them is received before this returns. May commit."""
        ...

    async def revoked(self, partitions: Collection[TopicPartition]) -> None:
        """Partitions to be handed over. They stay owned until this returns, so it may finish runs and commit."""
        ...

    def lost(self, partitions: Collection[TopicPartition]) -> None:
        """Partitions that already belong to others: commit nothing."""
        ...

    def truncated(self, partition: TopicPartition, next_offset: int, lost: int) -> None:
        """Retention or an operator removed `lost` unread records; reading goes on at `next_offset`."""
        ...

    def disturbed(self, problem: str) -> None:
        """Something passing: a broker away, a topic missing. Said once per change, for the log and metrics."""
        ...

    def failed(self, error: Exception) -> None:
        """The member cannot go on: the worker must end with an error."""
        ...


class GroupMember(Protocol):
    """One member of one consumer group."""

    @property
    def protocol(self) -> str:
        """`consumer` (KIP-848) or `classic`; known after `join`."""
        ...

    async def join(self, topics: Collection[str], listener: GroupListener) -> None:
        """Subscribe and start receiving. Raises BrokerError where the group cannot be joined at all."""
        ...

    def subscribe(self, topics: Collection[str]) -> None:
        """Replace the subscription."""
        ...

    def demand(self, records: int) -> None:
        """How many more records may be delivered from now on, in all; replaces the former figure.

        At 0 the keeper goes on serving the group (heartbeats, rebalances) and delivers nothing. A keeper may
        overshoot by nothing: what it delivers is taken off the figure.
        """
        ...

    def pause(self, partitions: Collection[TopicPartition]) -> None:
        """Deliver nothing of these until resumed. Holds over rebalances only as the engine re-applies it.

        Records already handed over on the loop may still arrive. Unknown partitions are ignored.
        """
        ...

    def resume(self, partitions: Collection[TopicPartition]) -> None:
        """Deliver again, beginning right after the last record delivered."""
        ...

    async def commit(self, commits: Sequence[Commit]) -> Mapping[TopicPartition, str]:
        """Commit now; returns what was refused, with the broker's reason. Never retries by itself.

        Raises BrokerUnavailable when there was no answer: it may or may not have been made.
        """
        ...

    def ends(self) -> Mapping[TopicPartition, int]:
        """The log end of each assigned partition as last heard; cheap, no request is made."""
        ...

    def problem(self) -> str:
        """Why this member can no longer work (its thread died, say); '' while all is well."""
        ...

    async def leave(self) -> None:
        """Hand over all partitions (through `revoked`), then leave the group. Idempotent.

        Commit before it what must not be done again: in this hand-over the member no longer follows the group, and
        after a rebalance that was under way its commits are refused (classic protocol, "illegal generation").
        """
        ...


class Producer(Protocol):
    """Appends records: acks=all, idempotent, partitioner murmur2_random."""

    def send(self, record: Outgoing) -> asyncio.Future[Position]:
        """Append; the future ends when the broker has it, or with SendFailed, SendRefused or ProducerFatal.

        Never blocks and never drops: what does not fit the client's queue waits in memory, so callers bound
        how much they have outstanding. Records of one key reach the log in the order of the calls.
        """
        ...

    @property
    def outstanding(self) -> int:
        """Records sent and not yet acknowledged."""
        ...

    async def flush(self) -> None:
        """Wait until nothing is outstanding."""
        ...

    async def close(self) -> None:
        """Flush as far as the broker allows within a few seconds, then end. Idempotent."""
        ...


class Reader(Protocol):
    """Reads the log without a group. Close a generator that is left early (contextlib.aclosing): it holds a client."""

    def scan(self, ranges: Mapping[TopicPartition, tuple[int, int]]) -> AsyncGenerator[Record, None]:
        """Every record with first <= offset < last of each partition, in order within a partition, then end."""
        ...

    def tail(self, topics: Collection[str], *, from_time_ms: int | None = None) -> AsyncGenerator[Record, None]:
        """Records as they arrive, from now on or from a time; never ends by itself."""
        ...


class Broker(Protocol):
    """A log and the ways to it."""

    def member(self, group: GroupSettings) -> GroupMember:
        """A new member, not yet joined."""
        ...

    def producer(self, client_id: str = "penstock") -> Producer:
        """A new producer."""
        ...

    def admin(self) -> Admin:
        """The administrator's door; one per broker, made when first asked for."""
        ...

    def reader(self) -> Reader:
        """Reading without a group."""
        ...

    async def close(self) -> None:
        """Close what was handed out and not yet closed."""
        ...
