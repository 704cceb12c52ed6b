"""Find what is wrong: each check a value with what was found and, where it fails, what to do."""

from __future__ import annotations

import asyncio
import platform
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from penstock.broker.contract import Admin, Broker
from penstock.deploy import membership, status
from penstock.durations import spell
from penstock.errors import BrokerError, HandlerError, TopicMissing
from penstock.record import TopicPartition
from penstock.topology.model import Topology

if TYPE_CHECKING:
    from penstock.topology.model import Processor

State = Literal["ok", "warning", "failed", "skipped"]
_AHEAD: Final = 5.0  # seconds that a record may come from the future before a clock is doubted
_PATIENCE: Final = 5.0


@dataclass(frozen=True, slots=True)
class Check:
    """One question about the installation: its state, what was found, and what to do about it."""

    name: str
    state: State
    found: str
    todo: str = ""


def versions() -> dict[str, str]:
    """What runs here, by name."""
    from importlib.metadata import version

    import confluent_kafka

    return {
        "penstock": version("penstock"),
        "python": platform.python_version(),
        "confluent-kafka": version("confluent-kafka"),
        "librdkafka": confluent_kafka.libversion()[0],
        "platform": platform.platform(terse=True),
    }


def check_versions() -> Check:
    """Always fine, and the first thing a bug report needs."""
    return Check("versions", "ok", ", ".join(f"{name} {value}" for name, value in versions().items()))


def import_failures(topology: Topology) -> dict[str, HandlerError]:
    """Why the handlers that cannot be imported cannot, by processor; empty where all can."""
    from penstock.engine.handler import load

    failures: dict[str, HandlerError] = {}
    for processor in topology.processors.values():
        if processor.python is not None:
            continue  # lives in an interpreter of its own, where its imports are
        try:
            load(topology, processor)
        except HandlerError as error:
            failures[processor.name] = error
    return failures


def check_imports(topology: Topology) -> tuple[Check, ...]:
    """Whether every handler can be imported here."""
    failures = import_failures(topology)
    return tuple(_imported(processor, failures.get(name)) for name, processor in topology.processors.items())


def _imported(processor: Processor, failure: HandlerError | None) -> Check:
    name = f"handler {processor.name}"
    if processor.python is not None:
        return Check(name, "skipped", f"runs in {processor.python}", "there: penstock doctor --imports")
    if failure is None:
        return Check(name, "ok", processor.handler)
    return Check(name, "failed", str(failure), "mend the import; the topology's folder is first on sys.path")


async def check_broker(topology: Topology, broker: Broker) -> tuple[Check, ...]:
    """Everything that a broker which answers can tell."""
    admin = broker.admin()
    cluster = await admin.cluster()
    version = f", Kafka {cluster.version}" if cluster.version else ""
    brokers = f"{len(cluster.brokers)} broker{'s' if len(cluster.brokers) != 1 else ''}"
    found = [Check("broker", "ok", f"cluster {cluster.id}{version}, {brokers}: {', '.join(cluster.brokers)}")]
    found.append(await _guarded("topics", lambda: _topics(topology, broker)))
    found += [
        await _guarded(f"group {processor.group_id}", _group_check(topology, processor, admin))
        for processor in topology.processors.values()
    ]
    found.append(await _guarded("clock", lambda: _clock(topology, broker)))
    return tuple(found)


async def _guarded(name: str, check: Callable[[], Awaitable[Check]]) -> Check:
    """A check that the broker refuses is a failed check, not the end of the examination."""
    try:
        return await check()
    except BrokerError as error:
        return Check(name, "failed", error.message, error.hint or "look at the broker's own log and this user's rights")


async def _topics(topology: Topology, broker: Broker) -> Check:
    found = await status.topics(topology, broker)
    missing = [one.topic for one in found if one.missing]
    if missing:
        return Check("topics", "failed", f"missing: {', '.join(missing)}", "make them with `penstock apply`")
    return Check("topics", "ok", f"all {len(found)} are there")


def _group_check(topology: Topology, processor: Processor, admin: Admin) -> Callable[[], Awaitable[Check]]:
    async def checked() -> Check:
        return await _group(topology, processor, admin)

    return checked


async def _group(topology: Topology, processor: Processor, admin: Admin) -> Check:
    from penstock.broker.kafka.protocol import GroupFacts, choose

    group = await admin.group(processor.group_id)
    facts = GroupFacts(
        live=group.protocol if group.members else "",
        session_timeout=await admin.group_session_timeout(processor.group_id),
    )
    choice = choose(topology.kafka.get("group.protocol", ""), facts, processor.failover)
    text = f"{group.state}, {len(group.members)} members; a worker would speak {choice.protocol}: {choice.reason}"
    if others := membership.strangers(processor, group):
        said = f"{text} {membership.what_it_means(others)}"
        return Check(f"group {processor.group_id}", "warning", said, membership.WHAT_TO_DO)
    return Check(f"group {processor.group_id}", "ok", text)


async def _clock(topology: Topology, broker: Broker) -> Check:
    """Kafka tells no client the time; but a newest record from the future says that two clocks differ."""
    ahead = await _newest_ahead(topology, broker)
    if ahead is None:
        return Check("clock", "skipped", "no record to compare with yet")
    position, seconds = ahead
    if seconds > _AHEAD:
        return Check(
            "clock",
            "warning",
            f"the newest record ({position}) is {spell(round(seconds))} ahead of this host",
            "set the clocks of this host and of the producers (NTP): delays and expiry are counted with them",
        )
    return Check("clock", "ok", "no record comes from the future")


async def _newest_ahead(topology: Topology, broker: Broker) -> tuple[str, float] | None:
    """The newest record of the declared topics, and how many seconds ahead of now it is."""
    there = await broker.admin().topics(list(topology.topics))
    partitions = [TopicPartition(one.name, number) for one in there.values() for number in range(one.partitions)]
    ends = await broker.admin().ends(partitions) if partitions else {}
    ranges = {partition: (one.high - 1, one.high) for partition, one in ends.items() if one.high > one.low}
    newest: tuple[str, float] | None = None
    if not ranges:
        return None
    try:
        async with asyncio.timeout(_PATIENCE):
            async for record in broker.reader().scan(ranges):
                seconds = record.timestamp / 1000 - time.time()
                if newest is None or seconds > newest[1]:
                    newest = (str(record.position), seconds)
    except (TimeoutError, TopicMissing):
        pass  # what was read until then decides
    return newest
