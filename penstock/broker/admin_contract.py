"""The administrator's side of the broker contract: questions and changes that are nobody's hot path.

Read `contract.py` first; it passes these names on, so that users import the whole contract from there.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from penstock.record import TopicPartition


@dataclass(frozen=True, slots=True)
class Committed:
    """A committed offset: the next one to read, and the text committed beside it."""

    offset: int
    metadata: str = ""
    leader_epoch: int | None = None


@dataclass(frozen=True, slots=True)
class Cluster:
    """The cluster as a client sees it."""

    id: str
    brokers: tuple[str, ...]
    version: str = ""


@dataclass(frozen=True, slots=True)
class TopicDescription:
    """A topic as it is."""

    name: str
    id: str
    partitions: int
    replication_factor: int


@dataclass(frozen=True, slots=True)
class NewTopic:
    """A topic to create; replication None leaves it to the broker's default."""

    name: str
    partitions: int
    replication_factor: int | None = None
    configs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ConfigValue:
    """One live topic setting; `explicit` where it was set on the topic itself."""

    value: str
    explicit: bool


@dataclass(frozen=True, slots=True)
class Member:
    """One member of a live group."""

    id: str
    client_id: str
    host: str
    partitions: tuple[TopicPartition, ...]


@dataclass(frozen=True, slots=True)
class GroupDescription:
    """A group as the broker knows it; `protocol` is `consumer`, `classic` or '' where unknown, `state` its own word."""

    id: str
    state: str
    protocol: str
    members: tuple[Member, ...]


@dataclass(frozen=True, slots=True)
class Ends:
    """The first offset still there and the next to be written."""

    low: int
    high: int


class Admin(Protocol):
    """Questions and changes that are nobody's hot path. Raises BrokerUnavailable when there is no answer."""

    async def cluster(self) -> Cluster:
        """Id and brokers."""
        ...

    async def topics(self, names: Collection[str] | None = None) -> Mapping[str, TopicDescription]:
        """The topics of these names that exist; all of them where None (without the broker's internal ones)."""
        ...

    async def topic_configs(self, names: Collection[str]) -> Mapping[str, Mapping[str, ConfigValue]]:
        """The settings of existing topics."""
        ...

    async def create_topics(self, topics: Sequence[NewTopic]) -> Mapping[str, str]:
        """Create; returns the broker's reason for each that was refused. One that exists is not an error."""
        ...

    async def add_partitions(self, topic: str, total: int) -> None:
        """Raise the partition count to `total`."""
        ...

    async def alter_configs(self, topic: str, configs: Mapping[str, str | None]) -> None:
        """Set these topic settings, or return them to the default where None; others stay."""
        ...

    async def delete_topics(self, names: Collection[str]) -> None:
        """Delete. Only tests and `penstock kafka wipe` may."""
        ...

    async def groups(self) -> Sequence[str]:
        """The ids of all consumer groups."""
        ...

    async def group(self, group_id: str) -> GroupDescription:
        """State and members; one that does not exist has the state "dead" and no members."""
        ...

    async def committed(self, group_id: str) -> Mapping[TopicPartition, Committed]:
        """What the group has committed, with metadata."""
        ...

    async def alter_committed(self, group_id: str, offsets: Mapping[TopicPartition, int]) -> None:
        """Set offsets of a group without members."""
        ...

    async def ends(self, partitions: Collection[TopicPartition]) -> Mapping[TopicPartition, Ends]:
        """Low and high offsets of existing partitions; the others are left out."""
        ...

    async def offsets_at(self, partitions: Collection[TopicPartition], time_ms: int) -> Mapping[TopicPartition, int]:
        """The first offset at or after a time; the end where there is none."""
        ...

    async def delete_records(self, before: Mapping[TopicPartition, int]) -> None:
        """Truncate: remove every record below the offset."""
        ...

    async def group_session_timeout(self, group_id: str) -> float | None:
        """Seconds after which the broker gives up a silent member of a KIP-848 group; None where not readable."""
        ...

    async def set_group_session_timeout(self, group_id: str, timeout: float) -> str:
        """Ask the broker for another; returns '' or its reason to refuse."""
        ...

    async def close(self) -> None:
        """End. Idempotent."""
        ...
