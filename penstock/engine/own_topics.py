"""The group's own topics while it runs: which retry topics exist, which one takes a delay, what to subscribe to."""

from __future__ import annotations

import asyncio
import logging

from penstock.broker.contract import Admin, NewTopic
from penstock.errors import BrokerError
from penstock.topology.derived import (
    LADDER,
    TIERS,
    dead_letter_topic,
    hop_tier,
    policy_topics,
    replay_topic,
    retry_delay,
    retry_topic,
    tier_for,
)
from penstock.topology.model import InternalTopics, Processor

log = logging.getLogger("penstock.topics")
_MOST_HOPS = 4  # through one tier, for one delay


class OwnTopics:
    """Knows the retry topics of one group, and makes the tier that a handler's own delay asks for."""

    def __init__(self, processor: Processor, admin: Admin, declared: InternalTopics) -> None:
        """`declared` is the topology's section for derived topics."""
        self._processor = processor
        self._admin = admin
        self._declared = declared
        self._group = processor.group_id
        self._tiers: set[str] = set()
        self._one = asyncio.Lock()
        self.made = asyncio.Event()  # a topic was made since the last look-up: it must be subscribed to

    async def look_up(self) -> tuple[list[str], list[str]]:
        """What to subscribe to, and what is missing of it and of the topics needed to hand off.

        Every existing retry topic of the group is subscribed to: a tier that left the topology is drained.
        """
        self.made.clear()
        existing = await self._admin.topics()
        retries = sorted(name for name in existing if retry_delay(self._group, name) is not None)
        self._tiers = {name.rpartition(".")[2] for name in retries}
        wanted = [*self._processor.topics, replay_topic(self._group)]
        needed = [*wanted, dead_letter_topic(self._group), *policy_topics(self._processor)]
        needed += [one for one in (self._processor.output, *self._processor.emits) if one]
        missing = sorted({name for name in needed if name not in existing})
        return [*[name for name in wanted if name in existing], *retries], missing

    async def tier(self, delay: float) -> str:
        """The retry topic for `delay` seconds; made when it is not there, else the next longer, else the longest."""
        wanted = tier_for(delay)
        if wanted not in self._tiers:
            await self.restore(retry_topic(self._group, wanted))
        return retry_topic(self._group, self._nearest(wanted))

    async def hop(self, remaining: float) -> str:
        """The retry topic that brings a record nearest to a due time `remaining` seconds away."""
        wanted = hop_tier(remaining)
        shorter = [length for length, spelling in TIERS if length <= remaining and spelling in self._tiers]
        if wanted not in self._tiers and (not shorter or remaining > _MOST_HOPS * shorter[-1]):
            await self.restore(retry_topic(self._group, wanted))  # the clock was set back, say
        fitting = [spelling for length, spelling in TIERS if length <= remaining and spelling in self._tiers]
        return retry_topic(self._group, fitting[-1]) if fitting else await self.tier(remaining)

    def _nearest(self, wanted: str) -> str:
        longer = [spelling for spelling in LADDER[LADDER.index(wanted) :] if spelling in self._tiers]
        shorter = [spelling for spelling in LADDER if spelling in self._tiers]
        return (longer or shorter[-1:] or [wanted])[0]

    async def restore(self, topic: str) -> None:
        """Make one of the group's own topics, as its siblings are, where it does not exist; else do nothing."""
        if retry_delay(self._group, topic) is None and topic != dead_letter_topic(self._group):
            return
        async with self._one:
            try:
                await self._create(topic)
            except BrokerError as error:
                log.error("%s does not exist and cannot be made: %s", topic, error)

    async def _create(self, topic: str) -> None:
        sources = await self._admin.topics(self._processor.topics)
        tier = retry_delay(self._group, topic)
        if sources and not await self._admin.topics([topic]):
            partitions = max(one.partitions for one in sources.values()) if tier is not None else 1
            first = sources.get(self._processor.topics[0]) or next(iter(sources.values()))
            replicas = self._declared.replication_factor or first.replication_factor
            configs = {**await self._configs(topic), **self._declared.configs}
            refused = await self._admin.create_topics([NewTopic(topic, partitions, replicas, configs)])
            if topic in refused:
                log.error("%s does not exist and cannot be made: %s", topic, refused[topic])
                return
            log.warning("%s did not exist; made with %d partitions", topic, partitions)
        if tier is not None and topic.rpartition(".")[2] not in self._tiers:
            self._tiers.add(topic.rpartition(".")[2])
            self.made.set()

    async def _configs(self, topic: str) -> dict[str, str]:
        live = await self._admin.topic_configs(self._processor.topics)
        sizes = [int(found["max.message.bytes"].value) for found in live.values() if "max.message.bytes" in found]
        configs = {"cleanup.policy": "delete", "max.message.bytes": str(max(sizes, default=1_048_588) + 65_536)}
        if topic == dead_letter_topic(self._group):
            configs["retention.ms"] = "-1"
        return configs
