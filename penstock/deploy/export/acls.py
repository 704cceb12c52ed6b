"""The ACLs a topology needs, no more: of the workers, of whoever applies it, of whoever sends to its topics.

One entry is one ACL of Kafka: who, may do what, on which topic, group or cluster. `pattern` prefixed covers names that
begin so: retry topics are made when a delay is first asked for.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from penstock.topology.connector_options import SourceOptions
from penstock.topology.derived import (
    control_topic,
    cursors_topic,
    dead_letter_topic,
    progress_topic,
    replay_topic,
    retry_prefix,
    runs_topic,
)
from penstock.topology.http_options import HttpSourceOptions
from penstock.topology.model import Processor, Topology
from penstock.topology.wanted import wanted_topics

Kind = Literal["TOPIC", "GROUP", "CLUSTER"]
ROLES: Final = ("worker", "deployer", "producer")
_CLUSTER: Final = "kafka-cluster"
_FLAGS: Final[dict[Kind, str]] = {"TOPIC": "--topic", "GROUP": "--group", "CLUSTER": "--cluster"}


@dataclass(frozen=True, slots=True, order=True)
class Acl:
    """One permission, from any host. `why` is for people."""

    kind: Kind
    name: str
    pattern: Literal["LITERAL", "PREFIXED"]
    operation: str
    principal: str
    why: str = ""

    @property
    def command(self) -> str:
        """As Kafka's own tool takes it."""
        words = [
            "kafka-acls.sh",
            "--add",
            "--allow-principal",
            self.principal,
            "--operation",
            self.operation.title().replace("_", ""),
        ]
        words.append(_FLAGS[self.kind])
        words += [] if self.kind == "CLUSTER" else [self.name]
        words += ["--resource-pattern-type", "prefixed"] if self.pattern == "PREFIXED" else []
        return shlex.join(words)


def acls(topology: Topology, principals: dict[str, str]) -> tuple[Acl, ...]:
    """What each role's principal (`User:app`) needs; roles without one are left out. Sorted, each once."""
    rules = {"worker": _worker, "deployer": _deployer, "producer": _producer}
    found: dict[tuple[str, ...], Acl] = {}
    for role, principal in principals.items():
        for kind, name, pattern, operation, why in rules[role](topology):
            acl = Acl(kind, name, pattern, operation, principal, why)
            found.setdefault((kind, name, pattern, operation, principal), acl)
    return tuple(sorted(found.values()))


_Rule = tuple[Kind, str, Literal["LITERAL", "PREFIXED"], str, str]


def _worker(topology: Topology) -> Iterator[_Rule]:
    for processor in topology.processors.values():
        yield from _processor(processor)
    for source in topology.connectors.values():
        if isinstance(source, SourceOptions):
            yield from _source(topology, source)
    if topology.processors:
        yield from _topics([progress_topic(topology.name)], ["WRITE"], "progress of runs")
        yield from _topics([control_topic(topology.name)], ["READ"], "what operators say")
        if topology.runs.enabled:
            yield from _topics([runs_topic(topology.name)], ["WRITE"], "the record of what ran")


def _processor(processor: Processor) -> Iterator[_Rule]:
    group, who = processor.group_id, processor.name
    yield "GROUP", group, "LITERAL", "READ", f"the group of {who}"
    yield "GROUP", group, "LITERAL", "DESCRIBE_CONFIGS", "to see how soon KIP-848 notices a dead worker"
    yield from _topics(processor.topics, ["READ"], f"sources of {who}")
    outputs = (*((processor.output,) if processor.output else ()), *processor.emits)
    yield from _topics(outputs, ["WRITE"], f"outputs of {who}")
    for operation in ("READ", "WRITE", "CREATE"):
        yield "TOPIC", retry_prefix(group), "PREFIXED", operation, f"retries of {who}, made on demand"
    yield from _topics([replay_topic(group)], ["READ"], f"replays of {who}")
    yield from _topics([dead_letter_topic(group)], ["WRITE"], f"dead letters of {who}")


def _source(topology: Topology, source: SourceOptions) -> Iterator[_Rule]:
    yield from _topics([source.topic], ["WRITE"], f"what {source.name} brings")
    if source.dead_letters:
        yield from _topics([dead_letter_topic(source.group_id)], ["WRITE"], f"dead letters of {source.name}")
    if isinstance(source, HttpSourceOptions):
        yield from _gateway(topology, source)
    if source.exclusive:
        yield "GROUP", source.group_id, "LITERAL", "READ", f"the group of {source.name}"
        yield from _topics([cursors_topic(topology.name)], ["READ", "WRITE"], "cursors of sources")


def _gateway(topology: Topology, source: HttpSourceOptions) -> Iterator[_Rule]:
    """What it reads for whoever asks what became of an event, and how much waits for the agents."""
    groups = [processor.group_id for processor in topology.processors.values()]
    if source.reply:
        yield from _topics(source.reply, ["READ"], f"results for who asked {source.name}")
        letters = [dead_letter_topic(group) for group in groups]
        yield from _topics(letters, ["READ"], f"reasons for who asked {source.name}")
        yield from _topics([progress_topic(topology.name)], ["READ"], f"progress for who asked {source.name}")
        yield from _topics([source.topic], ["READ"], f"what was accepted by {source.name}")
    if source.max_backlog is not None:
        for group in groups:
            yield "GROUP", group, "LITERAL", "DESCRIBE", f"the backlog that {source.name} goes by"


def _deployer(topology: Topology) -> Iterator[_Rule]:
    names = [topic.name for topic in wanted_topics(topology)]
    operations = ["CREATE", "ALTER", "ALTER_CONFIGS", "DESCRIBE", "DESCRIBE_CONFIGS"]
    yield from _topics(names, operations, "penstock apply")
    yield from _topics(topology.topics, ["DESCRIBE", "DESCRIBE_CONFIGS"], "penstock plan")
    for processor in topology.processors.values():
        for operation in ("DESCRIBE", "DESCRIBE_CONFIGS", "ALTER_CONFIGS"):
            yield "GROUP", processor.group_id, "LITERAL", operation, "state and session of the group"


def _producer(topology: Topology) -> Iterator[_Rule]:
    made_here = {name for one in topology.processors.values() for name in (one.output, *one.emits) if name}
    yield from _topics([name for name in topology.topics if name not in made_here], ["WRITE"], "events from outside")


def _topics(names: Iterable[str], operations: Iterable[str], why: str) -> Iterator[_Rule]:
    operations = list(operations)
    for name in names:
        for operation in operations:
            yield "TOPIC", name, "LITERAL", operation, why
