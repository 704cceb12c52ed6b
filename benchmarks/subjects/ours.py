"""A worker of ours as `penstock run` makes it: the whole service, health and metrics served, every default on.

One thing is off unless the mode says otherwise: the log line per attempt (`penstock.attempt` at WARNING).
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from pathlib import Path
from typing import Any

import prometheus_client  # noqa: F401 - imported here, so that it is not counted

from benchmarks.meter import Meter, Task, say, task
from benchmarks.subjects import handlers
from penstock.service.development import apply_topology
from penstock.service.runtime import run_worker
from penstock.topology.model import Backoff, Processor, Retry, Runs, Topic, Topology

_RUNS = {"unrecorded": Runs(enabled=False), "recorded": Runs(rate=1_000_000_000)}
HANDLERS = {"latency": "delay", "output": "answer", "storm": "fail_once", "drain": "noop"}


_RESOLUTION = 0.001  # seconds: due times travel as whole milliseconds


def topology_of(given: Task) -> Topology:
    """One processor on one topic; only what the workload asks for differs from the defaults."""
    mode, _, variant = given.mode.partition("-")
    name = HANDLERS.get(mode, "sleep")
    topics = {given.topic: Topic(name=given.topic)}
    if given.output:
        topics[given.output] = Topic(name=given.output)
    retry = Retry(backoff=Backoff(initial=given.sleep)) if given.mode == "storm" else Retry()
    processor = Processor(
        name="p",
        group_id=given.group,
        handler=f"benchmarks.subjects.handlers:{name}",
        topics=(given.topic,),
        output=given.output or None,
        concurrency=given.concurrency,
        retry=retry,
        breaker=given.mode != "storm",  # where everything fails once, that is what is measured
    )
    folder = Path(given.data)
    kafka = {"bootstrap.servers": given.bootstrap}
    runs = _RUNS.get(variant, Runs())
    return Topology(
        name="bench",
        kafka=kafka,
        topics=topics,
        processors={"p": processor},
        runs=runs,
        path=folder / "t.yaml",
        directory=folder,
    )


def main() -> None:
    given = task()
    topology = topology_of(given)
    if given.mode == "apply":  # the topics of the group, before anything is measured
        asyncio.run(apply_topology(topology, lambda _: None))
        say("result", {})
        return
    port = _free_port()
    handlers.task = given
    handlers.meter = meter = Meter(given, lambda: os.kill(os.getpid(), signal.SIGTERM))
    if given.mode != "drain-logged":
        logging.getLogger("penstock.attempt").setLevel("ERROR" if given.mode == "storm" else "WARNING")
    recorded = _Recorded()
    logging.getLogger("penstock.runs").addHandler(recorded)
    code = run_worker(topology, "p", port=port)
    if code:
        say("failed", f"the worker ended with {code}")
        raise SystemExit(code)
    if given.mode == "output" and meter.result:  # the last ones had only begun; all before them were confirmed
        meter.extra["rate"] = (meter.result["events"] - given.concurrency) / meter.result["seconds"]
    meter.extra["recorded"] = recorded.count
    if given.mode == "storm":
        meter.extra.update(_storm())
    meter.report()


class _Recorded(logging.Handler):
    """Hears how many attempts the worker has put on record."""

    count = 0

    def emit(self, record: logging.LogRecord) -> None:
        if isinstance(record.args, tuple) and record.msg.startswith("%d attempts on record"):
            self.count = record.args[0]


def _storm() -> dict[str, Any]:
    """Lateness of second attempts by whether records of the source were still waiting when they fell due."""
    quiet, busy = [], []
    for due, started in handlers.retried:
        (busy if due <= handlers.last_source else quiet).append(started - due)
    every = (*quiet, *busy)
    early = sum(late < -_RESOLUTION for late in every)
    return {
        "early": early,
        "soonest_ms": min(every, default=0.0) * 1000,
        "late_quiet": _p99(quiet),
        "late_busy": _p99(busy),
        "busy": len(busy),
    }


def _p99(values: list[float]) -> float | None:
    return sorted(values)[int(len(values) * 0.99)] if values else None


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


if __name__ == "__main__":
    main()
