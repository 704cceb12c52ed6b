"""Processors: a handler that can be named, an order that can be kept, a grace that fits, no endless loop."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Final

from penstock.durations import spell
from penstock.errors import Problem
from penstock.topology.derived import dead_letter_topic
from penstock.topology.lint_kafka import longest_delay, max_poll_interval
from penstock.topology.marks import Mark, Marks
from penstock.topology.model import Processor, Topology
from penstock.topology.wording import did_you_mean, quoted, shown

_DOTTED: Final = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
_LONGEST_ORDERED_DELAY: Final = 300.0  # 5m: an ordered retry waits in memory, and blocks the frontier


def check(topology: Topology, marks: Marks) -> Iterator[Problem]:
    """Every problem of one processor at a time, sinks among them."""
    for processor in topology.processors.values():
        yield from _handler(processor, marks)
        yield from _retry(processor, marks)
        yield from _loops(processor, marks)
        yield from _interpreter(topology, processor, marks)
        yield from _grace(topology, processor, marks)
        yield from _batch(processor, marks)
        yield from _limits(topology, processor, marks)


def _said(marks: Marks, processor: Processor, *keys: str) -> Mark:
    """Where the value of a key stands: with the processor, or under `defaults`."""
    own, inherited = (processor.place, processor.name, *keys), ("defaults", *keys)
    return marks.value(*inherited) if marks.says(*inherited) and not marks.says(*own) else marks.value(*own)


def _sound(marks: Marks, processor: Processor, *keys: str) -> bool:
    return marks.sound(processor.place, processor.name, *keys) and marks.sound("defaults", *keys)


def _handler(processor: Processor, marks: Marks) -> Iterator[Problem]:
    path = (processor.place, processor.name)
    if marks.sound(*path, "handler"):
        module, _, attribute = processor.handler.partition(":")
        if not (_DOTTED.fullmatch(module) and _DOTTED.fullmatch(attribute)):
            message = f"the handler {quoted(processor.handler)} is not module:attribute"
            yield marks.problem(marks.value(*path, "handler"), message, "for example processors.triage:triage")
    if marks.sound(*path, "topics") and not processor.topics:
        message = f"processor {quoted(processor.name)} has no source topic"
        yield marks.problem(marks.value(*path, "topics"), message, "name at least one")
    for name in processor.retry.never:
        if not _DOTTED.fullmatch(name):
            message = f"{quoted(name)} is not the dotted name of a class"
            yield marks.problem(
                _said(marks, processor, "retry", "never"), message, "for example pydantic.ValidationError"
            )


def _retry(processor: Processor, marks: Marks) -> Iterator[Problem]:
    if not _sound(marks, processor, "retry"):
        return
    retry = processor.retry
    if retry.backoff.initial > retry.backoff.max:
        message = f"retry.backoff.initial is {spell(retry.backoff.initial)}, longer than max {spell(retry.backoff.max)}"
        yield marks.problem(_said(marks, processor, "retry", "backoff", "initial"), message, "raise max, up to 24h")
    if retry.max_attempts > 1 and retry.max_age < min(retry.backoff.initial, retry.backoff.max):
        message = f"retry.max_age {spell(retry.max_age)} is over before the first retry"
        yield marks.problem(_said(marks, processor, "retry", "max_age"), message, "raise it, or lower backoff.initial")
    longest = longest_delay(processor)
    if retry.preserve_order and longest > _LONGEST_ORDERED_DELAY:
        message = f"preserve_order keeps a failed record in memory for up to 5m, this policy waits {spell(longest)}"
        mark = _said(marks, processor, "retry", "preserve_order")
        yield marks.problem(mark, message, "set retry.backoff.max to 5m or less")


def _loops(processor: Processor, marks: Marks) -> Iterator[Problem]:
    path = (processor.place, processor.name)
    if (
        processor.output
        and processor.output in processor.topics
        and not processor.types
        and marks.sound(*path, "types")
    ):
        message = (
            f"processor {quoted(processor.name)} reads its own output {quoted(processor.output)}: it would never end"
        )
        yield marks.problem(marks.value(*path, "output"), message, "filter by types, or use another topic")
    if dead_letter_topic(processor.group_id) in processor.topics:
        message = f"processor {quoted(processor.name)} reads its own dead letter topic: it would never end"
        yield marks.problem(marks.value(*path, "topics"), message, "penstock dlt replay brings dead letters back")


def _interpreter(topology: Topology, processor: Processor, marks: Marks) -> Iterator[Problem]:
    if processor.python is None:
        return
    mark = marks.value(processor.place, processor.name, "python")
    name = shown(processor.python, topology.directory)
    try:
        if not processor.python.is_file():
            yield marks.problem(mark, f'no interpreter at "{name}"', "create the environment first")
        elif not os.access(processor.python, os.X_OK):
            yield marks.problem(mark, f'"{name}" is not executable', "name the python itself")
    except (OSError, ValueError) as error:
        yield marks.problem(mark, f"the interpreter cannot be looked at: {error}")


def _limits(topology: Topology, processor: Processor, marks: Marks) -> Iterator[Problem]:
    if not marks.sound("limits") and ("limits",) in marks.spoiled:
        return
    for index, name in enumerate(processor.limits):
        if name not in topology.limits:
            hint = did_you_mean(name, topology.limits, f"declare it under limits: {name}: {{ requests: 500/m }}")
            mark = marks.value("processors", processor.name, "limits", str(index))
            yield marks.problem(mark, f"limit {quoted(name)} is not declared", hint)


def _grace(topology: Topology, processor: Processor, marks: Marks) -> Iterator[Problem]:
    if not _sound(marks, processor, "stop_grace_period") or not marks.sound("kafka", "max.poll.interval.ms"):
        return
    most = max_poll_interval(topology) / 2
    if processor.stop_grace_period > most:
        message = (
            f"stop_grace_period is {spell(processor.stop_grace_period)}, "
            f"more than half of max.poll.interval.ms ({spell(most * 2)}): the partitions would be taken meanwhile"
        )
        mark = _said(marks, processor, "stop_grace_period")
        yield marks.problem(mark, message, f"at most {spell(most)}, or raise max.poll.interval.ms under kafka:")


def _batch(processor: Processor, marks: Marks) -> Iterator[Problem]:
    batch = processor.batch
    if batch is None or not _sound(marks, processor, "batch"):
        return
    mark = _said(marks, processor, "batch")
    if batch.max_records > processor.concurrency and _sound(marks, processor, "concurrency"):
        message = f"batch.max_records is {batch.max_records}, but only {processor.concurrency} events run at once"
        yield marks.problem(mark, message, "raise concurrency to it, or to twice as much for two calls at once")
    if processor.ordering == "partition":
        message = "with ordering: partition one event of a partition runs at a time: there is never a batch"
        yield marks.problem(mark, message, "use ordering: key or none")
    if processor.retry.preserve_order and _sound(marks, processor, "retry"):
        yield marks.problem(mark, "batch and retry.preserve_order do not go together", "remove one")
