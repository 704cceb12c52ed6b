"""Memory: processors name one that is declared, and a run is known as applied for as long as it may come again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from penstock.durations import spell
from penstock.errors import Problem
from penstock.topology.lint_kafka import integer
from penstock.topology.marks import Marks
from penstock.topology.memory_options import LedgerMemory
from penstock.topology.model import Processor, Topology
from penstock.topology.wording import did_you_mean, listed, quoted

_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,100}")  # it is part of file, table and key names
_SCHEMA: Final = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_FUNCTION: Final = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")


def check(topology: Topology, marks: Marks) -> Iterator[Problem]:
    """Every problem with memories."""
    for name, memory in topology.memory.items():
        if not _NAME.fullmatch(name):
            message = f"memory {quoted(name)} has a name that not every store takes"
            yield marks.problem(marks.key("memory", name), message, "letters, digits, dot, underscore, hyphen; 100")
        if isinstance(memory, LedgerMemory) and marks.sound("memory", name, "ledger"):
            yield from _ledger(topology, memory, marks)
        schema = getattr(memory, "schema", None)
        if schema is not None and not _SCHEMA.fullmatch(schema):
            message = f"{quoted(schema)} is not a name that a schema can have without quotes"
            yield marks.problem(marks.value("memory", name, "schema"), message, "a-z, 0-9 and _, for example memory")
        for key in ("embed", "tokens"):
            if marks.sound("memory", name, key) and not _FUNCTION.fullmatch(getattr(memory, key)):
                message = f"{key} {quoted(getattr(memory, key))} is not module:function"
                yield marks.problem(marks.value("memory", name, key), message, "for example agents.models:embed")
    for processor in topology.processors.values():
        if processor.memory is not None and marks.sound("processors", processor.name, "memory"):
            yield from _named(topology, processor, marks)


def _ledger(topology: Topology, memory: LedgerMemory, marks: Marks) -> Iterator[Problem]:
    mark = marks.value("memory", memory.name, "ledger")
    able = [name for name, other in topology.memory.items() if other.transactional]
    if memory.ledger not in able and marks.sound("memory", memory.ledger):
        hint = f"there are {listed(able)}" if able else "declare one: { type: sqlite }, redis or postgres"
        yield marks.problem(mark, f"{quoted(memory.ledger)} is no memory that can be a ledger", hint)


def _named(topology: Topology, processor: Processor, marks: Marks) -> Iterator[Problem]:
    assert processor.memory is not None
    mark = marks.value("processors", processor.name, "memory")
    if ("memory",) in marks.spoiled or ("memory", processor.memory) in marks.spoiled:
        return
    memory = topology.memory.get(processor.memory)
    if memory is None:
        otherwise = f"declare it under memory: {processor.memory}: {{ type: sqlite }}"
        hint = did_you_mean(processor.memory, topology.memory, otherwise)
        yield marks.problem(mark, f"memory {quoted(processor.memory)} is not declared", hint)
        return
    longest, why = _latest_redelivery(topology, processor)
    if longest >= memory.fence_retention:
        message = (
            f"fence_retention of memory {quoted(memory.name)} is {spell(memory.fence_retention)}, and {why} "
            f"{spell(longest)}: a run that comes again after that would be applied twice"
        )
        yield marks.problem(marks.value("memory", memory.name, "fence_retention"), message, "make it longer")


def _latest_redelivery(topology: Topology, processor: Processor) -> tuple[float, str]:
    """How long after a run was applied its record may still be received again, in seconds, and why.

    A topic that keeps its records for ever has no such time: only a worker that stays away longer than the fence is
    kept would apply a run twice then.
    """
    kept = [(processor.retry.max_age, f"processor {quoted(processor.name)} retries for up to")]
    for name in processor.topics:
        declared = topology.topics.get(name)
        retention = integer(declared.configs.get("retention.ms")) if declared else None
        if retention is not None and retention > 0:
            kept.append((retention / 1000, f"topic {quoted(name)} keeps its records for"))
    return max(kept)
