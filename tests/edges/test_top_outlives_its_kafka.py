"""`penstock top` in a real terminal: it waits for a Kafka, says when it goes, and goes on by itself."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from penstock import local_kafka
from penstock.errors import LocalKafkaError

TOPOLOGY = """\
version: 1
name: desk
kafka: {{ bootstrap.servers: "{bootstrap}" }}
topics: {{ tickets: {{ partitions: 1 }} }}
processors: {{ triage: {{ handler: "a:b", topics: [tickets] }} }}
"""


class Screen:
    """A terminal, and what was written to it."""

    def __init__(self, terminal: int) -> None:
        self._terminal = terminal
        self.text = ""

    def shows(self, what: str, seconds: float = 60) -> str:
        """Wait until something new is written that fits; gives all that was written meanwhile."""
        deadline, seen = time.monotonic() + seconds, ""
        while time.monotonic() < deadline:
            if select.select([self._terminal], [], [], 0.2)[0]:
                seen += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", os.read(self._terminal, 65536).decode())
                if re.search(what, seen):
                    return seen
        raise AssertionError(f"{what} was not shown within {seconds:g} s, but:\n{seen}")

    def is_left(self, process: subprocess.Popen[bytes], seconds: float = 30) -> int:
        """Read on until the process has ended, which a terminal that nobody reads would not let it; its exit code."""
        deadline = time.monotonic() + seconds
        while process.poll() is None:
            assert time.monotonic() < deadline, f"it did not end within {seconds:g} s"
            if select.select([self._terminal], [], [], 0.2)[0]:
                with suppress(OSError):  # the other side is closed: it ends
                    os.read(self._terminal, 65536)
        return process.returncode


@contextmanager
def top(folder: Path) -> Iterator[Screen]:
    """`penstock top` at work; ends by Ctrl-C, with code 0."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "penstock", "top", "--every", "0.5", "-f", str(folder)]
    environment = {**os.environ, "COLUMNS": "150", "LINES": "40", "TERM": "xterm"}
    environment.pop("KAFKA_BOOTSTRAP_SERVERS", None)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background is born deaf to it
    started = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    signal.signal(signal.SIGINT, before)
    os.close(theirs)
    screen = Screen(ours)
    try:
        yield screen
        started.send_signal(signal.SIGINT)
        assert screen.is_left(started) == 0
    finally:
        started.kill()
        started.wait()
        os.close(ours)


@pytest.fixture
def folder(tmp_path: Path, absent: Callable[[str], None]) -> Iterator[Path]:
    """An app whose own Kafka was started, its topology applied, and stopped again."""
    data = tmp_path / "kafka"
    try:
        broker = local_kafka.start(data, jvm=local_kafka.SHORT_LIVED)
    except LocalKafkaError as error:
        absent(f"no Kafka: {error}")
    try:
        (tmp_path / "topology.yaml").write_text(TOPOLOGY.format(bootstrap=broker.bootstrap))
        command = [sys.executable, "-m", "penstock", "apply", "--yes", "-f", str(tmp_path)]
        subprocess.run(command, check=True, capture_output=True, timeout=90)
        local_kafka.kill(data)
        yield tmp_path
    finally:
        local_kafka.wipe(data)


def started_again(folder: Path) -> str:
    """Kafka, where it stood; its address."""
    return local_kafka.start(folder / "kafka", jvm=local_kafka.SHORT_LIVED).bootstrap


def test_it_waits_for_a_kafka_and_outlives_one_that_goes_away(folder: Path) -> None:
    with top(folder) as screen:
        screen.shows(r"no Kafka answers at 127\.0\.0\.1:\d+; it is asked again until Ctrl-C")
        port = started_again(folder)
        screen.shows("triage +0")

        local_kafka.kill(folder / "kafka")
        gone = screen.shows("what is shown is old")
        assert "triage" in gone
        assert not re.search("Traceback|Unable|ERROR|rdkafka", gone), gone

        assert started_again(folder) == port
        back = screen.shows(r"penstock top  desk  [\d:]+ +ctrl-c leaves\s+PROCESSOR")
        assert "Traceback" not in back
