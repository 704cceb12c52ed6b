"""Compare wanted topics with observed ones: creations, additions, changed settings, and what is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from penstock.deploy.plan import AddPartitions, ChangeConfig, CreateTopic, Kept, ObservedTopic
from penstock.topology.lint_kafka import HEADROOM
from penstock.topology.model import Topology
from penstock.topology.wanted import WantedTopic

LARGEST: Final = "max.message.bytes"
_SHRINK: Final = "partitions cannot be removed: make a new topic and move the readers, or declare what is there"
_REPLICATE: Final = "replication moves data between brokers: use kafka-reassign-partitions, or declare what is there"


@dataclass
class Difference:
    """What comparing found, in the order of the wanted topics."""

    creates: list[CreateTopic] = field(default_factory=list)
    additions: list[AddPartitions] = field(default_factory=list)
    changes: list[ChangeConfig] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def compare(
    topology: Topology, wanted: Sequence[WantedTopic], observed: Mapping[str, ObservedTopic | None]
) -> Difference:
    """Every difference at once. Wanted topics that follow others follow what those will be after the plan."""
    found = Difference()
    for name in undescribed(topology, wanted):
        if observed.get(name) is None:
            found.problems.append(f"{name}: does not exist, and the topology does not say its `partitions`")
    sizes = {topic.name: _partitions(topic, wanted, observed) for topic in wanted}
    for topic in wanted:
        if observed.get(topic.name) is None:
            _absent(topic, sizes[topic.name], wanted, observed, found)
            continue
        _present(topic, sizes[topic.name], observed, topology, found)
    return found


def _absent(
    topic: WantedTopic,
    partitions: int | None,
    wanted: Sequence[WantedTopic],
    observed: Mapping[str, ObservedTopic | None],
    found: Difference,
) -> None:
    if partitions is None:
        found.problems.append(f"{topic.name}: cannot be made before its source topics are there")
        return
    replicas = _replication(topic, wanted, observed)
    configs = _configs(topic, observed)
    found.creates.append(CreateTopic(topic.name, partitions, replicas, configs, topic.owner, topic.derived))


def _present(
    topic: WantedTopic,
    partitions: int | None,
    observed: Mapping[str, ObservedTopic | None],
    topology: Topology,
    found: Difference,
) -> None:
    live = observed[topic.name]
    assert live is not None
    if partitions is not None and partitions > live.partitions:
        reorders = _ordered_readers(topology, topic.name)
        found.additions.append(AddPartitions(topic.name, live.partitions, partitions, reorders))
    elif partitions is not None and partitions < live.partitions and not topic.derived:
        found.kept.append(Kept(topic.name, f"has {live.partitions} partitions, asked for {partitions}", _SHRINK))
    replicas = topic.replication_factor
    if replicas is not None and replicas != live.replication_factor:
        what = f"has replication factor {live.replication_factor}, asked for {replicas}"
        found.kept.append(Kept(topic.name, what, _REPLICATE))
    for key, value in _configs(topic, observed).items():
        before = live.configs.get(key)
        if not _same(before, value):
            found.changes.append(ChangeConfig(topic.name, key, before, value))


def undescribed(topology: Topology, wanted: Sequence[WantedTopic]) -> tuple[str, ...]:
    """Topics that processors read or write, or that are declared, of which the topology does not say the shape."""
    names = dict.fromkeys(topology.topics)
    for processor in topology.processors.values():
        output = (processor.output,) if processor.output else ()
        names |= dict.fromkeys((*processor.topics, *output, *processor.emits))
    described = {topic.name for topic in wanted}
    return tuple(name for name in names if name not in described)


def _configs(topic: WantedTopic, observed: Mapping[str, ObservedTopic | None]) -> dict[str, str]:
    """The settings asked for; room for the largest record that a source takes now, whoever set that."""
    configs = dict(topic.configs)
    if LARGEST in configs:
        live = [source.configs.get(LARGEST, "0") for name in topic.sources if (source := observed.get(name))]
        needed = max((int(size) + HEADROOM for size in live if size.isdigit() and size != "0"), default=0)
        configs[LARGEST] = str(max(int(configs[LARGEST]), needed))
    return configs


def _partitions(
    topic: WantedTopic, wanted: Sequence[WantedTopic], observed: Mapping[str, ObservedTopic | None]
) -> int | None:
    """What is asked for; of a topic that follows others, the most that any of those will have."""
    if not topic.partitions_like:
        return topic.partitions
    by_name = {other.name: other for other in wanted}
    counts = [topic.partitions or 0]
    for name in topic.partitions_like:
        live = observed.get(name)
        followed = by_name.get(name)
        counts.append(live.partitions if live else 0)
        counts.append((followed.partitions or 0) if followed else 0)
    return max(counts) or None


def _replication(
    topic: WantedTopic, wanted: Sequence[WantedTopic], observed: Mapping[str, ObservedTopic | None]
) -> int | None:
    if topic.replication_factor is not None or not topic.like:
        return topic.replication_factor
    live = observed.get(topic.like)
    if live is not None:
        return live.replication_factor
    return next((other.replication_factor for other in wanted if other.name == topic.like), None)


def _ordered_readers(topology: Topology, topic: str) -> tuple[str, ...]:
    return tuple(
        processor.name
        for processor in topology.processors.values()
        if topic in processor.topics and processor.ordering == "key"
    )


def _same(before: str | None, after: str) -> bool:
    """Whether two spellings of a setting mean the same (`0.5` and `0.50`, `a, b` and `a,b`, `True` and `true`)."""
    if before is None:
        return False
    if before == after:
        return True
    try:
        return float(before) == float(after)
    except ValueError:
        return before.replace(" ", "").lower() == after.replace(" ", "").lower()
