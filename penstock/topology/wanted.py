"""The topics a topology wants to exist: those it declares with partitions, and those its processors imply."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from penstock.topology.connector_options import SourceOptions
from penstock.topology.derived import (
    control_topic,
    cursors_topic,
    dead_letter_topic,
    policy_topics,
    progress_topic,
    replay_topic,
    runs_topic,
)
from penstock.topology.lint_kafka import HEADROOM, integer, largest_message
from penstock.topology.model import Processor, Topic, Topology

WEEK_MS: Final = 7 * 86_400_000
SHARED_PARTITIONS: Final = 3  # of progress and runs
_FOREVER: Final = "-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedTopic:
    """One topic as it should be.

    `partitions` None: as many as the largest of `partitions_like` has, known only live. `replication_factor` None:
    as `like` has live, else the broker's default. `like` is the first source of a derived topic, `sources` are all
    of them; `owner` is the processor it belongs to, '' for declared and shared topics.
    """

    name: str
    partitions: int | None
    partitions_like: tuple[str, ...] = ()
    replication_factor: int | None = None
    configs: Mapping[str, str] = field(default_factory=dict)
    owner: str = ""
    derived: bool = False
    like: str | None = None
    sources: tuple[str, ...] = ()


def wanted_topics(topology: Topology) -> tuple[WantedTopic, ...]:
    """Declared topics that have `partitions`, then those derived of processors, of sources, and of the whole."""
    return (*_declared(topology), *_derived(topology), *_of_sources(topology), *_shared(topology))


def _declared(topology: Topology) -> Iterator[WantedTopic]:
    for topic in topology.topics.values():
        if topic.partitions is not None:
            yield WantedTopic(
                name=topic.name,
                partitions=topic.partitions,
                replication_factor=topic.replication_factor,
                configs=dict(topic.configs),
            )


def _derived(topology: Topology) -> Iterator[WantedTopic]:
    for processor in topology.processors.values():
        first = topology.topics.get(processor.topics[0]) if processor.topics else None
        counts = [topology.topics[name].partitions if name in topology.topics else None for name in processor.topics]
        known = [count for count in counts if count is not None]
        as_sources = max(known) if known and len(known) == len(counts) else None
        letters = dead_letter_topic(processor.group_id)
        for name in policy_topics(processor):
            partitions = 1 if name == letters else as_sources
            yield WantedTopic(
                name=name,
                partitions=partitions,
                partitions_like=processor.topics if partitions is None else (),
                replication_factor=_replication(topology, first),
                configs=_configs(topology, processor, first, name),
                owner=processor.name,
                derived=True,
                like=processor.topics[0] if processor.topics else None,
                sources=processor.topics,
            )


def _shared(topology: Topology) -> Iterator[WantedTopic]:
    """What all processors have in common: progress, runs, control."""
    processors = [processor for processor in topology.processors.values() if processor.topics]
    if not processors:
        return
    like = processors[0].topics[0]
    first = topology.topics.get(like)
    base = {**_durability(first), **topology.internal_topics.configs}
    week = {"retention.ms": str(WEEK_MS), **base, "cleanup.policy": "delete"}
    kept = {**week, "retention.ms": str(round(topology.runs.retention * 1000))}
    shapes = [
        (progress_topic(topology.name), SHARED_PARTITIONS, week),
        *([(runs_topic(topology.name), SHARED_PARTITIONS, kept)] if topology.runs.enabled else []),
        (control_topic(topology.name), 1, {**base, "cleanup.policy": "compact"}),
    ]
    for name, partitions, configs in shapes:
        yield WantedTopic(
            name=name,
            partitions=partitions,
            replication_factor=_replication(topology, first),
            configs=configs,
            derived=True,
            like=like,
        )


def _of_sources(topology: Topology) -> Iterator[WantedTopic]:
    """The dead letters of each source that has any, and the cursors of those that keep one."""
    sources = [found for found in topology.connectors.values() if isinstance(found, SourceOptions)]
    for source in sources:
        if source.dead_letters:
            settings = {"cleanup.policy": "delete", "retention.ms": _FOREVER}
            yield _beside(topology, source, dead_letter_topic(source.group_id), settings, source.name)
    keeping = next((source for source in sources if source.exclusive), None)
    if keeping is not None:  # small segments: compaction never touches the one that is written to
        settings = {"cleanup.policy": "compact", "segment.ms": str(3_600_000), "segment.bytes": str(16 << 20)}
        yield _beside(topology, keeping, cursors_topic(topology.name), settings, "")


def _beside(
    topology: Topology, source: SourceOptions, name: str, settings: Mapping[str, str], owner: str
) -> WantedTopic:
    """A topic of one partition, as safe as the one that `source` writes to."""
    like = source.topic or next(iter(topology.topics), None)  # an outbox names its topics row by row
    first = topology.topics.get(like or "")
    return WantedTopic(
        name=name,
        partitions=1,
        replication_factor=_replication(topology, first),
        configs={**_durability(first), **topology.internal_topics.configs, **settings},
        owner=owner,
        derived=True,
        like=like,
    )


def _replication(topology: Topology, first: Topic | None) -> int | None:
    return topology.internal_topics.replication_factor or (first.replication_factor if first else None)


def _durability(first: Topic | None) -> dict[str, str]:
    """What keeps a derived topic as safe as its source."""
    key = "min.insync.replicas"
    return {key: first.configs[key]} if first and key in first.configs else {}


def _configs(topology: Topology, processor: Processor, first: Topic | None, name: str) -> dict[str, str]:
    """Settings of one retry, dead letter or replay topic.

    `internal_topics.configs` has the last word, but for two: dead letters and the replay topic (its memory) never
    expire by themselves, and none is compacted.
    """
    configs = {
        **_durability(first),
        "max.message.bytes": str(largest_message(topology, processor.topics) + HEADROOM),
        "retention.ms": str(_retry_retention(topology, processor)),
        **topology.internal_topics.configs,
        "cleanup.policy": "delete",
    }
    if name in {dead_letter_topic(processor.group_id), replay_topic(processor.group_id)}:
        configs["retention.ms"] = _FOREVER
    return configs


def _retry_retention(topology: Topology, processor: Processor) -> int:
    """A week, or as long as the longest-kept source, in milliseconds; -1 is forever."""
    declared = [
        topology.topics[name].configs.get("retention.ms") for name in processor.topics if name in topology.topics
    ]
    kept = [found for found in map(integer, declared) if found is not None]
    return -1 if any(found < 0 for found in kept) else max([WEEK_MS, *kept])
