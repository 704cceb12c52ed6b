"""A desk with a gateway, as real processes on a real Kafka: `penstock run inbox`, spoken to over real sockets."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from penstock.broker.kafka.keeper import KafkaBroker
from penstock.deploy.apply import apply
from penstock.deploy.observe import make_plan
from penstock.record import Record, TopicPartition
from penstock.topology.model import Topology
from penstock.topology.reader import read

PATIENCE = 60.0  # seconds for what is awaited; a loaded machine deserves its time
TOPOLOGY = """
version: 1
name: {name}
kafka: {{ bootstrap.servers: "{bootstrap}", topic.metadata.refresh.interval.ms: 1000 }}
topics:
  {name}.new: {{ partitions: 3, type: ticket.created }}
  {name}.answered: {{ partitions: 3, type: ticket.answered }}
processors:
  answer:
    handler: desk:answer
    topics: [{name}.new]
    output: {name}.answered
    retry: {{ max_attempts: 1 }}
connectors:
  inbox: {{ type: http_source, path: /tickets, port: {port}, topic: {name}.new, reply: [{name}.answered]{more} }}
"""
HANDLER = """
import asyncio
from penstock import Reject

async def answer(event, ctx):
    await ctx.progress({"step": "reading"})
    await asyncio.sleep(event.data.get("seconds", 0))
    if event.data.get("bad"):
        raise Reject("an empty ticket")
    return {"reply": event.data["text"].upper()}
"""


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class Desk:
    """A topology in a folder, its topics made, and the processes that run it."""

    def __init__(self, folder: Path, name: str, bootstrap: str, more: str = "") -> None:
        self.name = name
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/tickets"
        text = TOPOLOGY.format(name=name, bootstrap=bootstrap, port=self.port, more=f", {more}" if more else "")
        (folder / "topology.yaml").write_text(text, encoding="utf-8")
        (folder / "desk.py").write_text(HANDLER, encoding="utf-8")
        self.processes: list[subprocess.Popen[bytes]] = []
        self._logs: dict[subprocess.Popen[bytes], Path] = {}

    @property
    def topology(self) -> Topology:
        return read(self.folder / "topology.yaml", os.environ)

    def apply(self) -> None:
        async def main() -> None:
            broker = KafkaBroker(self.topology.kafka)
            try:
                await apply(await make_plan(self.topology, broker.admin()), broker.admin(), lambda _step: None)
            finally:
                await broker.close()

        asyncio.run(main())

    def run(self, name: str) -> subprocess.Popen[bytes]:
        """One process of a processor or connector."""
        command = [sys.executable, "-m", "penstock", "run", name, "-f", str(self.folder / "topology.yaml")]
        log = self.folder / f"{name}.{len(self.processes)}.log"
        with log.open("wb") as file:
            process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, cwd=self.folder)
        self.processes.append(process)
        self._logs[process] = log
        return process

    def run_gateway(self) -> subprocess.Popen[bytes]:
        """A gateway that answers."""
        process = self.run("inbox")
        self.wait_until(lambda: "takes events at" in self.log(process) or process.poll() is not None, "a gateway")
        assert process.poll() is None, self.log(process)
        return process

    def wait_until(self, holds: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + PATIENCE
        while not holds():
            assert time.monotonic() < end, f"not within {PATIENCE:g} s: {what}\n{self.log(self.processes[-1])}"
            time.sleep(0.1)

    def records(self, topic: str = "new") -> list[Record]:
        """All that a topic holds."""

        async def main() -> list[Record]:
            broker = KafkaBroker(self.topology.kafka)
            try:
                partitions = [TopicPartition(f"{self.name}.{topic}", number) for number in range(3)]
                ends = await broker.admin().ends(partitions)
                ranges = {at: (one.low, one.high) for at, one in ends.items()}
                return [record async for record in broker.reader().scan(ranges)]
            finally:
                await broker.close()

        return asyncio.run(main())

    def log(self, process: subprocess.Popen[bytes]) -> str:
        """What a process has said so far."""
        return self._logs[process].read_text(encoding="utf-8", errors="replace")[-3000:]

    def close(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
