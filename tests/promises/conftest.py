"""What the promise tests share: a one-processor topology, and the real engine on the in-memory log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from penstock.broker.in_memory.faults import Faults
from penstock.memory.contract import Backend
from penstock.testing.kit import run_topology
from penstock.topology.memory_options import SqliteMemory
from penstock.topology.model import Backoff, Limit, Processor, Retry, Topic, Topology


def one_processor(limit: Limit | None = None, **changes: Any) -> Topology:
    """`src` (4 partitions) → processor `work` → `out`; retries after 5 s, 20 s, ... at most 3 attempts."""
    retry = Retry(max_attempts=3, backoff=Backoff(initial=5, multiplier=4, max=1800))
    base = Processor(
        name="work", group_id="t.work", handler="x:y", topics=("src",), output="out", retry=retry, concurrency=20
    )
    topics = {
        "src": Topic(name="src", partitions=4, type="asked"),
        "out": Topic(name="out", partitions=4, type="given"),
    }
    memory = {"main": SqliteMemory(type="sqlite", name="main")} if "memory" in changes else {}
    limits = {limit.name: limit} if limit else {}
    processors = {"work": replace(base, **changes)}
    return Topology(name="t", topics=topics, processors=processors, memory=memory, limits=limits)


@pytest.fixture
def work() -> Callable[..., Any]:
    """`work(handler, scenario, *, workers=1, **processor_changes)`: run a scenario with this handler.

    With `memory="main"` the processor has a memory: in this process, or the backend given as `main`.
    """

    def run(
        handler: Any,
        scenario: Any,
        *,
        workers: int = 1,
        seed: int = 0,
        faults: Faults | None = None,
        main: Backend | None = None,
        **changes: Any,
    ) -> Any:
        topology = one_processor(**changes)
        memories = {"main": main} if main is not None else None
        return run_topology(
            topology,
            scenario,
            handlers={"work": handler},
            workers=workers,
            seed=seed,
            faults=faults,
            memories=memories,
        )

    return run


@pytest.fixture
def topology_of() -> Callable[..., Topology]:
    """`topology_of(**processor_changes)`: the topology alone."""
    return one_processor
