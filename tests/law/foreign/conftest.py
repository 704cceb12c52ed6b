"""Other programs, as fixtures: a Java client on the broker's jars, Kafka's console consumer, kcat; and their stage."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from penstock.errors import LocalKafkaError
from penstock.local_kafka import jars
from penstock.local_kafka.java import find_java
from tests.law.foreign.stage import PATIENCE, Stage, staged

TOOLS = jars.Jar(
    "org.apache.kafka",
    "kafka-tools",
    jars.KAFKA_VERSION,
    "b88bc6ccc520d648142515526e4042c285612ce94b032434a88e3e936e38b600",
    698592,
)


@pytest.fixture(scope="session")
def stage(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(kafka, tmp_path_factory.mktemp("foreign")) as stage:
        yield stage


def lacking(what: str, *, needed_in_ci: bool) -> None:
    """Skip; the build server must have what can be had everywhere."""
    if needed_in_ci and os.environ.get("CI", "").lower() == "true":
        pytest.fail(what)
    pytest.skip(what)


@pytest.fixture(scope="session")
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


@pytest.fixture(scope="session")
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


@pytest.fixture(scope="session")
def kcat() -> str:
    found = shutil.which("kcat")
    if not found:
        lacking("kcat is not installed", needed_in_ci=False)
    return str(found)
