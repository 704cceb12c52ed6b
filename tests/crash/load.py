"""Load: numbered events sent at a steady rate from a thread; only what the broker acknowledged counts as sent."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable
from typing import Any, Self

from confluent_kafka import Message, Producer

from tests.crash.ledger import Ledger

What = Callable[[int, random.Random], dict[str, Any]]


def quick(_number: int, _chance: random.Random) -> dict[str, Any]:
    """Events whose handler only writes its lines."""
    return {}


def lasting(least: float, most: float) -> What:
    """Events whose handler takes between so many seconds."""
    return lambda _number, chance: {"seconds": round(chance.uniform(least, most), 3)}


class Load:
    """Sends `what(number, chance)` with keys in turn by chance. Use as a context: leaving stops and flushes."""

    def __init__(
        self,
        bootstrap: str,
        topic: str,
        ledger: Ledger,
        seed: int,
        *,
        rate: float,
        what: What = quick,
        keys: int = 40,
        first: int = 0,
    ) -> None:
        """`rate` is records a second while inside the context, numbered from `first`."""
        self._topic = topic
        self._ledger = ledger
        self._chance = random.Random(seed)
        self._rate = rate
        self._what = what
        self._keys = keys
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._send_steadily, name="load")
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "acks": "all",
                "enable.idempotence": True,
                "partitioner": "murmur2_random",
                "linger.ms": 2,
                "topic.metadata.refresh.interval.ms": 500,
                "reconnect.backoff.max.ms": 500,
                "log_level": 0,
            }
        )
        self._next = first

    def send(self, count: int = 1, *, what: What | None = None, key: str | None = "", **place: int) -> list[int]:
        """Send so many at once and wait until the broker has them; returns their numbers. `key` '' means by chance."""
        numbers = [self._send_one(what or self._what, key, **place) for _ in range(count)]
        self.flush()
        return numbers

    def flush(self) -> None:
        """Wait until the broker has all."""
        assert self._producer.flush(60) == 0, "the broker does not take the load"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Send no more; wait until all is acknowledged."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        self.flush()

    def _send_steadily(self) -> None:
        began, sent = time.monotonic(), 0
        while not self._stopping.wait(0.01):
            due = int((time.monotonic() - began) * self._rate)
            for _ in range(due - sent):
                self._send_one(self._what, "")
            sent = due
            self._producer.poll(0)

    def _send_one(self, what: What, key: str | None, **place: int) -> int:
        number, self._next = self._next, self._next + 1
        if key == "":
            key = f"k{self._chance.randrange(self._keys)}"

        def acknowledged(error: object, message: Message[Any, Any]) -> None:
            if error is None and message.offset() is not None:  # without: docs/decisions/0016
                self._ledger.sent[number] = key

        value = json.dumps({"n": number, **what(number, self._chance)}).encode()
        while True:
            try:
                self._producer.produce(self._topic, value, key, on_delivery=acknowledged, **place)
            except BufferError:
                self._producer.poll(0.05)
            else:
                return number
