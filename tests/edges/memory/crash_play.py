"""One backend's conversations on a real Kafka while its workers are killed by a seed, and what came of it."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from penstock import AsyncPublisher
from penstock.broker.contract import Broker
from penstock.contracts import Scope
from penstock.deploy.apply import apply
from penstock.deploy.observe import make_plan
from penstock.memory.contract import Backend
from penstock.memory.embedding import hashed
from penstock.memory.opening import backend_of
from penstock.service.runtime import broker_for
from penstock.topology.model import Topology
from penstock.topology.reader import read
from tests.edges.memory.crash_app import APP, BACKENDS, HANDLER, environ, server
from tests.edges.memory.crash_calls import Calls

WORKERS = {"qdrant": 1}  # its folder is one process's; all others: three
CONCURRENCY = {"omnimemory": 10}  # its store takes twenty notes a second, whoever asks: more would only wait there
PATIENCE = 240.0  # seconds without a call that ends, or a kill


@dataclass(frozen=True)
class Outcome:
    """What came out of one backend."""

    backend: str
    conversations: int
    turns: int
    kills: int
    whole: int  # conversations whose history and notes are exactly what they should be
    finished_calls: int  # calls of the handler that came to their end, as a model would bill them
    answered: int  # events that have an answer
    second_answers: int  # events that were answered in two different ways
    seconds: float

    def row(self) -> str:
        sent = self.conversations * self.turns
        return (
            f"| `{self.backend}` | {sent:,} | {self.kills} | {self.whole:,} of {self.conversations:,} "
            f"| {self.finished_calls - sent} | {sent - self.answered} | {self.second_answers} | {self.seconds:.0f} s |"
        )

    @property
    def holds(self) -> bool:
        return (self.whole, self.answered, self.second_answers) == (
            self.conversations,
            self.conversations * self.turns,
            0,
        )


class Play:
    """One backend, one topology, and its workers."""

    def __init__(self, backend: str, bootstrap: str, url: str, folder: Path, seed: int) -> None:
        self.backend = backend
        self.chance = random.Random(seed)
        self.folder = folder
        self.calls = Calls(folder / "calls.jsonl")
        self.disturbed: dict[int, int] = {}  # the highest offset that had begun at the last kill, of each partition
        os.environ.update(environ(backend, url))  # whoever looks at the outcome finds it too
        self.environ = {**os.environ, "MEMORY_URL": url, "CALLS": str(self.calls.path)}
        name = f"memory-{uuid.uuid4().hex[:8]}"
        (folder / "talk.py").write_text(HANDLER)
        text = APP.format(
            name=name, bootstrap=bootstrap, memory=BACKENDS[backend], concurrency=CONCURRENCY.get(backend, 60)
        )
        (folder / "topology.yaml").write_text(text)
        self.topology: Topology = read(folder / "topology.yaml", self.environ)
        self.workers: list[subprocess.Popen[bytes]] = []
        self.kills = 0

    def start(self) -> None:
        command = [sys.executable, "-m", "penstock", "run", "talk", "-f", str(self.folder / "topology.yaml")]
        with (self.folder / "workers.log").open("ab") as log:
            self.workers.append(subprocess.Popen(command, cwd=self.folder, env=self.environ, stdout=log, stderr=log))

    async def kill_one(self, broker: Broker) -> bool:
        """One that has ended a call, once all that the last kill disturbed is committed.

        Kills over the same records look like an event that kills its process, and the runtime is right to suspect it.
        """
        at_work = [worker for worker in self.workers if worker.pid in self.calls.at_work]
        if not at_work or not await self._settled(broker):
            return False
        victim = self.chance.choice(at_work)
        victim.send_signal(signal.SIGKILL)
        victim.wait()
        self.disturbed = dict(self.calls.look().highest)
        self.workers.remove(victim)
        self.kills += 1
        self.start()
        return True

    def end(self) -> None:
        for worker in self.workers:
            worker.kill()
            worker.wait()

    async def play(self, conversations: int, turns: int, kills: int) -> Outcome:
        began = time.monotonic()
        broker = broker_for(self.topology)
        try:
            await apply(await make_plan(self.topology, broker.admin()), broker.admin(), lambda _step: None)
            for _ in range(WORKERS.get(self.backend, 3)):
                self.start()
            said = f"{self.topology.name}.said"
            async with AsyncPublisher(self.topology) as publisher:

                async def ask(turn: int) -> None:
                    sends = (publisher.send(said, {"turn": turn}, key=f"c{number}") for number in range(conversations))
                    await asyncio.gather(*sends)

                for turn in range(turns - 1):
                    await ask(turn)
                before = conversations * (turns - 1)
                await self._killed_on_its_way(broker, before, conversations * turns, kills, lambda: ask(turns - 1))
            self.end()  # a folder is one process's: what looks at the outcome wants it
            return await self._outcome(conversations, turns, time.monotonic() - began)
        finally:
            self.end()
            await broker.close()

    async def _killed_on_its_way(
        self, broker: Broker, before: int, calls: int, kills: int, last: Callable[[], Awaitable[None]]
    ) -> None:
        """Until all is done or patience ends; one worker is killed each time another share of the calls has ended.

        The `last` turns are asked when all kills were made, or all calls `before` them are done: so that a machine
        on which a killed worker's share lies longer than the others need for theirs has something left to be killed in.
        """
        end, asked, seen = time.monotonic() + PATIENCE, False, 0
        while (not asked or not await self._done(broker)) and time.monotonic() < end:
            ended = self.calls.look()
            if not asked and (self.kills == kills or (len(ended.ended) >= before and await self._settled(broker))):
                await last()
                asked = True
            due = self.kills < kills and ended.finished >= calls * (self.kills + 1) // (kills + 1)
            if (due and await self.kill_one(broker)) or ended.finished > seen:
                seen = ended.finished
                end = time.monotonic() + PATIENCE
            await asyncio.sleep(0.1)

    async def _settled(self, broker: Broker) -> bool:
        """Whether all that had begun at the last kill is committed."""
        committed = await broker.admin().committed(self.topology.processors["talk"].group_id)
        done = {one.partition: found.offset for one, found in committed.items() if one.topic.endswith(".said")}
        return all(done.get(partition, 0) > offset for partition, offset in self.disturbed.items())

    async def _done(self, broker: Broker) -> bool:
        from penstock.deploy.status import groups

        (found,) = await groups(self.topology, broker)
        return found.started and found.backlog == 0

    async def _outcome(self, conversations: int, turns: int, seconds: float) -> Outcome:
        whole = await whole_ones(self.topology, turns)
        answers = _answers(self.topology)
        return Outcome(
            backend=self.backend,
            conversations=conversations,
            turns=turns,
            kills=self.kills,
            whole=whole,
            finished_calls=self.calls.look().finished,
            answered=len(answers),
            second_answers=sum(len(said) > 1 for said in answers.values()),
            seconds=seconds,
        )


async def whole_ones(topology: Topology, turns: int) -> int:
    """How many conversations have each turn once, in order, and each turn's note, once."""
    backend = backend_of(topology.memory["main"], topology)
    await backend.open()
    whole = 0
    for scope in await backend.scopes():
        kept = [orjson.loads(turn.body) for turn in await backend.turns(scope, limit=turns * 3)][::-1]
        noted = sorted(await _noted(topology, backend, scope, turns * 3))
        said = sorted(f"turn {turn} of {scope.conversation}" for turn in range(turns))
        whole += kept == [{"turn": turn, "before": turn} for turn in range(turns)] and noted == said
    await backend.close()
    return whole


async def _noted(topology: Topology, backend: Backend, scope: Scope, most: int) -> list[str]:
    """The notes that are found; in OmniMemory by their ids, since its search is approximate where it filters."""
    if topology.memory["main"].type != "omnimemory":
        return [note.text for note in await backend.nearest(scope, hashed(["turn"])[0], most)]
    index: Any = backend._index  # type: ignore[attr-defined]
    notes = await backend.notes(scope)
    there = [await index._store.query_by_id(f"{index._app}-{len(note.vector)}", note.id) for note in notes]
    return [note.text for note, here in zip(notes, there, strict=True) if here is not None]


def _answers(topology: Topology) -> dict[bytes, set[bytes]]:
    """What was published, by the id of the event it answers."""
    from confluent_kafka import Consumer, TopicPartition

    topic = f"{topology.name}.answered"
    consumer = Consumer({**topology.kafka, "group.id": "look", "enable.auto.commit": False})
    found: dict[bytes, set[bytes]] = {}
    try:
        for partition in range(12):
            place = TopicPartition(topic, partition, 0)
            _, high = consumer.get_watermark_offsets(place, timeout=10)
            consumer.assign([place])
            seen = 0
            while seen < high:
                for message in consumer.consume(min(1000, high - seen), timeout=10):
                    seen = message.offset() + 1
                    cause = dict(message.headers() or [])["ce_causationid"]
                    found.setdefault(cause, set()).add(message.value())
    finally:
        consumer.close()
    return found


def run(backend: str, bootstrap: str, seed: int, conversations: int, turns: int, kills: int) -> Outcome:
    """Play one backend from beginning to end."""
    folder = Path(tempfile.mkdtemp(prefix=f"penstock-memory-{backend}-"))
    with ExitStack() as stack:
        url = stack.enter_context(server(backend, folder))
        outcome = asyncio.run(Play(backend, bootstrap, url, folder, seed).play(conversations, turns, kills))
    if outcome.holds:
        shutil.rmtree(folder)
    else:
        print(f"{backend}: see {folder}")
    return outcome
