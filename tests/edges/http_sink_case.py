"""http_sink as a case for the trial: a receiver on a real socket that writes down what it took, and has moods."""

from __future__ import annotations

import contextlib
import json
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from connector_cases import COUNT, topology
from serving import served

from penstock.testing.connector_kit import SinkCase


@dataclass
class Ledger:
    """What a receiver took: the number of each event, and the id it would tell a repeat by."""

    port: int = 0
    taken: list[tuple[int, str]] = field(default_factory=list)
    luck: random.Random = field(default_factory=lambda: random.Random(0))
    lock: threading.Lock = field(default_factory=threading.Lock)


class _Receiver(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.ledger = ledger
        ledger.port = self.server_address[1]


class _Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Receiver

    def do_POST(self) -> None:
        """One in twenty is sent away, one in twenty is taken and not answered: the sender has to come again."""
        length = int(self.headers["content-length"])
        said = self.rfile.read(length)
        if len(said) < length:  # its sender was killed meanwhile
            self.close_connection = True
            return
        body = json.loads(said)
        ledger = self.server.ledger
        with ledger.lock:
            mood = ledger.luck.random()
            if mood > 0.05:
                assert self.headers["webhook-id"] == self.headers["idempotency-key"]
                ledger.taken.append((body["n"], self.headers["webhook-id"]))
        if mood > 0.95:
            self.close_connection = True
            return
        self.send_response(200 if mood > 0.05 else 503)
        self.send_header("content-length", "0")
        if mood <= 0.05:
            self.send_header("retry-after", "1")
        self.end_headers()

    def handle(self) -> None:
        """Until the connection ends, however it does."""
        with contextlib.suppress(ConnectionError):
            super().handle()

    def log_message(self, *_: object) -> None:
        """Nothing: the ledger says it all."""


@contextmanager
def receiver() -> Iterator[Ledger]:
    """A receiver that serves until the block ends."""
    ledger = Ledger()
    with served(_Receiver(ledger)):
        yield ledger


def http_sink(folder: Path, ledger: Ledger) -> SinkCase:
    async def begin() -> None:
        ledger.taken.clear()

    async def held() -> list[int]:
        return [number for number, _ in list(ledger.taken)]

    async def marks() -> list[str]:
        return [mark for _, mark in list(ledger.taken)]

    return SinkCase(
        topology=topology(
            folder,
            f"type: http_sink, url: 'http://127.0.0.1:{ledger.port}/in', private_hosts: ['127.0.0.1'], "
            "topics: [orders], retry: { max_attempts: 20, backoff: { initial: 1s, multiplier: 1, max: 1s } }",
        ),
        connector="edge",
        event=lambda n: {"n": n},
        count=COUNT,
        held=held,
        marks=marks,
        begin=begin,
        kills=2,  # after a third death over the same records, the one that runs alone is taken for the killer
        virtual=False,
        patience=60,
        look=0.05,
        steps=150,
    )
