"""The stage without Kafka: the same engine on the in-memory log, every worker a task of this one process."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

import httpx

from demo.board import Board, Look
from demo.stage import Victim
from penstock.broker.in_memory import InMemoryBroker
from penstock.clock import SystemClock
from penstock.dead_letter.entries import Filters
from penstock.dead_letter.replay import plan_replay, replay
from penstock.deploy.apply import apply
from penstock.deploy.observe import make_plan
from penstock.engine.assembly import build
from penstock.engine.handler import load
from penstock.engine.report import AttemptReport
from penstock.engine.worker import Worker
from penstock.service.snapshot import snapshot_of
from penstock.topology.model import Processor, Topology

BANNER: Final = """This run stands on the in-memory log, inside one process. It cannot show what only Kafka can: nothing
is kept when it ends, there are no processes (the kill is played: a worker's memory, client and
producer are dropped at once), and no other program can read along."""


class MemoryStage:
    """Workers as tasks, each with a client of its own for the model."""

    def __init__(self, topology: Topology, board: Board) -> None:
        self.topology = topology
        self._clock = SystemClock()
        self.broker = InMemoryBroker(self._clock)
        self._board = board
        self._workers: dict[str, Worker] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._clients: list[httpx.AsyncClient] = []

    async def start(self) -> None:
        """Create the topics and start every worker."""
        plan = await make_plan(self.topology, self.broker.admin())
        await apply(plan, self.broker.admin(), lambda _: None)
        for processor in self.topology.processors.values():
            for replica in range(processor.replicas):
                name = processor.name if processor.replicas == 1 else f"{processor.name}.{replica + 1}"
                await self._start(name, processor)
        while not all(worker.parts.partitions for worker in self._workers.values()):
            for task in self._tasks.values():
                if task.done():
                    task.result()
            await asyncio.sleep(0.05)

    async def _start(self, name: str, processor: Processor) -> None:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=20)
        client = httpx.AsyncClient(limits=limits, timeout=None)  # noqa: S113 - the run has its deadline
        self._clients.append(client)
        self._workers[name] = await build(
            self.topology,
            processor,
            load(self.topology, processor),
            self.broker,
            self._clock,
            client_id=name,
            observe=partial(self._hear, name),
            http=lambda: client,
        )
        self._tasks[name] = asyncio.create_task(self._workers[name].run())

    def _hear(self, worker: str, report: AttemptReport) -> None:
        if worker not in self._workers:
            return  # the dead do not speak, though a task of theirs may come to its end
        self._board.attempt(worker, report.processor, report.outcome, report.position.partition)

    async def looks(self, processor: str) -> Mapping[str, Look]:
        """Asks the workers themselves; one that was killed is down."""
        found = {}
        concurrency = self.topology.processors[processor].concurrency
        for name in self._tasks:
            if name.partition(".")[0] != processor:
                continue
            worker = self._workers.get(name)
            if worker is None:
                found[name] = Look(0, 0, concurrency, up=False)
            else:
                now = snapshot_of(worker)
                found[name] = Look(now.running, now.partitions, concurrency)
        return found

    async def kill(self, worker: str) -> Victim:
        """Drop everything it holds; the group notices by its session timeout, as on Kafka."""
        killed = self._workers.pop(worker)
        sources = killed.parts.processor.topics
        partitions = frozenset(one.partition for one in killed.parts.partitions if one.topic in sources)
        self.broker.crash(killed.parts.member)
        self.broker.crash(killed.parts.producer)
        killed.abort()
        self._tasks[worker].cancel()
        return Victim(worker, "its crash is played", int(time.time() * 1000), partitions)

    async def replay(self, processor: str, since: int) -> Sequence[str]:
        """What `penstock dlt replay` does."""
        group = self.topology.processors[processor].group_id
        plan = await plan_replay(self.broker, group, filters=Filters(since=since))
        result = await replay(self.broker, plan, replay_id=str(uuid.uuid4()))
        return [f"dlt replay: {result.tally.written} entries to {plan.topic}"]

    async def stop(self) -> None:
        """Drain every worker."""
        for worker in self._workers.values():
            worker.stop()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        for client in self._clients:
            await client.aclose()
        await self.broker.close()
