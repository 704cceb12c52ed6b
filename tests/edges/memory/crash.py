"""Conversations on a real Kafka while workers are killed: is every history complete, in order, each turn once?

python -m tests.edges.memory.crash --backends sqlite,redis,postgres     # 1,000 conversations of 10 turns each
                                                                        # writes the table of docs/memory.md
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from penstock import AsyncPublisher, local_kafka
from penstock.deploy.apply import apply
from penstock.deploy.observe import make_plan
from penstock.memory.embedding import hashed
from penstock.memory.opening import backend_of
from penstock.service.runtime import broker_for
from penstock.topology.model import Topology
from penstock.topology.reader import read

ROOT = Path(__file__).parents[3]
EDGES = str(Path(__file__).parents[1])
PAGE = ROOT / "docs" / "memory.md"
WORKERS = {"qdrant": 1}  # its folder is one process's; all others: three
PATIENCE = 240.0  # seconds from the last kill on
BACKENDS = {
    "sqlite": "{ type: sqlite }",
    "redis": "{ type: redis, url: '${MEMORY_URL}' }",
    "postgres": "{ type: postgres, url: '${MEMORY_URL}' }",
    "qdrant": "{ type: qdrant, ledger: ledger }\n  ledger: { type: sqlite }",
    "chroma": "{ type: chroma, url: '${MEMORY_URL}', ledger: ledger }\n  ledger: { type: sqlite }",
}
APP = """version: 1
name: {name}
kafka: {{ bootstrap.servers: "{bootstrap}" }}
topics:
  {name}.said: {{ partitions: 12, type: said }}
  {name}.answered: {{ partitions: 12, type: answered }}
processors:
  talk:
    handler: talk:talk
    topics: [{name}.said]
    output: {name}.answered
    memory: main
    concurrency: 60
    failover: 6s
    retry: {{ preserve_order: true, max_attempts: 20, backoff: {{ initial: 1s, multiplier: 1, max: 1s }} }}
memory:
  main: {memory}
"""
HANDLER = '''
"""Answers a turn after a while, as a model would."""
import asyncio, json, os, random
async def talk(event, ctx):
    turns = await ctx.memory.history()
    await asyncio.sleep(random.uniform(0.05, 0.5))
    await ctx.memory.append({"turn": event.data["turn"], "before": len(turns)})
    await ctx.memory.remember("turn {} of {}".format(event.data["turn"], event.key))
    file = os.open(os.environ["CALLS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, json.dumps([event.key, event.data["turn"]]).encode() + b"\\n")
    os.close(file)
    return {"turn": event.data["turn"], "words": random.random()}
'''


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


def missing(backend: str) -> str:
    """What this backend needs and is not here; '' where it can be played."""
    needed = {"sqlite": "apsw", "redis": "redis", "postgres": "psycopg_pool", "qdrant": "qdrant_client"}
    module = needed.get(backend, "chromadb")
    if importlib.util.find_spec(module) is None:
        return f"there is no module {module!r}: pip install 'penstock[{backend}]'"
    made = _servers(Path()).get(backend)
    return made().missing() if made else ""


def _servers(folder: Path) -> dict[str, Callable[[], Any]]:
    if EDGES not in sys.path:
        sys.path.insert(0, EDGES)
    from chroma_server import ChromaServer
    from pgvector_server import PgvectorServer
    from redis_server import RedisServer

    return {"redis": lambda: RedisServer(folder), "postgres": PgvectorServer, "chroma": lambda: ChromaServer(folder)}


@contextmanager
def server(backend: str, folder: Path) -> Iterator[str]:
    """The URL of the backend's server; '' for one that has none."""
    servers = _servers(folder)
    if backend not in servers:
        yield ""
        return
    started = servers[backend]()
    try:
        yield started.start()
    finally:
        started.stop()


class Play:
    """One backend, one topology, and its workers."""

    def __init__(self, backend: str, bootstrap: str, url: str, folder: Path, seed: int) -> None:
        self.backend = backend
        self.chance = random.Random(seed)
        self.folder = folder
        self.environ = {**os.environ, "MEMORY_URL": url, "CALLS": str(folder / "calls.jsonl")}
        name = f"memory-{uuid.uuid4().hex[:8]}"
        (folder / "talk.py").write_text(HANDLER)
        text = APP.format(name=name, bootstrap=bootstrap, memory=BACKENDS[backend])
        (folder / "topology.yaml").write_text(text)
        self.topology: Topology = read(folder / "topology.yaml", self.environ)
        self.workers: list[subprocess.Popen[bytes]] = []
        self.kills = 0

    def start(self) -> None:
        command = [sys.executable, "-m", "penstock", "run", "talk", "-f", str(self.folder / "topology.yaml")]
        with (self.folder / "workers.log").open("ab") as log:
            self.workers.append(subprocess.Popen(command, cwd=self.folder, env=self.environ, stdout=log, stderr=log))

    def kill_one(self) -> None:
        victim = self.workers.pop(self.chance.randrange(len(self.workers)))
        victim.send_signal(signal.SIGKILL)
        victim.wait()
        self.kills += 1
        self.start()

    def end(self) -> None:
        for worker in self.workers:
            worker.kill()
            worker.wait()

    async def play(self, conversations: int, turns: int, kill_every: float, kills: int) -> Outcome:
        began = time.monotonic()
        broker = broker_for(self.topology)
        try:
            await apply(await make_plan(self.topology, broker.admin()), broker.admin(), lambda _step: None)
            for _ in range(WORKERS.get(self.backend, 3)):
                self.start()
            said = f"{self.topology.name}.said"
            async with AsyncPublisher(self.topology) as publisher:
                for turn in range(turns):
                    sends = (publisher.send(said, {"turn": turn}, key=f"c{number}") for number in range(conversations))
                    await asyncio.gather(*sends)
            end = time.monotonic() + PATIENCE + kills * kill_every
            next_kill = time.monotonic() + kill_every
            while not await self._done(broker):
                if time.monotonic() > end:
                    break
                if self.kills < kills and time.monotonic() > next_kill:
                    self.kill_one()
                    next_kill = time.monotonic() + kill_every
                await asyncio.sleep(0.5)
            self.end()  # a folder is one process's: what looks at the outcome wants it
            return await self._outcome(conversations, turns, time.monotonic() - began)
        finally:
            self.end()
            await broker.close()

    async def _done(self, broker: object) -> bool:
        from penstock.deploy.status import groups

        (found,) = await groups(self.topology, broker)  # type: ignore[arg-type]
        return found.started and found.backlog == 0

    async def _outcome(self, conversations: int, turns: int, seconds: float) -> Outcome:
        backend = backend_of(self.topology.memory["main"], self.topology)
        await backend.open()
        whole = 0
        for scope in await backend.scopes():
            kept = [orjson.loads(turn.body) for turn in await backend.turns(scope, limit=turns * 3)][::-1]
            noted = await backend.nearest(scope, hashed(["turn"])[0], turns * 3)
            whole += kept == [{"turn": turn, "before": turn} for turn in range(turns)] and sorted(
                note.text for note in noted
            ) == sorted(f"turn {turn} of {scope.conversation}" for turn in range(turns))
        await backend.close()
        answers = _answers(self.topology)
        calls = (self.folder / "calls.jsonl").read_bytes().count(b"\n")
        return Outcome(
            backend=self.backend,
            conversations=conversations,
            turns=turns,
            kills=self.kills,
            whole=whole,
            finished_calls=calls,
            answered=len(answers),
            second_answers=sum(len(said) > 1 for said in answers.values()),
            seconds=seconds,
        )


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


def run(backend: str, bootstrap: str, seed: int, conversations: int, turns: int, every: float, kills: int) -> Outcome:
    """Play one backend from beginning to end."""
    folder = Path(tempfile.mkdtemp(prefix=f"penstock-memory-{backend}-"))
    with ExitStack() as stack:
        url = stack.enter_context(server(backend, folder))
        outcome = asyncio.run(Play(backend, bootstrap, url, folder, seed).play(conversations, turns, every, kills))
    if outcome.holds:
        shutil.rmtree(folder)
    else:
        print(f"{backend}: see {folder}")
    return outcome


def write(rows: list[str]) -> None:
    """Put the rows of these backends into the table of the page; others stay as they are."""
    text = PAGE.read_text()
    for row in rows:
        name = row.split("|")[1]
        found = re.search(rf"^\|{re.escape(name)}\|[^\n]* s \|$", text, re.MULTILINE)
        if found:
            text = text.replace(found.group(), row)
        else:
            text = text.replace("<!-- crash table -->", f"{row}\n<!-- crash table -->")
    PAGE.write_text(text)


def main() -> int:
    """Every backend that is named, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backends", default="sqlite,redis,postgres")
    parser.add_argument("--conversations", type=int, default=1000)
    parser.add_argument("--turns", type=int, default=10)
    parser.add_argument("--kill-every", type=float, default=4.0, help="seconds")
    parser.add_argument("--kills", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--page", action="store_true", help="write the table of docs/memory.md")
    asked = parser.parse_args()
    data = Path(tempfile.mkdtemp(prefix="penstock-kafka-")) / "data"
    kafka = local_kafka.start(data, jvm=local_kafka.SHORT_LIVED)
    outcomes = []
    try:
        for backend in asked.backends.split(","):
            outcomes.append(
                run(
                    backend,
                    kafka.bootstrap,
                    asked.seed,
                    asked.conversations,
                    asked.turns,
                    asked.kill_every,
                    asked.kills,
                )
            )
            print(outcomes[-1].row(), json.dumps(vars(outcomes[-1])), flush=True)
    finally:
        local_kafka.wipe(data)
    if asked.page:
        write([one.row() for one in outcomes if one.holds])
    return 0 if all(one.holds for one in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
