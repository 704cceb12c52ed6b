"""Names: allowed characters, length, topics that exist, and no two names that the broker takes for one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from penstock.errors import Problem
from penstock.topology.connector_options import SourceOptions
from penstock.topology.derived import (
    control_topic,
    cursors_topic,
    dead_letter_topic,
    policy_topics,
    progress_topic,
    retry_prefix,
    runs_topic,
)
from penstock.topology.marks import Mark, Marks
from penstock.topology.model import Topology
from penstock.topology.wording import did_you_mean, quoted

_ALLOWED: Final = re.compile(r"[A-Za-z0-9._-]+")
_RENAME: Final = "dots and underscores count as equal: rename one"
_LONGEST: Final = 249  # Kafka's own limit: a directory name must hold the topic, its partition and a suffix


def check(topology: Topology, marks: Marks) -> Iterator[Problem]:
    """Every problem with names."""
    yield from _spelling(topology, marks)
    yield from _dangling(topology, marks)
    yield from _dangling_sources(topology, marks)
    yield from _named_twice(topology, marks)
    yield from _named_in_two_sections(topology, marks)
    yield from _twins(topology, marks)
    if marks.sound("name"):
        yield from _length_of_derived(topology, marks)
        yield from _collisions(topology, marks)
        yield from _reserved(topology, marks)


def _spelling(topology: Topology, marks: Marks) -> Iterator[Problem]:
    named: list[tuple[str, str, Mark]] = []
    if marks.sound("name"):
        named.append(("name", topology.name, marks.value("name")))
    named += [("topic", name, marks.key("topics", name)) for name in topology.topics]
    declared = [found for found in topology.processors.values() if found.sink is None]
    named += [("processor", found.name, marks.key("processors", found.name)) for found in declared]
    named += [("connector", name, marks.key("connectors", name)) for name in topology.connectors]
    for what, name, mark in named:
        if not _ALLOWED.fullmatch(name) or name in {".", ".."}:
            message = f"{what} {quoted(name)} is not a name Kafka takes"
            yield marks.problem(mark, message, "letters, digits, dot, underscore and hyphen only")
        elif len(name) > _LONGEST:
            message = f"{what} {quoted(name)} is {len(name)} characters long, Kafka allows {_LONGEST}"
            yield marks.problem(mark, message, "shorten it")


def _length_of_derived(topology: Topology, marks: Marks) -> Iterator[Problem]:
    for processor in topology.processors.values():
        longest = max(policy_topics(processor), key=len)
        if len(longest) > _LONGEST and len(processor.name) <= _LONGEST:
            message = f"the derived topic {quoted(longest)} is {len(longest)} characters long, Kafka allows {_LONGEST}"
            yield marks.problem(
                marks.key(processor.place, processor.name), message, f"shorten the {processor.place[:-1]}'s name"
            )


def _dangling(topology: Topology, marks: Marks) -> Iterator[Problem]:
    if ("topics",) in marks.spoiled or () in marks.spoiled:
        return
    derived = _derived_sources(topology)
    for name, processor in topology.processors.items():
        at = (processor.place, name)
        for key, listed in (("topics", processor.topics), ("emits", processor.emits)):
            for index, topic in _positions(listed, marks, (*at, key)):
                if topic not in topology.topics:
                    mark = marks.value(*at, key, str(index))
                    yield _no_such_topic(topology, marks, mark, topic, derived)
        if processor.output and processor.output not in topology.topics:
            yield _no_such_topic(topology, marks, marks.value(*at, "output"), processor.output, derived)


def _dangling_sources(topology: Topology, marks: Marks) -> Iterator[Problem]:
    if ("topics",) in marks.spoiled or () in marks.spoiled:
        return
    for name, connector in topology.connectors.items():
        at = ("connectors", name, "topic")
        if not isinstance(connector, SourceOptions) or not marks.sound(*at):
            continue
        if connector.topic and connector.topic not in topology.topics:
            yield _no_such_topic(topology, marks, marks.value(*at), connector.topic, frozenset())


def _positions(listed: tuple[str, ...], marks: Marks, path: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    """The items with their index in the file, where unreadable items still count."""
    index = 0
    for item in listed:
        while (*path, str(index)) in marks.spoiled:
            index += 1
        yield index, item
        index += 1


def _no_such_topic(topology: Topology, marks: Marks, mark: Mark, topic: str, derived: frozenset[str]) -> Problem:
    otherwise = f"declare it under topics: {topic}: {{}}"
    if topic in derived:
        otherwise = f"to read a derived topic, declare it without partitions: {topic}: {{}}"
        return marks.problem(mark, f"topic {quoted(topic)} is not declared", otherwise)
    return marks.problem(
        mark, f"topic {quoted(topic)} is not declared", did_you_mean(topic, topology.topics, otherwise)
    )


def _derived_sources(topology: Topology) -> frozenset[str]:
    """Derived topics that a processor may read, when they are declared without partitions."""
    letters = {dead_letter_topic(processor.group_id) for processor in topology.processors.values()}
    return frozenset({*letters, progress_topic(topology.name), runs_topic(topology.name)})


def _named_twice(topology: Topology, marks: Marks) -> Iterator[Problem]:
    for name, processor in topology.processors.items():
        lists = {"topics": processor.topics, "types": processor.types, "emits": processor.emits}
        for key, listed in lists.items():
            seen: set[str] = set()
            for index, item in _positions(listed, marks, (processor.place, name, key)):
                if item in seen:
                    mark = marks.value(processor.place, name, key, str(index))
                    yield marks.problem(mark, f"{quoted(item)} is named twice in {key}", "remove one")
                seen.add(item)


def _named_in_two_sections(topology: Topology, marks: Marks) -> Iterator[Problem]:
    for name in topology.connectors:
        if marks.says("processors", name):
            message = f"{quoted(name)} is a processor and a connector: both would be one consumer group"
            yield marks.problem(marks.key("connectors", name), message, "rename one")


def _twins(topology: Topology, marks: Marks) -> Iterator[Problem]:
    """Processors and connectors whose groups, and so all of whose derived topics, would collide: said once."""
    groups: dict[str, str] = {}
    named = [(found.place, found.name, found.group_id) for found in topology.processors.values()]
    sources = [found for found in topology.connectors.values() if isinstance(found, SourceOptions)]
    named += [("connectors", found.name, found.group_id) for found in sources]
    for place, name, group in named:
        twin = groups.setdefault(_folded(group), name)
        if twin != name:
            message = f"{place} {quoted(twin)} and {quoted(name)} make names that Kafka takes for one"
            yield marks.problem(marks.key(place, name), message, _RENAME)


def _collisions(topology: Topology, marks: Marks) -> Iterator[Problem]:
    """Topics that differ only in `.` and `_`: metrics cannot hold both, so the broker refuses the second."""
    readable = _derived_sources(topology)
    declared: dict[str, str] = {}
    for name, topic in topology.topics.items():
        if name in readable and topic.partitions is None:
            continue  # a reference to a derived topic
        twin = declared.setdefault(_folded(name), name)
        if twin != name:
            message = f"topics {quoted(twin)} and {quoted(name)} are one name to Kafka"
            yield marks.problem(marks.key("topics", name), message, _RENAME)
    for name, maker in _derived(topology):
        shadowing = declared.get(_folded(name))
        if shadowing:
            yield _shadows(topology, marks, shadowing, name, maker)


def _derived(topology: Topology) -> Iterator[tuple[str, str]]:
    """Every derived topic name, reserved ones too, and who makes it. Those of two groups differ as their groups do."""
    for shared in (progress_topic, cursors_topic, runs_topic, control_topic):
        yield shared(topology.name), "the topology"
    for source in topology.connectors.values():
        if isinstance(source, SourceOptions):
            yield dead_letter_topic(source.group_id), f"connector {source.name}"
    for processor in topology.processors.values():
        word = processor.place.removesuffix("s")
        for name in (*policy_topics(processor), f"{processor.group_id}.parked"):
            yield name, f"{word} {processor.name}"


def _shadows(topology: Topology, marks: Marks, declared: str, derived: str, maker: str) -> Problem:
    """A declared topic that takes a derived one's name."""
    mark = marks.key("topics", declared)
    if declared != derived:
        message = f"topic {quoted(declared)} and {quoted(derived)}, made by {maker}, are one name to Kafka"
        return marks.problem(mark, message, _RENAME)
    hint = "to read it, declare it without partitions" if derived in _derived_sources(topology) else "rename it"
    return marks.problem(mark, f"topic {quoted(declared)} belongs to {maker}", hint)


def _reserved(topology: Topology, marks: Marks) -> Iterator[Problem]:
    """A group reads every topic that begins like its retry topics, so nothing else may begin so."""
    for processor in topology.processors.values():
        prefix = retry_prefix(processor.group_id)
        hint = f"processor {processor.name} reads every topic named {prefix}*: rename it"
        for name in topology.topics:
            if name.startswith(prefix):
                yield marks.problem(marks.key("topics", name), f"the name {quoted(name)} is reserved", hint)
        for other in topology.processors.values():
            if f"{other.group_id}.".startswith(prefix):
                mark = marks.key(other.place, other.name)
                yield marks.problem(mark, f"the name {quoted(other.name)} is reserved", hint)


def _folded(name: str) -> str:
    return name.replace(".", "_")
