"""A fleet: the app of this folder copied, its workers as real processes, and everything that is done to them."""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Self, TypeVar

import yaml

from penstock.broker.kafka.admin import KafkaAdmin
from penstock.deploy import local_workers
from penstock.deploy.apply import apply
from penstock.deploy.observe import make_plan
from penstock.record import TopicPartition
from penstock.topology.reader import read
from tests.crash.commit_log import commit_log
from tests.crash.ledger import Fault, Ledger
from tests.crash.load import Load

APP = Path(__file__).parent / "app"
PATIENCE = 150.0  # seconds for what is awaited; a loaded machine deserves its time
T = TypeVar("T")


class Worker:
    """One process of ours: `penstock run`, or `penstock up`."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self.pid = process.pid
        self.log = log

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def signal(self, what: signal.Signals) -> None:
        self.process.send_signal(what)

    def ended(self, within: float = PATIENCE) -> int:
        """Its exit code, once it has ended."""
        return self.process.wait(within)

    def said(self) -> str:
        return self.log.read_text(errors="replace")


class Fleet:
    """The workers of one group on one topic, named like nobody else's. A context: leaving ends every process."""

    def __init__(
        self,
        folder: Path,
        bootstrap: str,
        seed: int = 0,
        *,
        partitions: int = 4,
        kafka: Mapping[str, Any] | None = None,
        configs: Mapping[str, Any] | None = None,
        **processor: Any,
    ) -> None:
        """`kafka`, `configs` (of the source) and `processor` change the app; its topics are made here."""
        self.bootstrap = bootstrap
        self.seed = seed
        self.chance = random.Random(seed)
        self.folder = folder / f"app-{seed}-{uuid.uuid4().hex[:6]}"
        shutil.copytree(APP, self.folder, ignore=shutil.ignore_patterns("__pycache__", ".penstock"))
        self.topic = f"src-{uuid.uuid4().hex[:10]}"
        self._write({"partitions": partitions, "configs": dict(configs or {})}, kafka or {}, processor)
        self.topology = read(self.folder / "topology.yaml", os.environ)
        self.group = self.topology.processors["work"].group_id
        self.ledger = Ledger(self.folder / "ledger.jsonl")
        self.workers: list[Worker] = []
        self._apply()

    def _write(self, source: Mapping[str, Any], kafka: Mapping[str, Any], processor: Mapping[str, Any]) -> None:
        path = self.folder / "topology.yaml"
        app = yaml.safe_load(path.read_text())
        app["name"] = f"crash-{uuid.uuid4().hex[:10]}"
        app["kafka"] = {"bootstrap.servers": self.bootstrap, **kafka}
        app["topics"] = {self.topic: {**app["topics"]["src"], **source}}
        app["processors"]["work"].update({**processor, "topics": [self.topic]})
        path.write_text(yaml.safe_dump(app))

    def _apply(self) -> None:
        async def applied(admin: KafkaAdmin) -> None:
            steps = await apply(await make_plan(self.topology, admin), admin, lambda _: None)
            assert all(step.result == "done" for step in steps), steps

        self.ask(applied)

    # processes --------------------------------------------------------------------------------------------------

    def start(self, count: int = 1) -> list[Worker]:
        """Start so many workers more, and wait until the group is at peace with all that live."""
        started = [self.launch("run", "work", "--port", "0", "--log-format", "json") for _ in range(count)]
        self.at_peace()
        return started

    def launch(self, *verb: str) -> Worker:
        """Start `penstock VERB ...` on this app."""
        log = self.folder / f"worker-{len(self.workers)}.log"
        environment = {**os.environ, "CRASH_LEDGER": str(self.ledger.path)}
        command = [sys.executable, "-m", "penstock", verb[0], "-f", str(self.folder / "topology.yaml"), *verb[1:]]
        with log.open("wb") as out:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environment, start_new_session=True
            )
        worker = Worker(process, log)
        self.workers.append(worker)
        return worker

    def at_work(self) -> list[Worker]:
        """The workers that ran something of the partitions they have now."""
        pids = set(self.ledger.owners(time.monotonic()).values())
        return [worker for worker in self.living if worker.pid in pids]

    def kill(self, *workers: Worker) -> Fault:
        """kill -9, noted as a fault: it begins here, and on a busy machine a worker still runs until it is dead."""
        began = time.monotonic()
        for worker in workers:
            worker.signal(signal.SIGKILL)
        for worker in workers:
            worker.ended()
        fault = Fault(began, frozenset(worker.pid for worker in workers), until=time.monotonic())
        self.ledger.faults.append(fault)
        return fault

    def freeze(self, worker: Worker) -> Fault:
        """SIGSTOP: alive for the system, silent for the broker. Note the fault with `thaw`."""
        worker.signal(signal.SIGSTOP)
        return Fault(time.monotonic(), frozenset({worker.pid}))

    def thaw(self, worker: Worker, frozen: Fault, learns_within: float) -> None:
        """SIGCONT; the worker has so many seconds to learn that its partitions went to others."""
        self.ledger.faults.append(replace(frozen, until=time.monotonic() + learns_within))
        worker.signal(signal.SIGCONT)

    def stop(self, *workers: Worker) -> None:
        """SIGTERM, and a clean end."""
        for worker in workers:
            worker.signal(signal.SIGTERM)
        for worker in workers:
            code = worker.ended()
            assert code == 0, f"a stop ended with {code}:\n{worker.said()[-3000:]}"

    @property
    def living(self) -> list[Worker]:
        return [worker for worker in self.workers if worker.alive]

    def at_peace(self) -> None:
        """Wait until all who live are members, every partition of the source has an owner, and nobody is idle."""
        self.until(lambda: self._is_at_peace(len(self.living)), "the group is at peace")

    def _is_at_peace(self, living: int) -> bool:
        group = self.ask(lambda admin: admin.group(self.group))
        owned = [[one for one in member.partitions if one.topic == self.topic] for member in group.members]
        whole = sum(map(len, owned)) == len(self.partitions())
        return group.state == "stable" and len(owned) == living and whole and all(owned)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.living:
            worker.signal(signal.SIGKILL)
            worker.ended()
        for child in local_workers.running(self.topology):  # of a killed `penstock up`
            os.kill(child.pid, signal.SIGKILL)

    # questions --------------------------------------------------------------------------------------------------

    def load(self, **how: Any) -> Load:
        """Load on the source topic; see Load."""
        return Load(self.bootstrap, self.topic, self.ledger, self.seed, **how)

    def ask(self, question: Callable[[KafkaAdmin], Awaitable[T]]) -> T:
        """Ask the broker's administrator."""

        async def asked() -> T:
            admin = KafkaAdmin({"bootstrap.servers": self.bootstrap})
            try:
                return await question(admin)
            finally:
                await admin.close()

        return asyncio.run(asked())

    def partitions(self, topic: str = "") -> list[TopicPartition]:
        """The partitions of a topic; of the source where none is named."""
        name = topic or self.topic
        found = self.ask(lambda admin: admin.topics([name]))
        return [TopicPartition(name, number) for number in range(found[name].partitions)] if name in found else []

    def committed(self) -> dict[TopicPartition, int]:
        """The group's offsets on the source."""
        found = self.ask(lambda admin: admin.committed(self.group))
        return {one: commit.offset for one, commit in found.items() if one.topic == self.topic}

    def ends(self) -> dict[TopicPartition, int]:
        """The ends of the source's log."""
        partitions = self.partitions()
        found = self.ask(lambda admin: admin.ends(partitions))
        return {one: end.high for one, end in found.items()}

    def commits(self) -> dict[TopicPartition, list[int]]:
        """Every offset the group ever committed for each partition, in order, from the broker's own topic."""
        return {one: offsets for (group, one), offsets in commit_log(self.bootstrap).items() if group == self.group}

    def metric(self, name: str, *workers: Worker) -> float:
        """A metric, summed over living workers (all, or these) and labels."""
        pids = {worker.pid for worker in workers or self.living}
        ports = [one.port for one in local_workers.running(self.topology) if one.pid in pids]
        texts = [
            urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5).read().decode() for port in ports
        ]
        pattern = re.compile(rf"^{name}(?:\{{[^}}]*\}})? (\S+)$", re.MULTILINE)
        return sum(float(value) for text in texts for value in pattern.findall(text))

    def dead_letters(self) -> dict[int, str]:
        """What stands in the dead letter topic: number to reason."""
        from penstock.broker.kafka.reader import KafkaReader

        async def read_all() -> dict[int, str]:
            admin = KafkaAdmin({"bootstrap.servers": self.bootstrap})
            partition = TopicPartition(f"{self.group}.dlt", 0)
            ends = (await admin.ends([partition])).get(partition)
            await admin.close()
            if ends is None:
                return {}
            scan = KafkaReader({"bootstrap.servers": self.bootstrap}).scan({partition: (ends.low, ends.high)})
            return {
                json.loads(record.value or b"")["n"]: (record.header("penstock-reason") or b"").decode()
                async for record in scan
            }

        return asyncio.run(read_all())

    # waiting ----------------------------------------------------------------------------------------------------

    def until(self, condition: Callable[[], object], what: str, within: float = PATIENCE) -> None:
        """Wait for it; when the deadline passes, say what the workers said last."""
        deadline = time.monotonic() + within
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"after {within:g} s still not so: {what}\n{self.last_words()}")
            time.sleep(0.05)

    def until_done(self, elsewhere: Callable[[], Collection[int]] = tuple) -> None:
        """Wait until all that was sent is done or `elsewhere`."""
        self.until(lambda: not self.ledger.missing(elsewhere()), "all that was sent is done")

    def last_words(self, lines: int = 15) -> str:
        missing = sorted(self.ledger.missing())
        told = [f"missing {len(missing)} of {len(self.ledger.sent)}: {missing[:20]}"]
        for worker in self.workers:
            quiet = [line for line in worker.said().splitlines() if '"outcome":"done"' not in line]
            told.append(f"--- worker {worker.pid} ({worker.process.poll()}):\n" + "\n".join(quiet[-lines:]))
        return "\n".join(told)
