"""One subject in a process of its own: started, listened to, ended; its result as it reported it."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.meter import Task
from benchmarks.peers import Peers

ROOT = Path(__file__).parents[1]
START = 90.0  # seconds until the first record, and after the limit until it has ended


class Failed(Exception):
    """A subject reported no result; the message holds what it said last."""


class Process:
    """A running subject. `line` waits for a line that begins with a word."""

    def __init__(self, command: Sequence[str], log: Path) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        self._log = log
        self._lines: queue.Queue[str | None] = queue.Queue()
        with log.open("w", encoding="utf-8") as errors:
            environ = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
            self._process = subprocess.Popen(
                command, cwd=ROOT, stdout=subprocess.PIPE, stderr=errors, text=True, env=environ, start_new_session=True
            )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def line(self, word: str, timeout: float) -> Any:
        """The value said with this word. Raises Failed where the process ends, fails or is silent."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                line = self._lines.get(timeout=max(deadline - time.monotonic(), 0.01))
            except queue.Empty:
                raise Failed(f"it did not say {word!r} within {timeout:.0f} s; {self._tail()}") from None
            if line is None or line.startswith("failed "):
                raise Failed(f"it ended without a result: {line or ''} {self._tail()}")
            said, _, value = line.partition(" ")
            if said == word:
                return json.loads(value)

    def kill(self) -> None:
        """As a crash would, and wait until it is gone."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def wait(self) -> None:
        """Let it end by itself; a minute is enough for any drain here."""
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self.kill()

    def _tail(self) -> str:
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-8:]) + f"\n(all of it: {self._log})"


def command(subject: str, task: Task, peers: Peers) -> list[str] | None:
    """The command line of a subject; None for a peer that is not there."""
    if subject == "parallel_consumer":
        if not peers.java:
            return None
        given = (task.bootstrap, task.topic, task.group, task.count, task.limit, task.concurrency)
        return [*peers.java, *map(str, given), str(round(task.sleep * 1000)), str(task.spawned)]
    python = sys.executable
    if subject in ("aiokafka_loop", "faststream_alo"):
        if peers.python is None:
            return None
        python = peers.python
    return [python, "-m", f"benchmarks.subjects.{subject}", task.dump()]


def started(subject: str, task: Task, peers: Peers, log: Path) -> Process | None:
    """Start a subject now."""
    line = command(subject, replace(task, spawned=time.time()), peers)
    return Process(line, log) if line is not None else None


def measured(process: Process, task: Task, at_first: Callable[[], None] = lambda: None) -> dict[str, Any]:
    """Wait for its first record, call `at_first`, and wait for its result. The process is gone afterwards."""
    try:
        process.line("first", START)
        at_first()
        result: dict[str, Any] = process.line("result", task.limit + START)
        process.wait()
    finally:
        process.kill()
    return result
