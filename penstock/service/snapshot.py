"""What a worker looks like at one moment: taken on the loop, read by metrics, health and status."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from penstock.engine.counters import Counters
from penstock.engine.source_outlet import SourceCounters
from penstock.engine.source_worker import SourceWorker
from penstock.engine.worker import Worker
from penstock.record import TopicPartition


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Gauges of one worker, with its counters. `oldest` is the timestamp (epoch s) of the oldest unfinished record."""

    processor: str
    group: str
    protocol: str
    joined: bool
    partitions: int
    concurrency: int
    running: int
    queued: int
    in_retry: int
    held: int
    lag: int
    backlog: int
    oldest: float | None
    paused: int
    producer_queue: int
    hand_offs_waiting: int
    suspicious: int
    closed: tuple[str, ...]
    breakers: Mapping[str, int]
    opened: int
    throttled: bool
    counters: Counters


def snapshot_of(worker: Worker, ends: Mapping[TopicPartition, int] | None = None) -> Snapshot:
    """Take it, on the worker's loop; `ends` are the log ends to count lag from, the client's own where None."""
    parts = worker.parts
    if ends is None:
        ends = parts.member.ends() if worker.joined else {}
    states = list(parts.partitions.values())
    lag = backlog = 0
    for state in states:
        behind = max(ends.get(state.source, state.tracker.position) - state.tracker.frontier, 0)
        lag += behind if not state.own else 0
        backlog += max(behind - state.tracker.finished_above, 0)
    gated = sum(len(state.gate) for state in states if state.gate is not None)
    return Snapshot(
        processor=parts.processor.name,
        group=parts.processor.group_id,
        protocol=parts.member.protocol if worker.joined else "",
        joined=worker.joined,
        partitions=len(states),
        concurrency=parts.dispatch.concurrency,
        running=len(parts.dispatch.running),
        queued=sum(state.in_flight for state in states) - len(parts.dispatch.running),
        in_retry=gated,
        held=parts.intake.held,
        lag=lag,
        backlog=backlog,
        oldest=_oldest(worker),
        paused=parts.intake.paused,
        producer_queue=parts.producer.outstanding,
        hand_offs_waiting=parts.hand_off.waiting,
        suspicious=sum(state.is_suspicious for state in states),
        closed=parts.valve.closed,
        breakers={one.name: one.state.value for one in parts.flow.breakers},
        opened=sum(one.opened for one in parts.flow.breakers),
        throttled=parts.flow.throttled,
        counters=parts.counters,
    )


def _oldest(worker: Worker) -> float | None:
    """Of what was taken: the head of every lane runs or is ready, and a gate's head is its oldest."""
    dispatch = worker.parts.dispatch
    candidates = [run.record.timestamp for run in (*dispatch.running, *dispatch.ready, *dispatch.ready_own)]
    return min(candidates) / 1000 if candidates else None


@dataclass(frozen=True, slots=True)
class SourceSnapshot:
    """A source worker at one moment. `owner`: it runs here; `failing`: its run failed, and nothing came in since."""

    connector: str
    group: str
    joined: bool
    owner: bool
    failing: bool
    producer_queue: int
    counters: SourceCounters


def source_snapshot_of(worker: SourceWorker) -> SourceSnapshot:
    """Take it, on the worker's loop."""
    return SourceSnapshot(
        connector=worker.options.name,
        group=worker.options.group_id,
        joined=worker.joined,
        owner=worker.owner,
        failing=worker.failing,
        producer_queue=worker.producer.outstanding,
        counters=worker.counters,
    )
