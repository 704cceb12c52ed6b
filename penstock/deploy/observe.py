"""Look at the cluster and make the plan: the only part of planning that asks the broker."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence

from penstock.broker.contract import Admin, TopicDescription
from penstock.deploy.difference import LARGEST, compare, undescribed
from penstock.deploy.frontier import position_of
from penstock.deploy.plan import AskSession, Draining, GroupOutlook, Observed, ObservedTopic, Plan
from penstock.deploy.schemas import outlook
from penstock.schema.registry import Registry
from penstock.topology.derived import retry_prefix, retry_tiers, retry_topic
from penstock.topology.model import Topology
from penstock.topology.wanted import WantedTopic, wanted_topics


async def make_plan(topology: Topology, admin: Admin) -> Plan:
    """Compare the topology with the live cluster. Raises BrokerUnavailable."""
    wanted = wanted_topics(topology)
    everything = await admin.topics()
    retries = _retry_topics(topology, everything)
    observed = await observe(admin, _looked_at(topology, wanted, retries))
    difference = compare(topology, wanted, observed.topics)
    names = {topic.name for topic in wanted}
    registry = Registry(topology.schema_registry) if topology.schema_registry else None
    schemas, refusals = await asyncio.to_thread(outlook, topology, registry) if registry else outlook(topology, None)
    return Plan(
        topology=topology.name,
        observed=observed,
        creates=tuple(difference.creates),
        additions=tuple(difference.additions),
        changes=tuple(difference.changes),
        schemas=schemas,
        sessions=await _sessions(topology, admin),
        kept=tuple(difference.kept),
        draining=await _draining({name: group for name, group in retries.items() if name not in names}, admin),
        groups=await _groups(topology, admin, everything),
        problems=(*difference.problems, *refusals),
    )


async def observe(admin: Admin, settings: Mapping[str, Collection[str]]) -> Observed:
    """These topics as they are now, each with the settings named for it."""
    cluster = await admin.cluster()
    there = await admin.topics(list(settings))
    asked = [name for name in settings if name in there and settings[name]]
    configs = await admin.topic_configs(asked) if asked else {}
    return Observed(
        cluster.id,
        {name: _observed(there.get(name), settings[name], configs.get(name, {})) for name in settings},
    )


def _observed(
    topic: TopicDescription | None, keys: Collection[str], configs: Mapping[str, object]
) -> ObservedTopic | None:
    if topic is None:
        return None
    values = {key: str(getattr(configs[key], "value", "")) for key in keys if key in configs}
    return ObservedTopic(topic.id, topic.partitions, topic.replication_factor, values)


def _looked_at(
    topology: Topology, wanted: Sequence[WantedTopic], retries: Collection[str]
) -> dict[str, tuple[str, ...]]:
    """Every topic that decides anything in the plan, with the settings that do."""
    settings: dict[str, tuple[str, ...]] = dict.fromkeys((*undescribed(topology, wanted), *retries), ())
    settings |= {topic.name: tuple(topic.configs) for topic in wanted}
    for source in {source for topic in wanted for source in topic.sources}:
        settings[source] = tuple({*settings.get(source, ()), LARGEST})
    return dict(sorted(settings.items()))


def _retry_topics(topology: Topology, everything: Mapping[str, TopicDescription]) -> dict[str, str]:
    """Each retry topic there is under this topology's name, with its group; '' where no processor has it any more."""
    groups = [processor.group_id for processor in topology.processors.values()]
    found = {}
    for name in sorted(everything):
        owner = next((group for group in groups if name.startswith(retry_prefix(group))), "")
        if owner or (name.startswith(f"{topology.name}.") and ".retry." in name):
            found[name] = owner
    return found


async def _draining(retries: Mapping[str, str], admin: Admin) -> tuple[Draining, ...]:
    found = []
    for topic, group in retries.items():
        reader = group or topic.rsplit(".retry.", 1)[0]
        lag = await position_of(admin, reader, [topic])
        found.append(Draining(topic, group, lag.lag))
    return tuple(found)


async def _sessions(topology: Topology, admin: Admin) -> tuple[AskSession, ...]:
    """Groups whose broker would notice a dead worker later (or earlier) than `failover` says."""
    if topology.kafka.get("group.protocol") == "classic":
        return ()
    found = []
    for processor in topology.processors.values():
        now = await admin.group_session_timeout(processor.group_id)
        if now is not None and now != processor.failover:
            found.append(AskSession(processor.group_id, now, processor.failover))
    return tuple(found)


async def _groups(
    topology: Topology, admin: Admin, everything: Mapping[str, TopicDescription]
) -> tuple[GroupOutlook, ...]:
    found = []
    for processor in topology.processors.values():
        group = await admin.group(processor.group_id)
        sources = [topic for topic in processor.topics if topic in everything]
        lag = await position_of(admin, processor.group_id, sources, processor.start_from)
        tiers = () if processor.retry.preserve_order else retry_tiers(processor.retry)
        found.append(
            GroupOutlook(
                processor.name,
                processor.group_id,
                group.state,
                group.protocol,
                len(group.members),
                lag.lag if lag.started else None,
                tuple(retry_topic(processor.group_id, tier) for tier in tiers),
            )
        )
    return tuple(found)
