"""The topology of a plan."""

from __future__ import annotations

from pathlib import Path

from penstock.topology.model import Backoff, Processor, Topic, Topology
from penstock.topology.model import Retry as RetrySection
from tests.simulation.checker import GROUP, SOURCE
from tests.simulation.world import Plan


def topology_of(plan: Plan) -> Topology:
    """`src` → `work` → `out`, as the plan wants it."""
    retry = RetrySection(
        max_attempts=plan.max_attempts,
        backoff=Backoff(initial=plan.backoff, multiplier=4, max=1800),
        preserve_order=plan.preserve_order,
    )
    processor = Processor(
        name="work",
        group_id=GROUP,
        handler="x:y",
        topics=(SOURCE,),
        types=("asked",),
        output="out",
        emits=("side",),
        retry=retry,
        concurrency=plan.concurrency,
        ordering=plan.ordering,
        timeout=plan.timeout,
        stop_grace_period=plan.grace,
        failover=plan.failover,
        start_from=plan.start_from,
    )
    topics = {
        SOURCE: Topic(name=SOURCE, partitions=plan.partitions, type="asked"),
        "out": Topic(name="out", partitions=2, type="given"),
        "side": Topic(name="side", partitions=1, type="said"),
    }
    kafka = {"max.poll.interval.ms": str(round(plan.poll_interval * 1000))}
    return Topology(name="t", kafka=kafka, topics=topics, processors={"work": processor}, directory=Path("/nowhere"))
