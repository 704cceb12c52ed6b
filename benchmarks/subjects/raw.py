"""A raw confluent-kafka loop: consume, read key and headers, parse the JSON. No key order, no retries, auto commit."""

from __future__ import annotations

import json
import time
from typing import Any

from confluent_kafka import Consumer

from benchmarks.meter import Meter, task

given = task()
settings: dict[str, Any] = {
    "bootstrap.servers": given.bootstrap,
    "group.id": given.group,
    "auto.offset.reset": "earliest",
}
if given.mode != "drain-default":
    settings["fetch.queue.backoff.ms"] = 20
loads: Any = json.loads
if given.mode == "drain-orjson":
    import orjson

    loads = orjson.loads

ended = False


def end() -> None:
    global ended  # noqa: PLW0603
    ended = True


def drain(consumer: Consumer, meter: Meter) -> None:
    while not ended:
        for message in consumer.consume(500, 0.1):
            if message.error():
                continue
            loads(message.value())
            message.key()
            message.headers()
            meter.one()


def delay(consumer: Consumer, meter: Meter) -> None:
    while not ended:
        message = consumer.poll(1.0)
        if message is None or message.error():
            continue
        sent = loads(message.value())["t"]
        now = time.time_ns()
        if not meter.events:
            meter.one()
        if sent:
            meter.samples.append((now - sent) / 1e6)
            if len(meter.samples) == given.count:
                meter.finish()


def main() -> None:
    consumer = Consumer(settings)
    meter = Meter(given, end)
    consumer.subscribe([given.topic])
    (delay if given.mode == "latency" else drain)(consumer, meter)
    consumer.close()
    meter.report()


if __name__ == "__main__":
    main()
