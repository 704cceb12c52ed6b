"""Sends `count` records at 50 a second, each with the time at which it was made; a second of warm-up goes first."""

from __future__ import annotations

import time

from confluent_kafka import Producer

from benchmarks.load import value_of
from benchmarks.meter import say, task

RATE = 50


def main() -> None:
    given = task()
    producer = Producer({"bootstrap.servers": given.bootstrap, "acks": "all", "linger.ms": 0})
    began = time.perf_counter()
    for number in range(-RATE, given.count):
        due = began + (number + RATE) / RATE
        while (wait := due - time.perf_counter()) > 0:
            producer.poll(0)
            time.sleep(min(wait, 0.005))
        made = time.time_ns() if number >= 0 else 0
        producer.produce(
            given.topic, value_of(number, made), b"key-%d" % (number % 1000), headers={"ce_type": b"bench"}
        )
        producer.poll(0)
    producer.flush(10)
    say("result", {})


if __name__ == "__main__":
    main()
