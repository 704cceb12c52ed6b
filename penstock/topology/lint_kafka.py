"""Kafka's own settings: those the engine owns, numbers with units, retention, replicas, sizes of derived topics."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from penstock.durations import seconds, size, spell
from penstock.errors import Problem
from penstock.topology.derived import backoff_delay
from penstock.topology.marks import Marks
from penstock.topology.model import InternalTopics, Processor, Topic, Topology
from penstock.topology.wording import quoted

MAX_POLL_INTERVAL: Final = 300.0  # librdkafka's default of max.poll.interval.ms, in seconds
MESSAGE_BYTES: Final = 1_048_588  # the broker's default of max.message.bytes
HEADROOM: Final = 65_536  # our headers on a retried or dead record: well below 64 KiB

_COMMITS: Final = "the engine commits what is finished, and nothing else"
_PLACEMENT: Final = "one partitioner everywhere keeps the order of keys across programs"
_DURABILITY: Final = "a hand-off counts only when every replica in sync has it"
OWNED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "enable.auto.commit": _COMMITS,
        "auto.commit.enable": _COMMITS,
        "enable.auto.offset.store": _COMMITS,
        "auto.offset.reset": "where a group begins is start_from, set per processor",
        "group.id": "it is <name>.<processor>",
        "acks": _DURABILITY,
        "request.required.acks": _DURABILITY,
        "enable.idempotence": _DURABILITY,
        "partitioner": _PLACEMENT,
        "partition.assignment.strategy": "a rebalance must not stop partitions that stay; see failover",
    }
)
_INTEGER: Final = re.compile(r"-?\d{1,30}", re.ASCII)


def check(topology: Topology, marks: Marks) -> Iterator[Problem]:
    """Every problem with Kafka's own settings."""
    yield from _owned(topology, marks)
    yield from _units(topology, marks)
    yield from _replicas(topology, marks)
    yield from _internal_topics(topology, marks)
    yield from _source_retention(topology, marks)


def max_poll_interval(topology: Topology) -> float:
    """Seconds of `max.poll.interval.ms`, or its default where the setting is absent or no number."""
    return (integer(topology.kafka.get("max.poll.interval.ms")) or MAX_POLL_INTERVAL * 1000) / 1000


def integer(text: str | None) -> int | None:
    """The number in a setting, or None where there is none."""
    return int(text) if text is not None and _INTEGER.fullmatch(text) else None


def longest_delay(processor: Processor) -> float:
    """The longest backoff this policy ever reaches, in seconds; 0 without a second attempt."""
    delays = (backoff_delay(processor.retry, attempt) for attempt in range(1, processor.retry.max_attempts))
    return max(delays, default=0.0)


def _owned(topology: Topology, marks: Marks) -> Iterator[Problem]:
    for key in topology.kafka:
        if key in OWNED:
            yield marks.problem(marks.key("kafka", key), f"{key} belongs to the engine: {OWNED[key]}", "remove it")


def _units(topology: Topology, marks: Marks) -> Iterator[Problem]:
    """Kafka's `.ms` and `.bytes` take bare numbers; a duration in our spelling is a likely slip."""
    places: list[tuple[tuple[str, ...], Mapping[str, str]]] = [(("kafka",), topology.kafka)]
    places.append((("internal_topics", "configs"), topology.internal_topics.configs))
    places += [(("topics", name, "configs"), topic.configs) for name, topic in topology.topics.items()]
    for path, settings in places:
        for key, value in settings.items():
            unit = key.rpartition(".")[2]
            if unit in {"ms", "bytes"} and not _INTEGER.fullmatch(value):
                word = "milliseconds" if unit == "ms" else "bytes"
                message = f"{key} must be a whole number of {word}, not {quoted(value)}"
                yield marks.problem(marks.value(*path, key), message, _converted(unit, value))


def _converted(unit: str, value: str) -> str:
    try:
        return f"write {round(seconds(value) * 1000)}" if unit == "ms" else f"write {size(value)}"
    except (ValueError, OverflowError):
        return ""


def _replicas(topology: Topology, marks: Marks) -> Iterator[Problem]:
    """With fewer replicas than must be in sync, the broker refuses every write."""
    places: list[tuple[tuple[str, ...], Topic | InternalTopics]] = [(("internal_topics",), topology.internal_topics)]
    places += [(("topics", name), topic) for name, topic in topology.topics.items()]
    for path, place in places:
        replicas = place.replication_factor
        wanted = integer(place.configs.get("min.insync.replicas"))
        if replicas is not None and wanted is not None and wanted > replicas:
            message = f"min.insync.replicas is {wanted}, but there are only {replicas} replicas: nothing can be written"
            mark = marks.value(*path, "configs", "min.insync.replicas")
            yield marks.problem(mark, message, "lower it, or raise replication_factor")


def _internal_topics(topology: Topology, marks: Marks) -> Iterator[Problem]:
    configs = topology.internal_topics.configs
    at = ("internal_topics", "configs")
    if "compact" in configs.get("cleanup.policy", ""):
        message = "derived topics cannot be compacted: of two failed records with one key, one would vanish"
        yield marks.problem(marks.value(*at, "cleanup.policy"), message, "remove it: they are cleaned by delete")
    retention = integer(configs.get("retention.ms"))
    judged = [found for found in topology.processors.values() if marks.sound(found.place, found.name, "retry")]
    slowest = max(judged, key=longest_delay, default=None)
    if retention is not None and retention >= 0 and slowest and retention / 1000 < longest_delay(slowest):
        message = (
            f"derived topics keep records for {spell(retention / 1000)}, "
            f"but processor {quoted(slowest.name)} retries after up to {spell(longest_delay(slowest))}"
        )
        yield marks.problem(marks.value(*at, "retention.ms"), message, "a record would be deleted before it is due")
    sources = tuple(source for processor in topology.processors.values() for source in processor.topics)
    limit = integer(configs.get("max.message.bytes"))
    needed = largest_message(topology, sources) + HEADROOM
    if limit is not None and limit < needed:
        message = f"max.message.bytes of derived topics is {limit}, their sources need {needed}"
        yield marks.problem(marks.value(*at, "max.message.bytes"), message, "remove it: it follows the sources")


def largest_message(topology: Topology, sources: tuple[str, ...]) -> int:
    """The largest `max.message.bytes` of these topics, as declared; the broker's default where none says."""
    declared = (topology.topics[name].configs for name in sources if name in topology.topics)
    return max(
        (integer(configs.get("max.message.bytes")) or MESSAGE_BYTES for configs in declared), default=MESSAGE_BYTES
    )


def _source_retention(topology: Topology, marks: Marks) -> Iterator[Problem]:
    """A record must outlive its own retry, or a crash meanwhile loses it."""
    for name, topic in topology.topics.items():
        retention = integer(topic.configs.get("retention.ms"))
        readers = [reader for reader in topology.processors.values() if name in reader.topics]
        slowest = max(readers, key=longest_delay, default=None)
        if (
            retention is None
            or retention < 0
            or slowest is None
            or not marks.sound(slowest.place, slowest.name, "retry")
        ):
            continue
        if retention / 1000 < longest_delay(slowest):
            message = (
                f"topic {quoted(name)} keeps records for {spell(retention / 1000)}, "
                f"but processor {quoted(slowest.name)} retries after up to {spell(longest_delay(slowest))}"
            )
            mark = marks.value("topics", name, "configs", "retention.ms")
            yield marks.problem(mark, message, "raise retention.ms, or lower retry.backoff.max")
