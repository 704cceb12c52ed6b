"""What differs between the topology and the cluster, as one frozen value; computed here, without any I/O.

A plan never shrinks partitions, deletes a topic or changes replication: what would need that is said under `kept`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ObservedTopic:
    """A topic as it was when looked at; `configs` holds the settings that the topology names."""

    id: str
    partitions: int
    replication_factor: int
    configs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Observed:
    """What a plan rests on: the cluster, and each topic that it looked at (None where absent)."""

    cluster_id: str
    topics: Mapping[str, ObservedTopic | None]

    @property
    def fingerprint(self) -> str:
        """16 hex digits that change when anything looked at does."""
        known = {
            name: None if topic is None else [topic.id, topic.partitions, topic.replication_factor, dict(topic.configs)]
            for name, topic in self.topics.items()
        }
        text = json.dumps([self.cluster_id, known], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def moved(self, now: Observed) -> tuple[str, ...]:
        """What is different `now`, one sentence each; empty where nothing is."""
        if now.cluster_id != self.cluster_id:
            return (f"this is another cluster: {now.cluster_id}, the plan was made for {self.cluster_id}",)
        return tuple(
            f"{name}: {_change(before, now.topics.get(name))}"
            for name, before in self.topics.items()
            if now.topics.get(name) != before
        )


def _change(before: ObservedTopic | None, now: ObservedTopic | None) -> str:
    if before is None:
        return "was made in the meantime"
    if now is None:
        return "is gone"
    if before.id != now.id:
        return "was deleted and made anew"
    if before.partitions != now.partitions:
        return f"has {now.partitions} partitions now, had {before.partitions}"
    if before.replication_factor != now.replication_factor:
        return f"has replication factor {now.replication_factor} now, had {before.replication_factor}"
    changed = [key for key in {**before.configs, **now.configs} if before.configs.get(key) != now.configs.get(key)]
    return f"settings changed: {', '.join(sorted(changed))}"


@dataclass(frozen=True, slots=True)
class CreateTopic:
    """A topic to create; `owner` is the topology or the processor that wants it."""

    topic: str
    partitions: int
    replication_factor: int | None
    configs: Mapping[str, str]
    owner: str
    derived: bool


@dataclass(frozen=True, slots=True)
class AddPartitions:
    """Partitions to add. `reorders` names processors whose keys move: order is per key only once the old are done."""

    topic: str
    before: int
    after: int
    reorders: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ChangeConfig:
    """One topic setting to change."""

    topic: str
    key: str
    before: str | None
    after: str


@dataclass(frozen=True, slots=True)
class RegisterSchema:
    """A schema to register, `text` in its `language` (AVRO or JSON)."""

    subject: str
    type: str
    language: str
    text: str


@dataclass(frozen=True, slots=True)
class AskSession:
    """A group's KIP-848 session timeout, in seconds, to be asked of the broker; it may refuse."""

    group: str
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class Kept:
    """What differs and stays as it is, because changing it would lose or move data."""

    topic: str
    what: str
    instead: str


@dataclass(frozen=True, slots=True)
class Draining:
    """A retry topic that no policy uses any more. `group` '' where no processor is left to drain it."""

    topic: str
    group: str
    waiting: int


@dataclass(frozen=True, slots=True)
class GroupOutlook:
    """A processor's group beside the topics it implies; `lag` None where the group never committed."""

    processor: str
    group: str
    state: str
    protocol: str
    members: int
    lag: int | None
    retry_topics: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything `apply` will do, and what was seen when this was decided.

    `problems` are wishes that cannot be met (a topic that is neither there nor described, a schema whose change would
    break consumers: none is registered then). Sessions are asked for
    but count as no change: a broker that refuses them would make every later plan look unfinished.
    """

    topology: str
    observed: Observed
    creates: tuple[CreateTopic, ...] = ()
    additions: tuple[AddPartitions, ...] = ()
    changes: tuple[ChangeConfig, ...] = ()
    schemas: tuple[RegisterSchema, ...] = ()
    sessions: tuple[AskSession, ...] = ()
    kept: tuple[Kept, ...] = ()
    draining: tuple[Draining, ...] = ()
    groups: tuple[GroupOutlook, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def has_changes(self) -> bool:
        """Whether apply would change a topic or register a schema."""
        return bool(self.creates or self.additions or self.changes or self.schemas)

    @property
    def fingerprint(self) -> str:
        """Of the cluster state this plan rests on."""
        return self.observed.fingerprint
