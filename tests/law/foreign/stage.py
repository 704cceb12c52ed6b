"""A worker that has answered one event and given up another, and what any client may say of its topics."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import Consumer, Producer
from confluent_kafka import TopicPartition as RawPartition

from penstock.publisher import Publisher
from penstock.topology.reader import read

PATIENCE = 60.0
CLIENT = Path(__file__).with_name("ForeignClient.java")
HANDLER = '''"""Answers, or fails on purpose."""


async def answer(event):
    if event.data == {"do": "fail"}:
        raise ValueError("no luck")
    return {"saw": event.data, "key": str(event.key), "type": event.type}
'''
TOPOLOGY = """
version: 1
name: NAME
kafka: { bootstrap.servers: BOOTSTRAP }
topics:
  NAME.asked: { partitions: 3, type: asked }
  NAME.answered: { partitions: 3, type: answered }
processors:
  answer:
    handler: agents:answer
    topics: [NAME.asked]
    output: NAME.answered
    retry: { max_attempts: 2, backoff: { initial: 1s, max: 1s } }
"""
FOREIGN = [("trace", b"\xff\x00raw"), ("trace", b"again"), ("nothing", None), ("empty", b"")]
Bytes = bytes | None
Header = tuple[str, Bytes]


@dataclass(frozen=True)
class Seen:
    """A record as some client saw it."""

    partition: int
    offset: int
    key: Bytes
    value: Bytes
    headers: tuple[Header, ...]


@dataclass(frozen=True)
class Stage:
    """A running worker, and the topics it reads and writes."""

    name: str
    bootstrap: str
    topology: Path
    log: Path

    def topic(self, which: str) -> str:
        return f"{self.name}.{which}"

    def records(self, topic: str, count: int) -> list[Seen]:
        """All there is now, `count` at least."""
        ends = [0]
        found = self.read_until(topic, lambda seen: len(seen) >= max(count, *ends), ends)
        return sorted(found, key=lambda one: (one.partition, one.offset))

    def read_until(self, topic: str, enough: Callable[[list[Seen]], bool], ends: list[int] | None = None) -> list[Seen]:
        """From the beginning: the reference is librdkafka through Python, without a line of ours."""
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": "none", "enable.auto.commit": False})
        try:
            everywhere = [
                RawPartition(topic, one, 0) for one in consumer.list_topics(topic, 10).topics[topic].partitions
            ]
            if ends is not None:
                ends.append(sum(consumer.get_watermark_offsets(one, 10)[1] for one in everywhere))
            consumer.assign(everywhere)
            found: list[Seen] = []
            deadline = time.monotonic() + PATIENCE
            while not enough(found):
                assert time.monotonic() < deadline, f"{len(found)} records in {topic}\n{self.log.read_text()}"
                message = consumer.poll(0.2)
                if message is not None and message.error() is None:
                    place, headers = (message.partition(), message.offset()), tuple(message.headers() or ())
                    found.append(Seen(*place, message.key(), message.value(), headers))
            return found
        finally:
            consumer.close()

    def answers(self, expected: list[dict[str, object]]) -> None:
        """Return once the handler has said all of this."""

        def all_there(seen: list[Seen]) -> bool:
            said = [json.loads(one.value or b"null") for one in seen]
            return all(one in said for one in expected)

        self.read_until(self.topic("answered"), all_there)


@contextmanager
def staged(kafka: str, folder: Path) -> Iterator[Stage]:
    """A real worker process, with one event answered and one given up."""
    name = f"foreign-{os.getpid():x}{time.monotonic_ns():x}"
    (folder / "agents.py").write_text(HANDLER)
    path = folder / "topology.yaml"
    path.write_text(TOPOLOGY.replace("NAME", name).replace("BOOTSTRAP", kafka))
    command = [sys.executable, "-m", "penstock"]
    subprocess.run([*command, "apply", "--yes", "-f", path], check=True, capture_output=True)
    topology = read(path, {})
    source, headers = f"{name}.asked", {"plain": "text"}
    with Publisher(topology, source="desk") as publisher:
        publisher.send(source, {"do": "answer"}, key="ada", id="asked-1", headers=headers)
    producer = Producer({"bootstrap.servers": kafka, "partitioner": "murmur2_random"})
    producer.produce(source, b'{"do": "fail"}', b"\xfe\x01binary", headers=FOREIGN)
    producer.flush(30)
    with (folder / "log").open("wb") as log:
        worker = subprocess.Popen([*command, "run", "answer", "-f", path], stdout=log, stderr=log)
        try:
            yield Stage(name, kafka, path, folder / "log")
        finally:
            worker.terminate()
            worker.wait(PATIENCE)


def spell(data: Bytes) -> str:
    return "-" if data is None else base64.b64encode(data).decode() or "."


def unspell(word: str) -> Bytes:
    return None if word == "-" else base64.b64decode(word.strip("."))
