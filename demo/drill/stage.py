"""The stage of the drill: a real Kafka, the desk's workers in whichever release is deployed, and its traffic."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from demo.drill.books import Books, read_books
from penstock import PenstockError, local_kafka
from penstock.broker.kafka.keeper import KafkaBroker
from penstock.topology.reader import read

_ROOT: Final = Path(__file__).parents[2]
TOKEN: Final = "the-token-of-the-drill"  # noqa: S105  (made up, and good for this run alone)
_PATIENCE: Final = 180.0  # seconds, on a machine that has other things to do


class Stage:
    """The desk on its Kafka. Everything that is done here is a command anybody could give."""

    def __init__(self, app: Path, folder: Path, servers: str) -> None:
        """`app` is copied to `folder`, where it runs."""
        self.environ = {
            **os.environ,
            "KAFKA_BOOTSTRAP_SERVERS": servers,
            "PENSTOCK_OPERATOR": "night shift",
            "PYTHONPATH": str(_ROOT),
        }
        self.folder = folder
        shutil.copytree(app, folder, ignore=shutil.ignore_patterns("__pycache__"))
        self._up: subprocess.Popen[str] | None = None
        self._console: subprocess.Popen[str] | None = None
        self._sending: subprocess.Popen[str] | None = None

    def penstock(self, *words: str, may_fail: bool = False) -> str:
        """A verb, to its end; what it said. Raises PenstockError where it failed and may not."""
        done = subprocess.run(
            [sys.executable, "-m", "penstock", *words],
            cwd=self.folder, env=self.environ, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        if done.returncode and not may_fail:
            raise PenstockError(f"penstock {' '.join(words)} ended with {done.returncode}: {done.stdout}")
        return done.stdout

    def deploy(self, release: int) -> None:
        """Stop the release before, start this one; returns when its workers share all partitions."""
        self._end(self._up)
        self._up = self._start("up", "--no-console", DESK_RELEASE=str(release))
        self.until("the workers to come up", lambda: all(self._joined(one) for one in self._groups()))

    def open_console(self) -> str:
        """Its address; with the token in it one may act."""
        self._console = self._start("console", "--port", "0", "--token", TOKEN)
        log = self.folder / "console.log"
        found = self.until("the console", lambda: re.search(r"console: (http://\S+/)", log.read_text()))
        return f"{found.group(1)}?token={TOKEN}"

    def send(self, part: str, rate: float | None = None) -> None:
        """Send one of the files: to its end, or at a rate while other things go on."""
        words = [
            "send",
            "tickets.new",
            "--file",
            f"{part}.jsonl",
            "--id-field",
            "ticket_id",
            "--key-field",
            "customer_id",
        ]
        if rate is None:
            self.penstock(*words)
        else:
            self._sending = self._start(*words, "--rate", f"{rate:g}")

    def sent(self) -> None:
        """Wait until what is sent at a rate is sent."""
        if self._sending is not None and self._sending.wait(timeout=_PATIENCE):
            raise PenstockError("sending failed", f"see {self.folder / 'send.log'}")

    def letters(self, processor: str = "triage") -> int:
        """Dead letters of a processor that wait."""
        return sum(
            one["count"] for one in json.loads(self.penstock("dlt", "ls", "-p", processor, "--clusters", "-o", "json"))
        )

    def finished(self) -> bool:
        """Whether no group has anything left to do."""
        return not any(one["lag"] or one["waiting"] for one in self._groups())

    def workers(self) -> list[str]:
        """host:port of every worker's metrics."""
        found = json.loads(self.penstock("ps", "-o", "json"))
        return [f"127.0.0.1:{one['port']}" for one in found["workers"] if one["port"]]

    def books(self) -> Books:
        """What stands in the topics now."""

        async def looked() -> Books:
            topology = read(self.folder / "topology.yaml", self.environ)
            broker = KafkaBroker(topology.kafka)
            try:
                return await read_books(topology, broker)
            finally:
                await broker.close()

        with ThreadPoolExecutor(1) as beside:  # a browser's driver keeps a loop of its own in this thread
            return beside.submit(lambda: asyncio.run(looked())).result()

    def until(self, what: str, happened: Callable[[], Any]) -> Any:
        """Wait until `happened()` gives something. Raises PenstockError."""
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            if found := happened():
                return found
            time.sleep(0.3)
        raise PenstockError(f"waited {_PATIENCE:g} s in vain for {what}", f"see the logs in {self.folder}")

    def stop(self) -> None:
        """End what was started, workers drained. Idempotent."""
        for process in (self._sending, self._console, self._up):
            self._end(process)

    def _groups(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.penstock("groups", "-o", "json"))
        return found

    @staticmethod
    def _joined(group: dict[str, Any]) -> bool:
        return bool(group["members"]) and all(one["partitions"] for one in group["members"])

    def _start(self, *words: str, **more: str) -> subprocess.Popen[str]:
        with (self.folder / f"{words[0]}.log").open("a", encoding="utf-8") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "penstock", *words],
                cwd=self.folder, env={**self.environ, **more}, stdin=subprocess.DEVNULL,
                stdout=log, stderr=subprocess.STDOUT, text=True,
            )  # fmt: skip

    @staticmethod
    def _end(process: subprocess.Popen[str] | None) -> None:
        if process is not None and process.poll() is None:
            process.terminate()
            try:
                process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextlib.contextmanager
def staged(app: Path, folder: Path, say: Callable[[str], None]) -> Iterator[Stage]:
    """The app in `folder` with its topics made, on a Kafka of its own, which is gone afterwards; logs stay."""
    shutil.rmtree(folder, ignore_errors=True)
    data = folder.with_name(f"{folder.name}-kafka")
    local_kafka.wipe(data)  # what a drill that was killed left behind
    kafka = local_kafka.start(data, jvm=local_kafka.SHORT_LIVED, say=say)
    try:
        stage = Stage(app, folder, kafka.bootstrap)
        try:
            stage.penstock("apply", "--yes")
            yield stage
        finally:
            stage.stop()
    finally:
        local_kafka.wipe(data)
