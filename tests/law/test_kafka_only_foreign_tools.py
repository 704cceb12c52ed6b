"""Other programs read what we write, byte for byte, and what they write runs: kcat, Kafka's own tools, a Java client.

Expected are the names and spellings of the wire format itself, not what our own code makes of them.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka import TopicPartition as RawPartition
from confluent_kafka.admin import AdminClient, NewTopic

from penstock.broker.kafka.keeper import KafkaBroker
from penstock.errors import LocalKafkaError
from penstock.local_kafka import jars
from penstock.local_kafka.java import find_java
from penstock.publisher import Publisher
from penstock.record import Outgoing
from penstock.topology.reader import read

pytestmark = pytest.mark.kafka

PATIENCE = 60.0
CLIENT = Path(__file__).with_name("ForeignClient.java")
TOOLS = jars.Jar(
    "org.apache.kafka",
    "kafka-tools",
    jars.KAFKA_VERSION,
    "b88bc6ccc520d648142515526e4042c285612ce94b032434a88e3e936e38b600",
    698592,
)
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
UUID = rb"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
MILLIS = rb"1[0-9]{12}"
FOREIGN = [("trace", b"\xff\x00raw"), ("trace", b"again"), ("nothing", None), ("empty", b"")]
CLOUD_EVENT = {
    "ce_specversion": rb"1\.0",
    "ce_id": UUID,
    "ce_type": rb"answered",
    "ce_source": rb"/foreign-[0-9a-f]+/answer",
    "ce_time": rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z",
    "ce_causationid": rb"asked-1",
    "ce_correlationid": rb"asked-1",
    "content-type": rb"application/json",
    "traceparent": rb"00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]",
    "penstock-run-id": UUID,
}
FAILED = {
    "penstock-run-id": UUID,
    "penstock-deferrals": rb"0",
    "penstock-origin-topic": rb"foreign-[0-9a-f]+\.asked",
    "penstock-origin-partition": rb"[0-2]",
    "penstock-origin-offset": rb"[0-9]+",
    "penstock-origin-timestamp": MILLIS,
    "penstock-first-failure": MILLIS,
    "penstock-error-type": rb"(builtins\.)?ValueError",
    "penstock-error-message": rb"no luck",
    "penstock-error-fingerprint": rb"[0-9a-f]{16}",
}
RETRY = FAILED | {"penstock-attempt": rb"1", "penstock-not-before": MILLIS}
DEAD = FAILED | {
    "penstock-attempt": rb"2",
    "penstock-group": rb"foreign-[0-9a-f]+\.answer",
    "penstock-reason": rb"exhausted",
}
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


@pytest.fixture(scope="module")
def stage(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A real worker process, with one event answered and one given up."""
    folder = tmp_path_factory.mktemp("foreign")
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


def lacking(what: str, *, needed_in_ci: bool) -> None:
    """Skip; the build server must have what can be had everywhere."""
    if needed_in_ci and os.environ.get("CI", "").lower() == "true":
        pytest.fail(what)
    pytest.skip(what)


@pytest.fixture(scope="module")
def java() -> Callable[..., str]:
    """Run a Java program on the broker's jars: `java(main, arguments, stdin)` returns what it printed."""
    try:
        binary, broker_jars = find_java(), jars.fetch()
    except LocalKafkaError as error:
        lacking(str(error), needed_in_ci=True)
    if not (binary.with_name("javac").exists() or (binary.resolve().with_name("javac")).exists()):
        lacking(f"{binary} runs Java and cannot compile it", needed_in_ci=True)

    def run(program: list[str], *, more: tuple[Path, ...] = (), stdin: str = "") -> str:
        path = os.pathsep.join(str(one) for one in (*broker_jars, *more))
        quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=error"
        done = subprocess.run(
            [binary, "-XX:TieredStopAtLevel=1", quiet, "-Dfile.encoding=ISO-8859-1", "-cp", path, *program],
            input=stdin.encode(),
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode("latin-1")

    return run


@pytest.fixture(scope="module")
def console_consumer(java: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Kafka's own console consumer; its jar is no part of the broker's and is fetched as those are."""
    folder = tmp_path_factory.mktemp("tools")
    try:
        jars._fetch_missing([TOOLS], folder, lambda _: None)
    except LocalKafkaError as error:
        lacking(str(error), needed_in_ci=True)

    def run(*arguments: str) -> str:
        return java(["org.apache.kafka.tools.consumer.ConsoleConsumer", *arguments], more=(folder / TOOLS.name,))

    return run


@pytest.fixture(scope="module")
def kcat() -> str:
    found = shutil.which("kcat")
    if not found:
        lacking("kcat is not installed", needed_in_ci=False)
    return str(found)


def by_java(java: Callable[..., str], stage: Stage, topic: str, count: int) -> list[Seen]:
    said = java([str(CLIENT), "read", stage.bootstrap, topic, str(count)])
    found = []
    for line in said.splitlines():
        partition, offset, key, value, *headers = line.split(" ")
        pairs = tuple((name, unspell(word)) for name, _, word in (one.partition("=") for one in headers))
        found.append(Seen(int(partition), int(offset), unspell(key), unspell(value), pairs))
    return sorted(found, key=lambda one: (one.partition, one.offset))


def spell(data: Bytes) -> str:
    return "-" if data is None else base64.b64encode(data).decode() or "."


def unspell(word: str) -> Bytes:
    return None if word == "-" else base64.b64decode(word.strip("."))


def check(record: Seen, expected: dict[str, bytes]) -> None:
    """Every expected header is there once, spelled so; none of ours or of CloudEvents beside them."""
    names = [name for name, _ in record.headers]
    ours = sorted(name for name in names if name.startswith(("penstock-", "ce_")) or name in expected)
    assert ours == sorted(expected)
    values = dict(record.headers)
    wrong = {name: values[name] for name, spelled in expected.items() if not re.fullmatch(spelled, values[name] or b"")}
    assert not wrong


def first(written: list[Seen]) -> Seen:
    """What came of the stage's own two events; other tests add theirs."""
    ours = ("ce_causationid", b"asked-1")
    return next(one for one in written if ours in one.headers or one.key == b"\xfe\x01binary")


WRITTEN = [("answered", CLOUD_EVENT), ("answer.retry.1s", RETRY), ("answer.dlt", DEAD)]


@pytest.mark.parametrize(("where", "expected"), WRITTEN)
def test_a_java_client_sees_our_headers_byte_for_byte(stage, java, where, expected):
    written = stage.records(stage.topic(where), 1)
    reference = first(written)

    seen = by_java(java, stage, stage.topic(where), len(written))

    assert reference in seen
    check(reference, expected)
    if expected is not CLOUD_EVENT:
        assert reference.key == b"\xfe\x01binary"
        assert reference.value == b'{"do": "fail"}'
        assert [one for one in reference.headers if not one[0].startswith("penstock-")] == FOREIGN


@pytest.mark.parametrize(("where", "expected"), WRITTEN)
def test_the_console_consumer_sees_our_headers_byte_for_byte(stage, console_consumer, where, expected):
    reference = first(stage.records(stage.topic(where), 1))
    shown = {"print.headers": "true", "print.key": "true", "key.separator": "|", "headers.separator": "|"}
    settings = [word for name, value in shown.items() for word in ("--formatter-property", f"{name}={value}")]

    said = console_consumer(
        *("--bootstrap-server", stage.bootstrap, "--topic", stage.topic(where), "--partition"),
        *(str(reference.partition), "--offset", str(reference.offset), "--max-messages", "1", *settings),
    )

    *headers, key, value = said.rstrip("\n").encode("latin-1").split(b"|")
    assert key == reference.key
    assert value == reference.value
    # It prints a null and the text "null" alike; the Java client above tells them apart.
    assert headers == [name.encode() + b":" + (b"null" if data is None else data) for name, data in reference.headers]
    check(reference, expected)


@pytest.mark.parametrize(("where", "expected"), WRITTEN)
def test_kcat_sees_our_headers_byte_for_byte(stage, kcat, where, expected):
    reference = first(stage.records(stage.topic(where), 1))

    read = [kcat, "-C", "-q", "-e", "-c", "1", "-b", stage.bootstrap, "-t", stage.topic(where), "-f", "%k|%s|%h"]
    read += ["-p", str(reference.partition), "-o", str(reference.offset)]
    said = subprocess.run(read, capture_output=True, timeout=PATIENCE, check=True).stdout

    key, value, headers = said.split(b"|", 2)
    assert key == reference.key
    assert value == reference.value
    # kcat spells a null NULL, ends a value at its first zero byte, and separates by commas, which these do not hold.
    assert headers.split(b",") == [
        name.encode() + b"=" + (b"NULL" if data is None else data.partition(b"\0")[0])
        for name, data in reference.headers
    ]
    check(reference, expected)


def test_a_java_producer_and_ours_agree_on_partitions(stage, java):
    keys = [f"customer-{number}".encode() for number in range(196)] + ["schlüssel".encode(), b"", b"\xff\x00", b"abc"]
    topic = f"{stage.name}-keys"
    admin = AdminClient({"bootstrap.servers": stage.bootstrap})  # kept: it is asked in the background
    admin.create_topics([NewTopic(topic, 12)])[topic].result(30)

    by_java = java(
        [str(CLIENT), "write", stage.bootstrap, topic], stdin="".join(f"{spell(key)} {spell(b'v')}\n" for key in keys)
    )

    async def send() -> list[int]:
        broker = KafkaBroker({"bootstrap.servers": stage.bootstrap})
        try:
            producer = broker.producer()
            return [
                one.partition
                for one in await asyncio.gather(*(producer.send(Outgoing(topic, key, b"v")) for key in keys))
            ]
        finally:
            await broker.close()

    ours = asyncio.run(send())
    assert [int(word) for word in by_java.split()] == ours
    assert len(set(ours)) == 12
    assert by_librdkafka(stage.bootstrap, topic, keys) == ours


def by_librdkafka(bootstrap: str, topic: str, keys: list[bytes]) -> list[int]:
    placed: dict[bytes, int] = {}
    producer = Producer({"bootstrap.servers": bootstrap, "partitioner": "murmur2_random"})
    for key in keys:
        producer.produce(
            topic, b"v", key, on_delivery=lambda _, sent: placed.__setitem__(sent.key() or b"", sent.partition())
        )
    producer.flush(30)
    return [placed[key] for key in keys]


def test_records_of_a_java_producer_run(stage, java):
    plain, typed = {"number": 101}, {"number": 102}
    lines = [
        f"{spell(b'ada')} {spell(json.dumps(plain).encode())}",
        f"- {spell(json.dumps(typed).encode())} ce_id={spell(b'java-1')} ce_type={spell(b'other')} x=-",
        f"{spell(b'tombstone-java')} -",
    ]

    java([str(CLIENT), "write", stage.bootstrap, stage.topic("asked")], stdin="\n".join(lines) + "\n")

    stage.answers(
        [
            {"saw": plain, "key": "ada", "type": "asked"},
            {"saw": typed, "key": "None", "type": "other"},
            {"saw": None, "key": "tombstone-java", "type": "asked"},
        ]
    )


def test_records_of_kcat_run(stage, kcat):
    plain, typed = {"number": 201}, {"number": 202}
    send = [kcat, "-P", "-b", stage.bootstrap, "-t", stage.topic("asked")]
    for arguments, line in (
        (["-K", "|"], f"ada|{json.dumps(plain)}"),
        (["-H", "ce_id=kcat-1", "-H", "ce_type=other", "-H", "x"], json.dumps(typed)),
        (["-K", "|", "-Z"], "tombstone-kcat|"),
    ):
        subprocess.run([*send, *arguments], input=line.encode(), check=True, timeout=PATIENCE)

    stage.answers(
        [
            {"saw": plain, "key": "ada", "type": "asked"},
            {"saw": typed, "key": "None", "type": "other"},
            {"saw": None, "key": "tombstone-kcat", "type": "asked"},
        ]
    )
