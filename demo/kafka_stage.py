"""The stage on Kafka: each worker a process of its own, as `penstock up` runs them.

Each has a supervisor of its own too, so that one can stay dead: as a machine that is gone, not one that starts again.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final

import httpx
import orjson

from demo.board import Board, Look
from demo.stage import Victim
from penstock.broker.kafka.keeper import KafkaBroker
from penstock.deploy import local_workers
from penstock.deploy.status import members
from penstock.errors import PenstockError
from penstock.service.development import apply_topology
from penstock.service.supervisor import Child, Supervisor, children_of
from penstock.topology.model import Topology

_PATIENCE: Final = 60.0  # seconds until every partition has its worker, on a machine that has other things to do
_SAMPLE: Final = re.compile(r"^penstock_(in_flight|partitions|joined)\{[^}]*\} ([0-9.]+)$", re.MULTILINE)


class KafkaStage:
    """Workers as processes. Their lines go to `logs`, one file each; what they say of attempts goes to the board."""

    def __init__(self, topology: Topology, board: Board, logs: Path) -> None:
        self.topology = topology
        self.broker = KafkaBroker(topology.kafka)
        self._board = board
        self._logs = logs
        self._files: dict[str, IO[str]] = {}
        self._http = httpx.AsyncClient(timeout=2, trust_env=False)
        self._children: list[Child] = children_of(topology, tuple(topology.processors), log_format="json")
        self._supervisors = {child.name: Supervisor([child], self._hear) for child in self._children}
        self._running: list[asyncio.Task[int]] = []

    async def start(self) -> None:
        """Create the topics, see that nobody else works there, and start every worker."""
        await apply_topology(self.topology, lambda _: None)
        await self._alone()
        self._logs.mkdir(parents=True, exist_ok=True)
        self._running = [asyncio.create_task(one.run()) for one in self._supervisors.values()]
        deadline = time.monotonic() + _PATIENCE
        while not await self._shared_out():
            if any(one.done() for one in self._running) or time.monotonic() > deadline:
                raise PenstockError("the workers did not come up", f"see their lines in {self._logs}")
            await asyncio.sleep(0.3)

    async def _alone(self) -> None:
        """Other workers of these groups would take part of the tickets; those of a former run leave within seconds."""
        deadline = time.monotonic() + 20
        while True:
            busy = [one.group for one in await members(self.topology, self.broker) if one.members]
            if not busy:
                return
            if time.monotonic() > deadline:
                raise PenstockError(f"workers of {', '.join(busy)} run already", "stop them first (make up? Ctrl-C)")
            await asyncio.sleep(1)

    async def _shared_out(self) -> bool:
        for processor in self.topology.processors.values():
            looks = (await self.looks(processor.name)).values()
            if not looks or not all(look.up and look.partitions for look in looks):
                return False
        return True

    async def looks(self, processor: str) -> Mapping[str, Look]:
        """Asks each worker's own /metrics."""
        ports = {worker.pid: worker.port for worker in local_workers.running(self.topology)}
        names = [child.name for child in self._children if child.name.partition(".")[0] == processor]
        concurrency = self.topology.processors[processor].concurrency
        asked = [self._look(self._pid(name), ports, concurrency) for name in names]
        return dict(zip(names, await asyncio.gather(*asked), strict=True))

    async def _look(self, pid: int | None, ports: Mapping[int, int | None], concurrency: int) -> Look:
        port = ports.get(pid) if pid is not None else None
        if port is None:
            return Look(0, 0, concurrency, pid, up=False)
        try:
            text = (await self._http.get(f"http://127.0.0.1:{port}/metrics")).text
        except httpx.HTTPError:  # it ends, or is too busy to answer
            return Look(0, 0, concurrency, pid, up=False)
        found = {name: int(float(value)) for name, value in _SAMPLE.findall(text)}
        joined = bool(found.get("joined"))
        return Look(found.get("in_flight", 0), found.get("partitions", 0), concurrency, pid, up=joined)

    def _pid(self, worker: str) -> int | None:
        return self._supervisors[worker].pid_of(worker)

    async def kill(self, worker: str) -> Victim:
        """`kill -9` of its process; nobody starts it again."""
        pid = self._pid(worker)
        if pid is None:
            raise PenstockError(f"{worker} does not run, so it cannot be killed", f"see {self._logs}")
        processor = self.topology.processors[worker.partition(".")[0]]
        group = await self.broker.admin().group(processor.group_id)
        own = [one.partitions for one in group.members if f"-{pid}-" in one.client_id]
        partitions = frozenset(at.partition for one in own for at in one if at.topic in processor.topics)
        os.kill(pid, signal.SIGKILL)
        self._supervisors[worker].stop()
        return Victim(worker, f"kill -9 {pid}", int(time.time() * 1000), partitions)

    async def replay(self, processor: str, since: int) -> Sequence[str]:
        """The verb itself, as anybody would give it."""
        moment = datetime.fromtimestamp(since / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        verb = ("dlt", "replay", "--processor", processor, "--since", moment, "--yes")
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "penstock", *verb, "-f", str(self.topology.path),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        said, _ = await process.communicate()
        lines = [line.strip() for line in said.decode(errors="replace").splitlines() if line.strip()]
        if process.returncode:
            raise PenstockError(f"penstock {' '.join(verb)} failed: {' '.join(lines)}")
        return [f"$ penstock {' '.join(verb)}", *(f"  {line}" for line in lines)]

    async def stop(self) -> None:
        """Let all workers drain; a second Ctrl-C meanwhile ends them at once."""
        for supervisor in self._supervisors.values():
            supervisor.stop()
        drained = asyncio.gather(*self._running)
        try:
            await asyncio.shield(drained)
        except asyncio.CancelledError:
            self._kill_all()
            await drained
            raise
        await self._http.aclose()
        await self.broker.close()
        for file in self._files.values():
            file.close()

    def _kill_all(self) -> None:
        for child in self._children:
            pid = self._pid(child.name)
            if pid is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def _hear(self, worker: str, line: str) -> None:
        """A line of a worker, or the supervisor's word about it."""
        if worker not in self._files:
            self._files[worker] = (self._logs / f"{worker}.log").open("w", encoding="utf-8")
        self._files[worker].write(f"{line}\n")
        if not line.startswith("{"):
            if "starts again" in line:  # nobody asked for that
                self._board.say(f"{worker} {line}")
            return
        said = orjson.loads(line)
        if said.get("logger") == "penstock.attempt" and "outcome" in said:
            partition = said["position"].rpartition("/")[2].partition("@")[0]
            self._board.attempt(worker, said["processor"], said["outcome"], int(partition))
