"""2,000 agents waiting at once in one worker: memory per waiting run, throughput, nothing lost.

    python -m benchmarks.waiting_agents                  # 2,000 at once, a model that takes 5 s, 40,000 events

A scripted model server in a process of its own answers after 5 s; one worker with `concurrency: 2000` asks it through
`penstock.agents.chat`, on the in-memory log. Memory is the worker process's resident set while the first 2,000 wait,
less what it was before, divided by 2,000: sockets and buffers of the HTTP client included. The rate is told by round of
2,000: the first begin in one burst, and are answered in one, which the next rounds spread out. What counts is the
second half of the rounds; the rate of all, with the filling, is told beside it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from penstock.agents.http_client import http_client
from penstock.broker.in_memory import InMemoryBroker
from penstock.clock import SystemClock
from penstock.service.process import loop_factory
from penstock.service.runtime import collect_seldom
from penstock.testing import TestApp
from penstock.topology.model import Processor, Topic, Topology

GOAL: Final = 0.95
PATIENCE: Final = 900.0  # seconds


@dataclass(frozen=True)
class Found:
    """What was measured. Rates in runs a second, memory in KiB."""

    agents: int
    latency: float
    sent: int
    done: int
    more_attempts: int  # that failed or were put off: each is made again, nothing is lost by it
    most_at_once: int
    rate: float
    rounds: tuple[float, ...]  # seconds from one 2,000th end to the next
    whole_rate: float
    ideal: float
    each_kib: float


def topology_of(agents: int, url: str) -> Topology:
    """One processor that asks the model."""
    processor = Processor(
        name="desk",
        group_id="bench.desk",
        handler="penstock.agents.chat:agent",
        topics=("asked",),
        output="answered",
        concurrency=agents,
        settings={"model": "scripted", "base_url": url, "input": "data.text"},
    )
    topics = {name: Topic(name=name, partitions=12, type=name) for name in ("asked", "answered")}
    return Topology(name="bench", topics=topics, processors={"desk": processor})


def resident_kib() -> float:
    """This process's resident set."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024


def finished(worker: Any) -> int:
    """Runs that went well so far."""
    return int(worker.parts.counters.done + worker.parts.counters.outcomes["done"])


async def measure(agents: int, latency: float, waves: int, url: str) -> Found:
    """Run `waves` full waves of agents."""
    count = agents * waves
    async with http_client() as client:
        clock: Any = SystemClock()
        app = TestApp(topology_of(agents, url), InMemoryBroker(clock), clock, {}, lambda: client)
        await app.create_topics()
        for number in range(count):
            await app.send("asked", {"text": f"question {number}"}, key=f"k{number}")
        before, most, fullest = resident_kib(), 0, 0.0
        async with app.running(("desk",), 1):
            (worker,) = app.workers
            collect_seldom()
            while not worker.parts.dispatch.running:
                await asyncio.sleep(0.001)
            marks = [time.monotonic()]  # when each round of 2,000 had ended; first, the beginning
            while (done := finished(worker)) < count and time.monotonic() - marks[0] < PATIENCE:
                at_once = len(worker.parts.dispatch.running)
                if not done and at_once >= most:
                    most, fullest = at_once, max(fullest, resident_kib())
                if done >= agents * len(marks):
                    marks.append(time.monotonic())
                await asyncio.sleep(0.01)
            marks.append(time.monotonic())
            more = len(app.attempts) - done
        answered = len({str(event.data["output"]) + str(event.key) for event in app.events("answered")})
    return Found(
        agents=agents,
        latency=latency,
        sent=count,
        done=answered,
        more_attempts=more,
        most_at_once=most,
        rate=agents * (waves - waves // 2) / (marks[-1] - marks[waves // 2]),
        rounds=tuple(later - earlier for earlier, later in pairwise(marks)),
        whole_rate=count / (marks[-1] - marks[0]),
        ideal=agents / latency,
        each_kib=(fullest - before) / max(most, 1),
    )


def main() -> int:
    """0 where nothing was lost and the rate is at least 95 % of the ideal."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--agents", type=int, default=2000)
    parser.add_argument("--latency", type=float, default=5.0, help="seconds the model takes")
    parser.add_argument("--waves", type=int, default=20, help="rounds, two at least")
    chosen = parser.parse_args()
    serve = [sys.executable, "-m", "penstock.testing.model_server", "--port", "0", "--latency", str(chosen.latency)]
    with subprocess.Popen(serve, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            url = server.stdout.readline().strip()
            with asyncio.Runner(loop_factory=loop_factory()) as runner:  # a worker's own: uvloop, where it is there
                found = runner.run(measure(chosen.agents, chosen.latency, chosen.waves, url))
        finally:
            server.terminate()
    share = found.rate / found.ideal
    told = {
        "agents": found.agents,
        "most at once": found.most_at_once,
        "sent": found.sent,
        "done": found.done,
        "attempts that did not go well": found.more_attempts,
        "seconds a round": [round(one, 2) for one in found.rounds],
        "runs/s in the second half": round(found.rate, 1),
        "with the filling": round(found.whole_rate, 1),
        "ideal": found.ideal,
        "share": round(share, 3),
        "KiB a waiting run": round(found.each_kib, 1),
        "ms of CPU a run": round(1000 * time.process_time() / found.sent, 2),
    }
    print(json.dumps(told))
    return int(found.done != found.sent or share < GOAL)


if __name__ == "__main__":
    sys.exit(main())
